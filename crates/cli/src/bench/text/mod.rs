//! Texts, keystroke by keystroke: recordings played by real replicas and, where the program for it is there, by peers;
//! and a hundred people who type at once.

mod peers;
mod people;
mod stored;
mod typists;

use std::path::Path;

use super::Size;
use super::figures::Figures;
use crate::failure::Failure;
use crate::replay::TextRecording;
use people::Played;

/// The recordings, by the name of their figures.
const RECORDINGS: [(&str, &str); 2] =
    [("sveltecomponent", "text-sveltecomponent.json.gz"), ("clownschool", "text-clownschool.json.gz")];

/// Rounds of which the fastest counts, ours and the peers' in turn.
const ROUNDS: usize = 3;

/// Measures them. `recordings`: the directory they are in.
pub async fn run(recordings: &Path, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    for (name, file) in RECORDINGS {
        match TextRecording::read(&recordings.join(file))? {
            Some(recording) => measure(name, &recording, size, figures).await?,
            None => figures.miss(format!("text.{name}"), "no recording of a text")?,
        }
    }
    typists::run(size, figures)
}

async fn measure(name: &str, recording: &TextRecording, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let (mut ours, mut desk) = Played::of(recording)?;
    ours.stored_bytes = stored::bytes(&mut desk)?;
    let peers = if size.peers { peers::NAMES.len() } else { 0 };
    let mut theirs: Vec<Option<Result<Played, Failure>>> = (0..peers).map(|_| None).collect();
    for round in 0..ROUNDS {
        if round > 0 {
            ours = ours.faster(Played::of(recording)?.0);
        }
        for (peer, best) in peers::NAMES.into_iter().zip(&mut theirs) {
            if best.as_ref().is_some_and(|best| best.as_ref().map_or(true, Played::is_slow)) {
                continue;
            }
            *best = Some(match (best.take(), peers::played(peer, recording).await) {
                (Some(Ok(best)), Ok(played)) => Ok(Played::faster(best, played)),
                (_, played) => played,
            });
        }
    }
    figures.add(
        format!("text.{name}.sequenced_us"),
        ours.sequenced_s * 1e6 / recording.transactions.len() as f64,
        "us",
    )?;
    add(&format!("text.{name}"), &ours, figures)?;
    for (peer, played) in peers::NAMES.into_iter().zip(theirs.into_iter().flatten()) {
        match played {
            Ok(played) => {
                add(&format!("text.{name}.{peer}"), &played, figures)?;
                compare(&format!("text.{name}.of_{peer}"), &ours, &played, figures)?;
            }
            Err(failure) => figures.miss(format!("text.{name}.{peer}"), &failure.to_string())?,
        }
    }
    Ok(())
}

fn add(name: &str, played: &Played, figures: &mut Figures) -> Result<(), Failure> {
    figures.add(format!("{name}.typed_ms"), played.typed_s * 1e3, "ms")?;
    figures.add(format!("{name}.second_ms"), played.second_s * 1e3, "ms")?;
    figures.add(format!("{name}.update_bytes"), played.update_bytes as f64, "B")?;
    figures.add(format!("{name}.stored_bytes"), played.stored_bytes as f64, "B")?;
    figures.add(format!("{name}.memory_bytes"), played.memory_bytes as f64, "B")
}

/// How many times what we took a peer took.
fn compare(name: &str, ours: &Played, theirs: &Played, figures: &mut Figures) -> Result<(), Failure> {
    figures.add(format!("{name}.typed"), theirs.typed_s / ours.typed_s, "1")?;
    figures.add(format!("{name}.second"), theirs.second_s / ours.second_s, "1")?;
    // What is on our disk, and what they would keep if they kept each update as it comes.
    figures.add(format!("{name}.bytes"), theirs.update_bytes as f64 / ours.stored_bytes as f64, "1")?;
    figures.add(format!("{name}.memory"), theirs.memory_bytes as f64 / ours.memory_bytes as f64, "1")
}
