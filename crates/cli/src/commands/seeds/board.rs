//! The board: issues of a real repository, and where there are to be more of them, the same again elsewhere.

use fastrand::Rng;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::Failure;

const PEOPLE: [&str; 12] =
    ["Ana", "Ben", "Chidi", "Dara", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kemi", "Lior"];

const DONE: &str = "done";
/// What is not done is in one of these.
const OPEN: [&str; 5] = ["backlog", "backlog", "backlog", "progress", "review"];
/// The older an issue is, the surer it is done: the oldest to this degree.
const SURE: f64 = 0.85;

/// Where the issues of the repository are seen again, so that there are more.
const AGAIN: [&str; 10] = [
    "on Windows",
    "in Firefox",
    "on small screens",
    "without a network",
    "after an update",
    "for new users",
    "with many tabs",
    "in dark mode",
    "under load",
    "on the staging server",
];

/// The digits of positions, in their order, as `positionBetween` reads them.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An issue of the repository.
#[derive(Deserialize)]
struct Known {
    title: String,
    label: String,
    path: String,
}

/// The board's issues. The newest, which are the last, stand on top of their columns.
pub struct Board {
    known: Vec<Known>,
    /// By place: which column, and where in it from its top to its end, from 0 to 1.
    stands: Vec<(&'static str, f64)>,
}

impl Board {
    /// So many issues, made of a compressed list of known ones.
    pub fn read(packed: &[u8], count: u64) -> Result<Self, Failure> {
        let known = serde_json::from_reader(GzDecoder::new(packed)).map_err(Failure::failed)?;
        Ok(Self { known, stands: stands(count) })
    }

    /// What makes the issue at a place, and its description.
    pub fn issue(&self, place: u64) -> [Value; 2] {
        let place = place as usize;
        let (which, round) = (place % self.known.len(), place / self.known.len());
        let known = &self.known[which];
        let (state, share) = self.stands[place];
        let id = format!("T-{}", place + 1);
        let title = format!("{}{}", known.title, again(which, (self.stands.len() - 1) / self.known.len() - round));
        // Not the chance that its state was left to.
        let mut random = Rng::with_seed(!(place as u64));
        let assignee = pick(&mut random, &PEOPLE);
        let words = format!("{id} {title} {} {assignee}", known.label).to_lowercase();
        let position = position(share);
        let text = description(&mut random, &known.path);
        let set = json!({
            "title": title, "state": state, "label": known.label, "assignee": assignee, "position": position, "words": words
        });
        [
            json!({ "insert": "issues", "id": id, "set": set }),
            json!({ "insert": "descriptions", "id": id, "set": { "text": text } }),
        ]
    }
}

/// Where each of so many issues stands.
fn stands(count: u64) -> Vec<(&'static str, f64)> {
    let states: Vec<&str> = (0..count).map(|place| state(place, count)).collect();
    let all_in = |state: &str| states.iter().filter(|other| **other == state).count() as f64;
    let columns = ["backlog", "progress", "review", DONE].map(|state| (state, all_in(state)));
    let mut above = [0.0; 4];
    let mut stands = vec![(DONE, 0.0); states.len()];
    for (place, state) in states.into_iter().enumerate().rev() {
        let column = columns.iter().position(|(column, _)| *column == state).unwrap_or_default();
        stands[place] = (state, above[column] / columns[column].1);
        above[column] += 1.0;
    }
    stands
}

fn state(place: u64, count: u64) -> &'static str {
    let mut random = Rng::with_seed(place);
    let age = 1.0 - place as f64 / count as f64;
    if random.f64() < age * SURE { DONE } else { pick(&mut random, &OPEN) }
}

/// What is added to a title the more often its issue was there before: nothing, one thing, then two.
fn again(which: usize, times: usize) -> String {
    let (mut left, mut added) = (times, String::new());
    while left > 0 {
        added = format!("{added} {}", AGAIN[(which + left - 1) % AGAIN.len()]);
        left = (left - 1) / AGAIN.len();
    }
    added
}

/// A position this share of the way from top to end: there is room for more at both, and between any two.
fn position(share: f64) -> String {
    let mut left = 0.25 + share / 2.0;
    let digit = |_| {
        left *= DIGITS.len() as f64;
        let digit = left as usize;
        left -= digit as f64;
        char::from(DIGITS[digit])
    };
    (0..4).map(digit).chain(['V']).collect()
}

fn description(random: &mut Rng, path: &str) -> String {
    const WHEN: [&str; 7] = [
        "right after the last release",
        "twice this week",
        "while looking for something else",
        "on a slow network",
        "in a session of many hours",
        "in the nightly run",
        "with a customer on the phone",
    ];
    const MATTERS: [&str; 6] = [
        "It is easy to work around, but people go on asking about it.",
        "Nobody is stuck because of it.",
        "It costs us an hour a week.",
        "It should be a small change.",
        "It is older than it looks.",
        "Two others are waiting for it.",
    ];
    const ADVICE: [&str; 6] = [
        "Begin with a test that shows it.",
        "Talk to whoever wrote it first.",
        "Best done together with what stands beside it.",
        "Measure before and after.",
        "Leave the public names as they are.",
        "Write down what was decided, and why.",
    ];
    let (who, when) = (pick(random, &PEOPLE), pick(random, &WHEN));
    let (matters, advice) = (pick(random, &MATTERS), pick(random, &ADVICE));
    format!("It is about {path}.\n\n{who} came across it {when}. {matters} {advice}")
}

fn pick(random: &mut Rng, of: &[&'static str]) -> &'static str {
    of[random.usize(..of.len())]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn issues_have_titles_of_their_own_and_the_newest_stand_on_top() {
        let known = (0..7).map(|number| Known { title: format!("Mend {number}"), label: "a".into(), path: "b".into() });
        let board = Board { known: known.collect(), stands: stands(500) };
        let issues: Vec<Value> = (0..500).map(|place| board.issue(place)[0]["set"].clone()).collect();
        let titles: BTreeSet<&str> = issues.iter().filter_map(|issue| issue["title"].as_str()).collect();
        assert_eq!(titles.len(), 500);
        assert_eq!(issues[499]["title"], "Mend 2", "the newest are as they are known");
        let mut columns = BTreeMap::<&str, Vec<&str>>::new();
        for issue in &issues {
            let state = issue["state"].as_str().expect("a state");
            columns.entry(state).or_default().push(issue["position"].as_str().expect("a position"));
        }
        assert_eq!(columns.len(), 4);
        assert!(columns.values().all(|column| column.is_sorted_by(|older, newer| older > newer)));
    }
}
