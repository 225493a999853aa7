//! The room: what was said in it, made up, the same each time.

use serde_json::{Value, json};

use super::AT;

/// Milliseconds between two messages.
const APART: u64 = 41_000;

/// The message at a place, of so many; the last of them was sent last.
pub fn message(place: u64, count: u64) -> Value {
    let at = AT.saturating_sub((count - 1 - place) * APART);
    let (from, text) = said(place);
    // As ids of version 7 are, by time.
    let id = format!("{:08x}-{:04x}-7000-8000-{place:012x}", at >> 16, at & 0xffff);
    json!({ "insert": "messages", "id": id, "set": { "from": from, "text": text, "at": at } })
}

/// Who says the message at a place, and what: the same each time.
fn said(place: u64) -> (&'static str, String) {
    const PEOPLE: [&str; 8] = [
        "Amber Fox",
        "Coral Lynx",
        "Jade Heron",
        "Indigo Crane",
        "Olive Otter",
        "Plum Raven",
        "Rust Badger",
        "Teal Stoat",
    ];
    const BEGINNINGS: [&str; 8] =
        ["I think", "It seems", "Good news:", "Look,", "By the way,", "As I said,", "Oh,", "Well,"];
    const THINGS: [&str; 9] = [
        "the release",
        "the kettle",
        "the train",
        "the new office plant",
        "my bicycle",
        "the demo",
        "the build",
        "the weather",
        "that bug of Monday",
    ];
    const ENDINGS: [&str; 10] = [
        "is back",
        "needs a hand",
        "is better than last week",
        "can wait until tomorrow",
        "is nowhere to be seen",
        "works on the train too",
        "was worth the walk",
        "makes me smile",
        "is late again",
        "is on its way",
    ];
    let mut random = fastrand::Rng::with_seed(place);
    let mut pick = |of: usize| random.usize(..of);
    let from = PEOPLE[pick(PEOPLE.len())];
    let (begin, thing, end) =
        (BEGINNINGS[pick(BEGINNINGS.len())], THINGS[pick(THINGS.len())], ENDINGS[pick(ENDINGS.len())]);
    (from, format!("{begin} {thing} {end}."))
}
