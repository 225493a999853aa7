//! Every way in which a journal can be cut or flipped: what comes back is a prefix, or an error that names the place.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tapeline_core::batch::Batch;
use tapeline_core::hash::Chain;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Incarnation, Position, Seq};

use super::group::{GROUP_HEADER, Record, SEGMENT_HEADER};
use super::recover::{Recovered, recover};
use super::segments::list;
use super::writer::Writer;
use super::{Journal, Segments, Waiting};
use crate::contract::LogError;
use crate::embedded::Fatal;

const FIRST: u64 = 7;

fn record(position: u64) -> Record {
    let mut batch = Batch::empty(Seq(position), Chain(position));
    batch.block.push(format!("event {position:04}").as_bytes());
    Record {
        stream: StreamName::new("s").unwrap(),
        number: 1,
        incarnation: Incarnation(5),
        position: Position(position),
        batch: Arc::new(batch),
    }
}

/// Writes groups of one record each; a segment ends before each of `breaks`.
fn write(directory: &Path, groups: u64, breaks: &[u64]) {
    let mut writer = Writer::new(directory.to_owned(), FIRST, Arc::new(Segments::new(Vec::new())));
    for group in FIRST..FIRST + groups {
        if breaks.contains(&group) {
            writer.end_segment();
        }
        let (mut bytes, record) = (vec![0; GROUP_HEADER], record(group));
        record.encode(&record.batch.encode(), &mut bytes);
        assert_eq!(writer.write(&mut bytes, 1).unwrap(), group);
    }
}

/// The groups that come back, each checked to be what was written.
fn read(directory: &Path) -> Result<(Vec<u64>, Recovered), LogError> {
    let mut groups = Vec::new();
    let recovered = recover(directory, FIRST, |group, found| {
        assert_eq!((found.position.0, &found.batch), (group, &record(group).batch));
        groups.push(group);
        Ok(())
    })?;
    assert!(groups.iter().copied().eq(FIRST..recovered.next), "a prefix: {groups:?}");
    Ok((groups, recovered))
}

fn only_file(directory: &Path) -> PathBuf {
    list(directory).unwrap().pop().unwrap().1
}

#[test]
fn a_panic_of_the_thread_is_fatal() {
    let (directory, (tell, hear)) = (tempfile::tempdir().unwrap(), sync_channel(1));
    let fatal: Fatal = Arc::new(move |why| tell.send(why.to_owned()).unwrap());
    let panics = Box::new(|_, _: &[Waiting]| panic!("over something"));
    let journal = Journal::start(directory.path().into(), FIRST, Vec::new(), panics, fatal, Arc::default()).unwrap();
    let record = record(FIRST);
    let encoded = record.batch.encode();
    assert!(journal.push(Waiting { append: Ok(record), done: Box::new(drop) }, &encoded).is_ok());
    assert!(hear.recv().unwrap().contains("panicked"));
    journal.close();
}

#[test]
fn what_is_written_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), 5, &[9, 10]);
    let (groups, recovered) = read(directory.path()).unwrap();
    assert_eq!(groups, [7, 8, 9, 10, 11]);
    assert_eq!((recovered.next, recovered.segments.len()), (12, 3));
}

#[test]
fn segments_below_the_position_are_deleted() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), 5, &[9, 10]);
    let mut groups = Vec::new();
    let recovered = recover(directory.path(), 10, |group, _| {
        groups.push(group);
        Ok(())
    });
    assert_eq!((groups, recovered.unwrap().segments.len()), (vec![10, 11], 1));
    assert_eq!(list(directory.path()).unwrap().len(), 1);
    assert_eq!(recover(directory.path(), 20, |_, _| Ok(())).unwrap().next, 20);
    assert!(list(directory.path()).unwrap().is_empty());
}

#[test]
fn a_tail_torn_at_any_byte_is_cut() {
    let source = tempfile::tempdir().unwrap();
    write(source.path(), 4, &[]);
    let file = only_file(source.path());
    let whole = fs::read(&file).unwrap();
    let group = (whole.len() - SEGMENT_HEADER) / 4;
    for length in 0..=whole.len() {
        let directory = tempfile::tempdir().unwrap();
        let torn = directory.path().join(file.file_name().unwrap());
        fs::write(&torn, &whole[..length]).unwrap();
        let (groups, _) = read(directory.path()).unwrap();
        assert_eq!(groups.len(), length.saturating_sub(SEGMENT_HEADER) / group, "{length} bytes");
        let again = read(directory.path()).unwrap().0;
        assert_eq!(again, groups, "cut once and for all at {length} bytes");
    }
}

#[test]
fn garbage_behind_the_tail_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), 3, &[]);
    let file = only_file(directory.path());
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes[bytes.len() - 40..].to_vec();
    bytes.extend_from_slice(b"GRUPGRUP");
    bytes.extend(last);
    fs::write(&file, bytes).unwrap();
    assert_eq!(read(directory.path()).unwrap().0, [7, 8, 9]);
}

#[test]
fn a_flipped_byte_is_named_or_is_the_tail() {
    let source = tempfile::tempdir().unwrap();
    write(source.path(), 3, &[]);
    let file = only_file(source.path());
    let whole = fs::read(&file).unwrap();
    let group = (whole.len() - SEGMENT_HEADER) / 3;
    for place in 0..whole.len() {
        let directory = tempfile::tempdir().unwrap();
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(directory.path().join(file.file_name().unwrap()), &flipped).unwrap();
        let damaged_group = place.checked_sub(SEGMENT_HEADER).map(|place| place / group);
        match read(directory.path()) {
            Ok((groups, _)) => assert_eq!((damaged_group, groups.len()), (Some(2), 2), "byte {place}"),
            Err(LogError::Damaged { place: named, .. }) => {
                let offset = damaged_group.map_or(0, |damaged| SEGMENT_HEADER + damaged * group);
                assert!(named.ends_with(&format!(".journal offset {offset}")), "byte {place}: {named}");
                assert_ne!(damaged_group, Some(2), "byte {place}");
                assert_eq!(fs::read(only_file(directory.path())).unwrap(), flipped, "nothing is changed");
            }
            Err(other) => panic!("byte {place}: {other}"),
        }
    }
}

#[test]
fn damage_before_another_segment_is_never_a_tail() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), 4, &[9]);
    let first = list(directory.path()).unwrap().remove(0).1;
    let whole = fs::read(&first).unwrap();
    for cut in [whole.len() - 1, whole.len() - 30, SEGMENT_HEADER, 3] {
        fs::write(&first, &whole[..cut]).unwrap();
        let error = read(directory.path()).err().expect("the damage is noticed").to_string();
        assert!(error.contains(first.to_str().unwrap()), "{error}");
    }
    fs::remove_file(first).unwrap();
    let error = read(directory.path()).err().expect("the gap is noticed").to_string();
    assert!(error.contains("missing"), "{error}");
}
