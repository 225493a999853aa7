//! Runs seeds of the simulation: many, to find one that fails, or one, to see what happens.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use tapeline_sim::{Report, Run, Sabotage};

const USAGE: &str = "\
usage: tapeline-sim [--seeds N | --events N] [--from N] [--jobs N]   run many seeds, or seeds until so many events
       tapeline-sim --seed N [--trace]                               run one
options for both: [--steps N] edits a run, [--sabotage NAME] a bug to plant";

struct Options {
    seed: Option<u64>,
    seeds: u64,
    /// Seeds are run until so many events are recorded.
    events: Option<u64>,
    from: u64,
    jobs: u64,
    steps: Option<u64>,
    sabotage: Option<Sabotage>,
    trace: bool,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            let names: Vec<&str> = Sabotage::ALL.iter().map(|sabotage| sabotage.name()).collect();
            eprintln!("{wrong}\n{USAGE}\nbugs: {}", names.join(", "));
            return ExitCode::from(2);
        }
    };
    let failed = match options.seed {
        Some(seed) => u64::from(!one(&options, seed)),
        None => many(&options),
    };
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options =
        Options { seed: None, seeds: 300, events: None, from: 0, jobs: 2, steps: None, sabotage: None, trace: false };
    while let Some(name) = arguments.next() {
        if name == "--trace" {
            options.trace = true;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} needs a number, not {value}"));
        match name.as_str() {
            "--seed" => options.seed = Some(number()?),
            "--seeds" => options.seeds = number()?,
            "--events" => (options.events, options.seeds) = (Some(number()?), u64::MAX),
            "--from" => options.from = number()?,
            "--jobs" => options.jobs = number()?.max(1),
            "--steps" => options.steps = Some(number()?),
            "--sabotage" => {
                options.sabotage = Some(Sabotage::from_name(&value).ok_or(format!("there is no bug {value}"))?);
            }
            _ => return Err(format!("there is no option {name}")),
        }
    }
    Ok(options)
}

fn run(options: &Options, seed: u64) -> Report {
    let Options { steps, sabotage, trace, .. } = *options;
    Run { seed, steps, sabotage, traced: trace }.run()
}

fn one(options: &Options, seed: u64) -> bool {
    let report = run(options, seed);
    let end = match &report.failure {
        None => format!("1 passed, 0 failed, {} events", report.events),
        Some(failure) => format!("{}\n0 passed, 1 failed", explain(options, seed, failure)),
    };
    let mut out = std::io::stdout().lock();
    // Whoever stops reading has seen enough.
    let _ = report.trace.iter().chain([&end]).try_for_each(|line| writeln!(out, "{line}"));
    report.failure.is_none()
}

/// What came of many seeds.
#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    events: AtomicU64,
}

/// Runs many seeds. Answers how many fail.
#[expect(clippy::disallowed_methods, reason = "every seed is a world of its own: threads share nothing but counts")]
fn many(options: &Options) -> u64 {
    let counts = Counts::default();
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| while next(options, &counts) {});
        }
    });
    let [done, failed, events] = [counts.done, counts.failed, counts.events].map(AtomicU64::into_inner);
    println!("{} passed, {failed} failed, {events} events", done - failed);
    failed
}

/// Runs the next seed. Answers whether there was one.
fn next(options: &Options, counts: &Counts) -> bool {
    let enough = options.events.is_some_and(|events| counts.events.load(Ordering::Relaxed) >= events);
    let place = counts.begun.fetch_add(1, Ordering::Relaxed);
    if enough || place >= options.seeds {
        return false;
    }
    let seed = options.from + place;
    let report = run(options, seed);
    if let Some(failure) = report.failure {
        counts.failed.fetch_add(1, Ordering::Relaxed);
        println!("{}", explain(options, seed, &failure));
    }
    let events = counts.events.fetch_add(report.events, Ordering::Relaxed) + report.events;
    let done = counts.done.fetch_add(1, Ordering::Relaxed) + 1;
    if done.is_multiple_of(1000) {
        eprintln!("{done} seeds, {events} events");
    }
    true
}

fn explain(options: &Options, seed: u64, failure: &str) -> String {
    let steps = options.steps.map(|steps| format!(" --steps {steps}")).unwrap_or_default();
    let sabotage = options.sabotage.map(|sabotage| format!(" --sabotage {}", sabotage.name())).unwrap_or_default();
    format!(
        "seed {seed} failed: {failure}\n  again: cargo run --release -p tapeline-sim -- --seed {seed}{steps}{sabotage} --trace"
    )
}
