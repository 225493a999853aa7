//! Plays a recording of a text with a library of convergent data types: a peer of `tapeline bench text`, which starts
//! this program where it is on PATH, gives it the recording, and reads what it says.
//!
//! `tapeline-text-peers yrs|loro|automerge < recording.json`, the recording as the bench writes it. The answer is one
//! line of JSON, times being those of a processor: how long the people took who typed (their edits, the updates made of them, and the others' taken in),
//! how long a replica took to which all updates were given one by one, the bytes of the updates, one a transaction, and
//! the memory of such a replica.

mod automerge;
mod loro;
mod yrs;

use std::io::Read;

use serde::Deserialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// To see what one replica takes, so many are held at most, or so many as take so many bytes; and then as many again.
const HELD: usize = 256;
const WARM: u64 = 16 << 20;

/// A document of one person.
trait Document {
    /// A document in which nobody has typed yet, and the update that brings it to others.
    fn first(start: &str) -> (Self, Vec<u8>)
    where
        Self: Sized;

    /// The document of another person, who has had that update.
    fn other(first: &[u8]) -> Self
    where
        Self: Sized;

    /// Types a transaction, and makes the update that brings it to others.
    fn edit(&mut self, patches: &[Patch]) -> Vec<u8>;

    /// Takes an update in.
    fn take(&mut self, update: &[u8]);

    /// The text.
    fn text(&self) -> String;
}

#[derive(Deserialize)]
struct Recording {
    start: String,
    end: String,
    people: usize,
    transactions: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    person: usize,
    /// How many transactions of each person it was typed on.
    saw: Vec<usize>,
    patches: Vec<Patch>,
}

/// A replacement: position, how much goes, and what comes.
#[derive(Deserialize)]
struct Patch(usize, usize, String);

fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("a recording on standard input");
    let recording: Recording = serde_json::from_str(&text).expect("a recording as the bench writes it");
    drop(text);
    match std::env::args().nth(1).as_deref() {
        Some("yrs") => measure::<yrs::Yrs>(&recording),
        Some("loro") => measure::<loro::Loro>(&recording),
        Some("automerge") => measure::<automerge::Automerge>(&recording),
        _ => panic!("which peer: yrs, loro or automerge?"),
    }
}

fn measure<D: Document>(recording: &Recording) {
    let (first, updates, typed) = play::<D>(recording);
    let started = now();
    let second = replica::<D>(&first, &updates);
    let second_took = now() - started;
    let correct = second.text() == recording.end;
    let memory = memory(|| replica::<D>(&first, &updates));
    let bytes: usize = updates.iter().map(Vec::len).sum();
    println!(
        "{}",
        serde_json::json!({
            "typed_s": typed, "second_s": second_took, "update_bytes": bytes, "stored_bytes": packed(&updates),
            "memory_bytes": memory, "correct": correct,
        })
    );
}

/// Lets everybody type on exactly what they had seen. Answers the first update, those of the transactions, and how long
/// it took.
fn play<D: Document>(recording: &Recording) -> (Vec<u8>, Vec<Vec<u8>>, f64) {
    let (document, first) = D::first(&recording.start);
    let mut documents = vec![document];
    documents.resize_with(recording.people, || D::other(&first));
    let mut seen = vec![vec![0; recording.people]; recording.people];
    let mut made: Vec<Vec<usize>> = vec![Vec::new(); recording.people];
    let mut updates: Vec<Vec<u8>> = Vec::with_capacity(recording.transactions.len());
    let started = now();
    for Transaction { person, saw, patches } in &recording.transactions {
        let document = &mut documents[*person];
        for (author, seen) in seen[*person].iter_mut().enumerate().filter(|(author, _)| author != person) {
            while *seen < saw[author] {
                document.take(&updates[made[author][*seen]]);
                *seen += 1;
            }
        }
        made[*person].push(updates.len());
        updates.push(document.edit(patches));
    }
    (first, updates, now() - started)
}

/// A replica to which all updates were given.
fn replica<D: Document>(first: &[u8], updates: &[Vec<u8>]) -> D {
    let mut document = D::other(first);
    updates.iter().for_each(|update| document.take(update));
    document
}

/// Bytes of updates that are kept as Tapeline's log keeps events: segments of 1,024, compressed as hard.
fn packed(updates: &[Vec<u8>]) -> usize {
    let segments = updates.chunks(1_024).map(|updates| {
        let with_length = updates.iter().flat_map(|update| (update.len() as u16).to_be_bytes().into_iter().chain(update.iter().copied()));
        zstd::bulk::compress(&with_length.collect::<Vec<u8>>(), 6).expect("compressed")
    });
    segments.map(|segment| segment.len()).sum()
}

/// The processor time of this thread in seconds.
fn now() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The memory of one more replica. As many are held first as use up what was freed before.
fn memory<D>(make: impl Fn() -> D) -> u64 {
    let (begin, mut held) = (resident(), Vec::new());
    while held.len() < HELD && resident() < begin + WARM {
        held.push(make());
    }
    let (before, first) = (resident(), held.len());
    held.extend((0..first).map(|_| make()));
    resident().saturating_sub(before) / first as u64
}

/// The memory of this process in bytes.
fn resident() -> u64 {
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * PAGE
}
