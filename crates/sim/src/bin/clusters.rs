//! Streams over many clusters: how evenly a billion of them fall, what moves where a cluster is added, what a directory costs.
//!
//! ```text
//! stream ── hash ──▶ slot, one of 262,144 ── weighted rendezvous ──▶ cluster        exceptions: the hottest streams, by name
//! ```
//!
//! Nothing of it runs in a server: it is the arithmetic of `docs/beyond-one-cluster.md`. Streams are as unequal as things people
//! use are: the one of rank r has a share of `1 / r^s` (Zipf). The first ranks are placed one by one; those behind them, each far too
//! small to matter, fill the slots as chance does. Everything follows from the seed.

use std::process::ExitCode;

/// How finely what can be moved is cut.
const SLOTS: usize = 1 << 18;
/// Ranks that are placed one by one.
const PLACED: u64 = 2_000_000;
/// Bytes of a directory's entry for a slot, and for a stream by its name.
const SLOT_BYTES: u64 = 2;
const NAME_BYTES: u64 = 64;

/// What is simulated.
struct Options {
    seed: u64,
    streams: u64,
    clusters: usize,
    /// How unequal streams are: the exponent of their ranks.
    skew: f64,
    /// Events a second of all streams.
    events: f64,
    /// Bytes that a stream takes on the average, on all servers of a cluster.
    bytes: f64,
    /// Bytes a second that a cluster takes in beside its work.
    moving: f64,
}

impl Default for Options {
    fn default() -> Self {
        let (streams, clusters, skew) = (1_000_000_000, 40, 0.9);
        Self { seed: 1, streams, clusters, skew, events: 2_000_000.0, bytes: 30_000.0, moving: 100e6 }
    }
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(options) => {
            println!("{}", report(&options));
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!(
                "{wrong}\nusage: clusters [--seed N] [--streams N] [--clusters N] [--skew S] [--events PER-SECOND]"
            );
            ExitCode::from(2)
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        let number: f64 =
            value.parse().ok().filter(|n: &f64| *n >= 0.0).ok_or_else(|| format!("{value:?} is no number"))?;
        match name.as_str() {
            "--seed" => options.seed = number as u64,
            "--streams" if number >= 1.0 => options.streams = number as u64,
            "--clusters" if (2.0..=1_000.0).contains(&number) => options.clusters = number as usize,
            "--skew" if number <= 2.0 => options.skew = number,
            "--events" => options.events = number,
            _ => return Err(format!("{name} {value} cannot be")),
        }
    }
    Ok(options)
}

fn report(options: &Options) -> String {
    let world = World::new(options);
    let equal = vec![1.0; options.clusters];
    let placed = place(options.seed, &equal);
    let mut lines = vec![
        format!("seed {}, {} streams, {} clusters, {SLOTS} slots", options.seed, options.streams, options.clusters),
        String::new(),
        spread("streams, clusters alike", &totals(&world.streams, &placed, options.clusters), &equal),
        spread("events, clusters alike", &totals(&world.loads, &placed, options.clusters), &equal),
    ];
    lines.push(weighted(options, &world));
    lines.push(String::new());
    lines.extend(hot(options, &world));
    lines.push(String::new());
    lines.push(moves("a cluster is added", options, &world, &placed, &[&equal[..], &[1.0]].concat()));
    let mut without = equal.clone();
    without[0] = 0.0;
    lines.push(moves("a cluster is given up", options, &world, &placed, &without));
    let mut doubled = equal;
    doubled[0] = 2.0;
    lines.push(moves("a cluster becomes twice as large", options, &world, &placed, &doubled));
    lines.push(format!(
        "a modulus instead, a cluster added: {:.1} % of the streams move",
        100.0 * modulus(options.clusters)
    ));
    lines.push(String::new());
    lines.push(directory(options));
    lines.join("\n")
}

/// What falls on each slot.
struct World {
    streams: Vec<f64>,
    /// Events a second.
    loads: Vec<f64>,
    /// The hottest streams: events a second, and the slot.
    hottest: Vec<(f64, usize)>,
}

impl World {
    fn new(options: &Options) -> Self {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let placed = PLACED.min(options.streams);
        let share = |rank: u64| (rank as f64).powf(-options.skew);
        let head: f64 = (1..=placed).map(share).sum();
        let tail = behind(placed, options.streams, options.skew);
        let unit = options.events / (head + tail);
        let (mut streams, mut loads, mut hottest) = (Vec::with_capacity(SLOTS), Vec::with_capacity(SLOTS), Vec::new());
        let mean = (options.streams - placed) as f64 / SLOTS as f64;
        for _ in 0..SLOTS {
            let count = (mean + mean.sqrt() * normal(&mut random)).max(0.0).round();
            streams.push(count);
            loads.push(if mean > 0.0 { unit * tail / SLOTS as f64 * count / mean } else { 0.0 });
        }
        for rank in 1..=placed {
            let (slot, load) = (random.usize(..SLOTS), unit * share(rank));
            streams[slot] += 1.0;
            loads[slot] += load;
            if hottest.len() < 10_000 {
                hottest.push((load, slot));
            }
        }
        Self { streams, loads, hottest }
    }
}

/// The shares of all ranks past `first`, by the integral.
fn behind(first: u64, last: u64, skew: f64) -> f64 {
    let (first, last) = (first as f64, last as f64);
    match (skew - 1.0).abs() < 1e-9 {
        true => (last / first).ln(),
        false => (last.powf(1.0 - skew) - first.powf(1.0 - skew)) / (1.0 - skew),
    }
}

/// A number of the normal distribution (Box and Muller).
fn normal(random: &mut fastrand::Rng) -> f64 {
    let (a, b) = (1.0 - random.f64(), random.f64());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// The cluster of each slot: the one with the best lot, where a cluster's lots are as good as its weight.
fn place(seed: u64, weights: &[f64]) -> Vec<usize> {
    let lot = |slot: usize, cluster: usize| {
        let mixed = seed
            ^ (slot as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ (cluster as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
        -weights[cluster] / (1.0 - fastrand::Rng::with_seed(mixed).f64()).ln()
    };
    let best = |slot| {
        let there = (0..weights.len()).filter(|&cluster| weights[cluster] > 0.0);
        there.max_by(|&a, &b| lot(slot, a).total_cmp(&lot(slot, b))).unwrap_or_default()
    };
    (0..SLOTS).map(best).collect()
}

fn totals(of_slots: &[f64], placed: &[usize], clusters: usize) -> Vec<f64> {
    let mut totals = vec![0.0; clusters];
    placed.iter().zip(of_slots).for_each(|(&cluster, &value)| totals[cluster] += value);
    totals
}

/// How far the fullest and the emptiest cluster are from what their weights say.
fn spread(what: &str, totals: &[f64], weights: &[f64]) -> String {
    let (all, weight): (f64, f64) = (totals.iter().sum(), weights.iter().sum());
    let relative = totals.iter().zip(weights).map(|(total, own)| total / (all * own / weight));
    let (least, most) = relative.fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    format!("{what}: the fullest has {:+.1} %, the emptiest {:+.1} %", 100.0 * (most - 1.0), 100.0 * (least - 1.0))
}

/// Clusters of several sizes.
fn weighted(options: &Options, world: &World) -> String {
    let weights: Vec<f64> = (0..options.clusters).map(|cluster| [1.0, 1.0, 2.0, 4.0][cluster % 4]).collect();
    let placed = place(options.seed, &weights);
    spread("streams, clusters of sizes 1, 1, 2, 4", &totals(&world.streams, &placed, options.clusters), &weights)
}

/// What the hottest streams do, and what is gained by placing some of them by name.
fn hot(options: &Options, world: &World) -> Vec<String> {
    let mean = options.events / options.clusters as f64;
    let mut lines = vec![format!(
        "the hottest stream has {:.0} events/s, the thousandth {:.0}, a cluster {mean:.0} on the average",
        world.hottest[0].0,
        world.hottest.get(999).map_or(0.0, |hot| hot.0),
    )];
    for named in [100, 1_000, 10_000] {
        let loads = by_name(options, world, &world.hottest[..named.min(world.hottest.len())], mean);
        let what = format!("events, the {named} hottest placed by name");
        lines.push(spread(&what, &loads, &vec![1.0; loads.len()]));
    }
    lines
}

/// The load of each cluster where these streams are placed by name, the hottest first, each where there is least, and the slots
/// by what is left of each cluster.
fn by_name(options: &Options, world: &World, hottest: &[(f64, usize)], mean: f64) -> Vec<f64> {
    let (mut named, mut rest) = (vec![0.0; options.clusters], world.loads.clone());
    for &(load, slot) in hottest {
        rest[slot] -= load;
        let emptiest = (0..named.len()).min_by(|&a, &b| f64::total_cmp(&named[a], &named[b])).unwrap_or_default();
        named[emptiest] += load;
    }
    let weights: Vec<f64> = named.iter().map(|load| (mean - load).max(0.0) / mean).collect();
    let slots = totals(&rest, &place(options.seed, &weights), options.clusters);
    named.iter().zip(slots).map(|(named, rest)| named + rest).collect()
}

/// What moves where weights change, and how long that takes.
fn moves(what: &str, options: &Options, world: &World, before: &[usize], weights: &[f64]) -> String {
    let after = place(options.seed, weights);
    let all: f64 = world.streams.iter().sum();
    let mut incoming = vec![0.0; weights.len()];
    let (mut moved, mut needless) = (0.0, 0.0);
    for ((&from, &to), &streams) in before.iter().zip(&after).zip(&world.streams) {
        if from != to {
            moved += streams;
            incoming[to] += streams;
            // Between two that stay as they were.
            let same = |cluster: usize| weights[cluster] == 1.0 && cluster < options.clusters;
            needless += if same(from) && same(to) { streams } else { 0.0 };
        }
    }
    let bytes = moved * options.bytes;
    let hours =
        incoming.iter().fold(0.0_f64, |most, &streams| most.max(streams)) * options.bytes / options.moving / 3_600.0;
    format!(
        "{what}: {:.2} % of the streams move, {:.2} TB, {hours:.1} h at {:.0} MB/s for the one that takes most; {:.2} % needlessly",
        100.0 * moved / all,
        bytes / 1e12,
        options.moving / 1e6,
        100.0 * needless / all
    )
}

/// What part of all slots another modulus moves.
fn modulus(clusters: usize) -> f64 {
    (0..SLOTS).filter(|slot| slot % clusters != slot % (clusters + 1)).count() as f64 / SLOTS as f64
}

fn directory(options: &Options) -> String {
    let slots = SLOTS as u64 * SLOT_BYTES;
    format!(
        "a directory of slots has {} KB, one with 10,000 streams by name beside them {} KB, one of all streams {} GB",
        slots / 1_000,
        (slots + 10_000 * NAME_BYTES) / 1_000,
        options.streams * NAME_BYTES / 1_000_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_to_move_does() {
        let before = place(7, &[1.0; 9]);
        let after = place(7, &[1.0; 10]);
        let moved: Vec<_> = before.iter().zip(&after).filter(|(from, to)| from != to).collect();
        assert!(moved.iter().all(|(_, to)| **to == 9), "to the new one alone");
        let part = moved.len() as f64 / SLOTS as f64;
        assert!((0.097..0.103).contains(&part), "{part}");
    }

    #[test]
    fn clusters_get_what_their_weights_say() {
        let weights = [1.0, 2.0, 5.0, 0.0];
        let totals = totals(&vec![1.0; SLOTS], &place(3, &weights), 4);
        for (total, weight) in totals.iter().zip(weights) {
            let expected = SLOTS as f64 * weight / 8.0;
            assert!((total - expected).abs() <= expected * 0.03, "{totals:?}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_report_again() {
        let options = || Options { seed: 5, streams: 3_000_000, clusters: 5, ..Options::default() };
        assert_eq!(report(&options()), report(&options()));
        assert!(parse(["--clusters".to_owned(), "1".to_owned()].into_iter()).is_err());
    }
}
