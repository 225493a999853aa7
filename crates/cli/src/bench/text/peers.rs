//! Libraries of convergent data types beside us: a program that plays the same recording with each of them, where it is
//! on PATH (`bench/text-peers`).

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::people::Played;
use crate::bench::peers::is_on_path;
use crate::failure::Failure;
use crate::replay::text::TextRecording;

/// The peers.
pub const NAMES: [&str; 3] = ["yrs", "loro", "automerge"];

const PROGRAM: &str = "tapeline-text-peers";

/// How long a peer may take for a recording. It is ended then, and said to have taken longer.
const PATIENCE: Duration = Duration::from_secs(240);

/// How a peer plays a recording.
pub async fn played(peer: &str, recording: &TextRecording) -> Result<Played, Failure> {
    if !is_on_path(PROGRAM) {
        return Err(Failure::Failed(format!("{PROGRAM} not found (cargo install --path bench/text-peers)")));
    }
    let mut process = Command::new(PROGRAM)
        .arg(peer)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(Failure::failed)?;
    if let Some(mut input) = process.stdin.take() {
        input.write_all(as_json(recording).to_string().as_bytes()).await.map_err(Failure::failed)?;
    }
    let late = |_| Failure::Failed(format!("{peer} did not end within {} s", PATIENCE.as_secs()));
    let output = tokio::time::timeout(PATIENCE, process.wait_with_output()).await.map_err(late)?;
    let output = output.map_err(Failure::failed)?;
    let played: Played = serde_json::from_slice(&output.stdout).map_err(Failure::failed)?;
    match played.correct {
        true => Ok(played),
        false => Err(Failure::Failed(format!("the text that {peer} ends with is not the recorded one"))),
    }
}

fn as_json(recording: &TextRecording) -> serde_json::Value {
    let transactions = recording.transactions.iter().map(|transaction| {
        let patches: Vec<_> = transaction.patches.iter().map(|patch| json!([patch.0, patch.1, patch.2])).collect();
        json!({ "person": transaction.person, "saw": transaction.saw, "patches": patches })
    });
    let transactions: Vec<_> = transactions.collect();
    json!({ "start": recording.start, "end": recording.end, "people": recording.people, "transactions": transactions })
}
