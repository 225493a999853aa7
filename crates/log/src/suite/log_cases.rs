//! Cases about the log alone.

use std::sync::Arc;

use tapeline_core::block::EventBlock;
use tapeline_core::hash::Chain;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Position, Seq};

use super::{Cases, Fresh, Writer, append, start_append, wait};
use crate::contract::{Append, AppendError, EventLog, StateStore, StreamInfo};

pub(super) fn all<B: EventLog + StateStore>() -> Cases<B> {
    vec![
        ("a stream that is not there", nothing_there),
        ("seqs are dense and events come back", dense_seqs),
        ("an append elsewhere is a conflict", conflicts),
        ("appends may follow one another unanswered", pipelining),
        ("of two appends at one place one wins", one_wins),
        ("a batch that does not follow is refused", must_follow),
        ("refusals alone move the position", refusals_move),
        ("reads at every offset and limit", every_offset),
        ("streams are listed in order", listing),
        ("many streams at once", many_streams),
    ]
}

fn nothing_there<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, name) = (fresh.log, StreamName::new("nothing/here").expect("a name"));
    assert_eq!(wait(log.head(&name)).unwrap(), None);
    assert!(wait(log.read(&name, Seq(3), 1_000)).unwrap().is_empty());
    assert!(wait(log.replay(&name, Position::FIRST, usize::MAX)).unwrap().is_empty());
    assert!(wait(log.streams(None, 10)).unwrap().is_empty());
    assert_eq!(log.stream(&name).unwrap(), None);
}

fn dense_seqs<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("lists/groceries"));
    let mut written = EventBlock::empty(Seq::FIRST, Chain::EMPTY);
    for size in [1, 2, 7, 30] {
        let next = writer.upserts(&(0..size).collect::<Vec<_>>(), "milk");
        written.append(&next.batch.block);
        let expected = next.expected;
        assert_eq!(append(&*log, next), Ok(expected.next()));
    }
    let head = wait(log.head(&writer.stream)).unwrap().expect("the stream is there");
    assert_eq!((head.position, head.seq, head.chain), (Position(4), Seq(40), written.after()));
    assert_eq!(head.incarnation, writer.state.incarnation);
    let info =
        StreamInfo { stream: writer.stream.clone(), head, horizon: Seq::FIRST, bytes: written.bytes().len() as u64 };
    assert_eq!(wait(log.info(&writer.stream)).unwrap(), Some(info));
    let read = wait(log.read(&writer.stream, Seq::FIRST, usize::MAX)).unwrap();
    assert_eq!(read, written);
    for (place, event) in read.events().enumerate() {
        assert_eq!(event.unwrap().seq, Seq(place as u64));
    }
}

fn conflicts<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    let first = writer.upserts(&[1], "a");
    let later = writer.upserts(&[2], "b");
    let conflict = |position| Err(AppendError::Conflict { position: Position(position) });
    assert_eq!(append(&*log, later.clone()), conflict(0));
    assert_eq!(wait(log.head(&writer.stream)).unwrap(), None);
    assert_eq!(append(&*log, first.clone()), Ok(Position(1)));
    assert_eq!(append(&*log, first), conflict(1));
    assert_eq!(append(&*log, later.clone()), Ok(Position(2)));
    assert_eq!(append(&*log, later), conflict(2));
    assert_eq!(wait(log.head(&writer.stream)).unwrap().unwrap().seq, Seq(2));
}

fn pipelining<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("hot"));
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut last = None;
    for id in 0..500 {
        let next = writer.upserts(&[id], "x");
        let (told, (tell, hear)) = (told.clone(), std::sync::mpsc::sync_channel(1));
        log.append(
            next,
            Box::new(move |outcome| {
                told.lock().unwrap().push(outcome);
                tell.send(()).unwrap_or_default();
            }),
        );
        last = Some(hear);
    }
    last.unwrap().recv().unwrap();
    let expected: Vec<_> = (1..=500).map(|position| Ok(Position(position))).collect();
    assert_eq!(*told.lock().unwrap(), expected, "appends of a stream are answered in their order");
    assert_eq!(wait(log.head(&writer.stream)).unwrap().unwrap().seq, Seq(500));
}

fn one_wins<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("contested"));
    for round in 0..50u64 {
        let mut other = writer.clone();
        let (mine, theirs) = (writer.upserts(&[1], "mine"), other.upserts(&[1], "theirs"));
        let outcomes = std::thread::scope(|scope| {
            let run = |next: Append| scope.spawn(|| append(&*log, next));
            [run(mine), run(theirs)].map(|thread| thread.join().unwrap())
        });
        match outcomes {
            [Ok(_), Err(AppendError::Conflict { .. })] => {}
            [Err(AppendError::Conflict { .. }), Ok(_)] => writer = other,
            neither => panic!("round {round}: {neither:?}"),
        }
    }
    assert_eq!(wait(log.head(&writer.stream)).unwrap().unwrap().seq, Seq(50));
}

fn must_follow<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    let mut stranger = Writer::new("s");
    assert_eq!(append(&*log, writer.upserts(&[1], "a")), Ok(Position(1)));
    stranger.upserts(&[9], "another past");
    assert!(append(&*log, stranger.upserts(&[2], "b")).is_err_and(|error| error.has_no_side_effects()));
    assert_eq!(append(&*log, writer.upserts(&[2], "b")), Ok(Position(2)));
}

fn refusals_move<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    let mut other = writer.clone();
    assert_eq!(append(&*log, writer.refusal()), Ok(Position(1)));
    assert_eq!(append(&*log, other.upserts(&[1], "a")), Err(AppendError::Conflict { position: Position(1) }));
    assert_eq!(append(&*log, writer.upserts(&[1], "a")), Ok(Position(2)));
    assert_eq!(append(&*log, writer.refusal()), Ok(Position(3)));
    let head = wait(log.head(&writer.stream)).unwrap().unwrap();
    assert_eq!((head.position, head.seq), (Position(3), Seq(1)));
    let replayed = wait(log.replay(&writer.stream, Position::FIRST, usize::MAX)).unwrap();
    let sizes: Vec<_> = replayed.iter().map(|batch| (batch.block.count(), batch.verdicts.len())).collect();
    assert_eq!(sizes, [(0, 1), (1, 0), (0, 1)]);
}

fn every_offset<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let (log, mut writer) = (fresh.log, Writer::new("s"));
    let mut written = EventBlock::empty(Seq::FIRST, Chain::EMPTY);
    for size in [1, 3, 1, 6] {
        let next = writer.upserts(&(0..size).collect::<Vec<_>>(), &"z".repeat(size as usize * 9));
        written.append(&next.batch.block);
        append(&*log, next).unwrap();
    }
    for from in 0..=12 {
        for most in [0, 1, 60, 200, 1_000, usize::MAX] {
            let read = wait(log.read(&writer.stream, Seq(from), most)).unwrap();
            let expected = written.slice(Seq(from), most);
            assert_eq!(read.is_empty(), expected.is_empty(), "from {from}, at most {most} bytes");
            let same = written.slice(Seq(from), read.bytes().len());
            assert_eq!(read, same, "from {from}, at most {most} bytes");
            assert!(read.count() <= 1 || read.bytes().len() <= most, "from {from}, at most {most} bytes");
        }
    }
}

fn listing<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let log = fresh.log;
    let names = ["b", "a/2", "a/1", "c", "a"];
    for name in names {
        append(&*log, Writer::new(name).upserts(&[1, 2], "x")).unwrap();
    }
    let all = wait(log.streams(None, 10)).unwrap();
    let listed: Vec<_> = all.iter().map(|info| info.stream.as_str()).collect();
    assert_eq!(listed, ["a", "a/1", "a/2", "b", "c"]);
    assert!(all.iter().all(|info| info.bytes > 0 && info.head.seq == Seq(2)));
    let some = wait(log.streams(Some(&all[1].stream), 2)).unwrap();
    assert_eq!(some, all[2..4]);
}

fn many_streams<B: EventLog + StateStore>(fresh: Fresh<B>) {
    let log = fresh.log;
    let mut writers: Vec<_> = (0..200).map(|i| Writer::new(&format!("many/{i}"))).collect();
    let mut random = fastrand::Rng::with_seed(5);
    let mut waiting = Vec::new();
    for _ in 0..1_000 {
        let writer = random.choice(&mut writers).expect("there are writers");
        waiting.push(start_append(&*log, writer.upserts(&[random.u64(..9)], "x")));
    }
    assert!(waiting.into_iter().all(|hear| hear.recv().unwrap().is_ok()));
    let total: u64 = wait(log.streams(None, 1_000)).unwrap().iter().map(|info| info.head.seq.0).sum();
    assert_eq!(total, 1_000);
}
