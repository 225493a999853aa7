//! Which subject a stream has, in which JetStream stream.
//!
//! ```text
//! subject = prefix "." place "." name      place: xxh3 of the name, modulo how many JetStream streams there are
//! ```
//!
//! A name is one part of a subject. Whatever is not a letter, a digit, `-`, `_`, `/` or `:` is spelled as `%` and two
//! hexadecimal digits a byte, so that it comes back as it was.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tapeline_core::name::StreamName;
use xxhash_rust::xxh3::xxh3_64;

const SPELLED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'/').remove(b':');

/// Which of so many JetStream streams has a stream.
pub(super) fn place(stream: &StreamName, count: usize) -> usize {
    (xxh3_64(stream.as_str().as_bytes()) % count as u64) as usize
}

/// The subject of a stream.
pub(super) fn of(prefix: &str, place: usize, stream: &StreamName) -> String {
    format!("{prefix}.{place}.{}", utf8_percent_encode(stream.as_str(), SPELLED))
}

/// The subjects that a JetStream stream takes.
pub(super) fn all(prefix: &str, place: usize) -> String {
    format!("{prefix}.{place}.*")
}

/// The subject of a stream's snapshots.
pub(super) fn of_snapshots(prefix: &str, stream: &StreamName) -> String {
    format!("{prefix}-snapshots.{}", utf8_percent_encode(stream.as_str(), SPELLED))
}

/// The name in a subject that [`of`] made.
pub(super) fn name(subject: &str) -> Option<StreamName> {
    let spelled = subject.rsplit('.').next()?;
    StreamName::new(percent_decode_str(spelled).decode_utf8().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for name in ["lists/groceries", "a.b", "*", ">", "100%", "straße/ünïcode/🧺", "$SYS", "\"\\", "a:b-c_d"] {
            let name = StreamName::new(name).unwrap();
            let subject = of("tapeline", 3, &name);
            assert_eq!(subject.split('.').count(), 3, "{subject}");
            assert!(subject.is_ascii() && !subject.contains(['*', '>', ' ', '"', '\\']), "{subject}");
            assert_eq!(super::name(&subject), Some(name));
        }
    }

    #[test]
    fn streams_are_spread() {
        let mut counts = [0; 16];
        for number in 0..1_600 {
            counts[place(&StreamName::new(format!("many/{number}")).unwrap(), 16)] += 1;
        }
        assert!(counts.iter().all(|count| (50..200).contains(count)), "{counts:?}");
    }
}
