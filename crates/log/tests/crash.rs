//! Stops of every kind, and what is found afterwards.

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tapeline_core::name::Key;
use tapeline_core::numbers::{Position, Seq};
use tapeline_core::object::{Entry, Object};
use tapeline_core::objects::Objects;
use tapeline_log::embedded::{Embedded, OpenError, verify};
use tapeline_log::suite::{Writer, append, start_append, wait};
use tapeline_log::{Append, AppendError, EventLog, StateStore};

/// A child of this process has all of its files open for a moment, until it becomes another program.
#[test]
fn a_directory_is_free_once_it_is_dropped_whatever_is_started_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let opened: Result<(), _> = (0..300).try_for_each(|_| Embedded::open(directory.path()).map(drop));
        done.store(true, Ordering::Relaxed);
        opened.unwrap();
    });
}

#[test]
fn a_directory_is_open_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(directory.path()).unwrap();
    let error = Embedded::open(directory.path()).err().expect("the second open is refused");
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains("another server"), "{error}");
    log.close().unwrap();
    drop(Embedded::open(directory.path()).unwrap());
}

#[test]
fn another_format_is_refused_clearly() {
    let directory = tempfile::tempdir().unwrap();
    drop(Embedded::open(directory.path()).unwrap());
    let format = directory.path().join("FORMAT");
    fs::write(&format, "tapeline log 99\n").unwrap();
    let error = Embedded::open(directory.path()).err().expect("a newer format is refused");
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    fs::write(&format, "a novel\n").unwrap();
    assert!(matches!(Embedded::open(directory.path()), Err(OpenError::Foreign { .. })));
    let error = Embedded::open(&format).err().expect("a file is no directory").to_string();
    assert!(error.contains("this is a file: name a directory"), "{error}");
}

#[test]
fn a_directory_of_the_format_before_is_opened_and_becomes_one_of_this() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(directory.path()).unwrap();
    let mut story = Story::new(0);
    story.go_on(&log, 100);
    log.close().unwrap();
    let format = directory.path().join("FORMAT");
    fs::write(&format, "tapeline log 1\n").unwrap();
    assert!(verify(directory.path(), |_| ()).unwrap().damage.is_empty());
    let log = Embedded::open(directory.path()).unwrap();
    story.check(&log);
    assert_eq!(fs::read_to_string(&format).unwrap(), "tapeline log 3\n");
}

#[test]
fn a_log_of_which_a_part_is_lost_is_refused_until_it_is_put_back() {
    for is_closed in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let log = Embedded::open(directory.path()).unwrap();
        let mut story = Story::new(0);
        story.go_on(&log, 100);
        if is_closed {
            log.close().unwrap();
        }
        drop(log);
        for (part, emptied) in
            [("store", None), ("journal", None), ("FORMAT", None), ("FORMAT", Some("")), ("store", Some("dir"))]
        {
            let (path, kept) = (directory.path().join(part), directory.path().join("kept"));
            fs::rename(&path, &kept).unwrap();
            match emptied {
                Some("dir") => fs::create_dir(&path).unwrap(),
                Some(text) => fs::write(&path, text).unwrap(),
                None => {}
            }
            let refused = [Embedded::open(directory.path()).err(), verify(directory.path(), |_| ()).err()];
            for refused in refused.map(|error| error.expect("it is refused")) {
                let is_told = matches!(&refused, OpenError::Incomplete { missing, .. } if *missing == part)
                    || (part == "FORMAT" && matches!(refused, OpenError::NoLog { .. }));
                assert!(is_told, "{part} {emptied:?}: {refused}");
            }
            assert!(Embedded::open(directory.path()).err().unwrap().to_string().contains(part));
            match emptied {
                Some("dir") => fs::remove_dir(&path).unwrap(),
                Some(_) => fs::remove_file(&path).unwrap(),
                None => assert!(!path.exists(), "nothing is made in its place"),
            }
            fs::rename(&kept, &path).unwrap();
        }
        assert!(verify(directory.path(), |_| ()).unwrap().damage.is_empty());
        story.is_all_there(directory.path());
    }
}

#[test]
fn a_directory_of_which_the_making_was_cut_short_is_made() {
    let made = |make: &dyn Fn(&Path)| {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let log = Embedded::open(directory.path()).unwrap();
        let mut story = Story::new(0);
        story.go_on(&log, 3);
        drop(log);
        story.is_all_there(directory.path());
    };
    let store_without = |directory: &Path| {
        drop(Embedded::open(directory).unwrap());
        fs::remove_file(directory.join("FORMAT")).unwrap();
    };
    made(&|directory| fs::write(directory.join("LOCK"), "").unwrap());
    made(&|directory| fs::create_dir(directory.join("journal")).unwrap());
    made(&|directory| ["journal", "store"].iter().for_each(|part| fs::create_dir(directory.join(part)).unwrap()));
    made(&store_without);
    made(&|directory| {
        store_without(directory);
        fs::write(directory.join("FORMAT.new"), "tapel").unwrap();
    });
}

/// A disk that is full as a node starts would leave nothing of it, and the node a stranger to its own cache.
#[test]
fn whose_cache_a_directory_is_is_written_once() {
    let directory = tempfile::tempdir().unwrap();
    let written = || {
        Embedded::open_cache(directory.path(), "a log").unwrap().close().unwrap();
        fs::metadata(directory.path().join("CACHE")).unwrap().modified().unwrap()
    };
    let first = written();
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(written(), first);
}

#[test]
fn what_was_let_go_stays_gone_and_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(directory.path()).unwrap();
    let mut story = Story::new(0);
    story.go_on(&log, 400);
    let lists = tapeline_core::name::Collection::new("lists").unwrap();
    // Further than the longest segment goes, however the events came to be written.
    let horizon = wait(log.trim(&story.writer.stream, Seq(5_000), &[lists])).unwrap();
    assert!(story.writer.state.head > Seq(5_000) && horizon > Seq::FIRST);
    story.check(&log);
    log.close().unwrap();
    let verified = verify(directory.path(), |_| ()).unwrap();
    assert!(verified.damage.is_empty(), "{:?}", verified.damage);
    assert_eq!(verified.events, story.writer.state.head.since(horizon));
    let log = Embedded::open(directory.path()).unwrap();
    assert_eq!(wait(log.info(&story.writer.stream)).unwrap().unwrap().horizon, horizon);
    story.go_on(&log, 5);
    story.check(&log);
}

/// Many events over few objects.
#[test]
fn space_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(directory.path()).unwrap();
    let mut writer = Writer::new("s");
    let mut random = fastrand::Rng::with_seed(3);
    let mut write = |log: &Embedded, writer: &mut Writer, batches: usize| {
        for _ in 0..batches {
            let ids: Vec<u64> = (0..4).map(|_| random.u64(..10)).collect();
            let title: String = (0..6_000).map(|_| random.alphanumeric()).collect();
            let next = writer.upserts(&ids, &title);
            let batch = next.batch.clone();
            append(log, next).unwrap();
            let changes = writer.play(&batch);
            log.apply(&writer.stream, changes).unwrap();
        }
    };
    write(&log, &mut writer, 400);
    let large = settled_bytes(&log, |bytes| bytes > 1_000_000);
    let kept = writer.state.head.0 - 20;
    wait(log.trim(&writer.stream, Seq(kept), &[])).unwrap();
    write(&log, &mut writer, 1);
    let small = settled_bytes(&log, |bytes| bytes < large / 3);
    println!("{large} bytes, then {small}");
    log.close().unwrap();
    assert!(verify(directory.path(), |_| ()).unwrap().damage.is_empty());
}

/// Bytes of the store once they are as they should be.
fn settled_bytes(log: &Embedded, right: impl Fn(u64) -> bool) -> u64 {
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(100));
        let stats = log.stats();
        if stats.unflushed_bytes == 0 && right(stats.store_bytes) {
            return stats.store_bytes;
        }
    }
    panic!("the store does not settle: {:?}", log.stats());
}

#[test]
fn a_failed_write_is_fatal() {
    let directory = tempfile::tempdir().unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let say = said.clone();
    let log = Embedded::open_with(directory.path(), Arc::new(move |why| say.lock().unwrap().push_str(why))).unwrap();
    fs::remove_dir_all(directory.path().join("journal")).unwrap();
    let mut writer = Writer::new("s");
    assert!(matches!(append(&log, writer.upserts(&[1], "a")), Err(AppendError::Unknown(_))));
    assert!(matches!(append(&log, writer.upserts(&[2], "b")), Err(AppendError::Unknown(_))));
    assert!(said.lock().unwrap().contains("the journal cannot be written"));
}

#[test]
fn after_close_the_outcome_is_unknown_and_the_journal_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(directory.path()).unwrap();
    let mut story = Story::new(0);
    story.go_on(&log, 30);
    log.close().unwrap();
    assert!(matches!(append(&log, story.writer.refusal()), Err(AppendError::Unknown(_))));
    assert_eq!(fs::read_dir(directory.path().join("journal")).unwrap().count(), 0);
    let verified = verify(directory.path(), |_| ()).unwrap();
    assert_eq!((verified.events, verified.streams), (story.writer.state.head.0, 1));
    assert!(verified.damage.is_empty(), "{:?}", verified.damage);
}

#[test]
fn an_idle_log_settles() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(directory.path()).unwrap();
    let mut story = Story::new(0);
    story.go_on(&log, 200);
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(100));
        if log.stats().journal_bytes == 0 {
            break;
        }
    }
    assert_eq!(log.stats().journal_bytes, 0);
    story.go_on(&log, 5);
    story.check(&log);
}

#[test]
fn damage_in_the_middle_of_the_journal_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(directory.path()).unwrap();
    let mut writer = Writer::new("s");
    for id in 0..5 {
        append(&log, writer.upserts(&[id], "a")).unwrap();
    }
    drop(log);
    let journal = fs::read_dir(directory.path().join("journal")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&journal).unwrap();
    bytes[100] ^= 4;
    fs::write(&journal, bytes).unwrap();
    let error = Embedded::open(directory.path()).err().expect("the damage is noticed").to_string();
    assert!(error.contains(".journal offset 32"), "{error}");
    let verified = verify(directory.path(), |_| ()).unwrap();
    assert_eq!(verified.damage.len(), 1, "{:?}", verified.damage);
}

/// Otherwise what waits to be written behind would grow for as long as the disk is full.
#[test]
fn nothing_more_is_taken_once_the_store_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(directory.path()).unwrap();
    let tables = directory.path().join("store/tables");
    fs::remove_dir_all(&tables).unwrap();
    fs::write(&tables, "in the way").unwrap();
    Story::new(0).go_on(&log, 200);
    let mut writer = Writer::new("s");
    let refused = (0..100).find_map(|id| {
        std::thread::sleep(Duration::from_millis(100));
        append(&log, writer.upserts(&[id], "a")).err()
    });
    assert!(matches!(refused, Some(AppendError::Unknown(_))), "{refused:?}");
    assert!(log.close().is_err());
}

#[test]
fn verifying_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(verify(directory.path(), |_| ()), Err(OpenError::NoLog { .. })));
    assert_eq!(files(directory.path()), []);

    let log = Embedded::open(directory.path()).unwrap();
    let mut story = Story::new(0);
    story.go_on(&log, 30);
    log.close().unwrap();
    let log = Embedded::open(directory.path()).unwrap();
    story.go_on(&log, 3);
    drop(log);
    // As a merge leaves it that was killed: a server that opens the store removes it.
    fs::write(directory.path().join("store/tables/999"), "half").unwrap();
    let before = files(directory.path());
    let verified = verify(directory.path(), |_| ()).unwrap();
    assert!(verified.damage.is_empty() && verified.journal_batches > 0 && verified.events > 0, "{verified:?}");
    assert_eq!(files(directory.path()), before);
}

/// All files below a directory, with their bytes.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => found.extend(files(&entry)),
            false => found.push((entry.clone(), fs::read(&entry).unwrap())),
        }
    }
    found.sort();
    found
}

/// A stream whose batches follow from their number, so that anyone can tell what it should be.
struct Story {
    number: u64,
    writer: Writer,
}

impl Story {
    fn new(number: u64) -> Self {
        Self { number, writer: Writer::new(&format!("story/{}", "i".repeat(number as usize + 1))) }
    }

    /// The story up to a position, all played.
    fn upto(number: u64, position: Position) -> Self {
        let mut story = Self::new(number);
        while story.writer.state.position < position {
            let next = story.next();
            story.writer.play(&next.batch);
        }
        story
    }

    fn next(&mut self) -> Append {
        let mut random = fastrand::Rng::with_seed(self.number << 32 | self.writer.state.position.0);
        if random.u8(..10) == 0 {
            return self.writer.refusal();
        }
        let ids: Vec<u64> = (0..random.u64(1..40)).map(|_| random.u64(..200)).collect();
        self.writer.upserts(&ids, &"t".repeat(random.usize(..200)))
    }

    fn go_on(&mut self, log: &Embedded, batches: usize) {
        for _ in 0..batches {
            let next = self.next();
            let batch = next.batch.clone();
            append(log, next).unwrap();
            let changes = self.writer.play(&batch);
            log.apply(&self.writer.stream, changes).unwrap();
        }
    }

    /// Goes on where a log stands, applying what it has not applied yet.
    fn resume(log: &Embedded, number: u64) -> Self {
        let name = Self::new(number).writer.stream;
        let stored = log.stream(&name).unwrap().map_or(Position::FIRST, |state| state.position);
        let mut story = Self::upto(number, stored);
        if let Some(state) = log.stream(&name).unwrap() {
            assert_eq!(state, story.writer.state, "what is stored is a moment of the story");
        }
        for batch in wait(log.replay(&name, stored, usize::MAX)).unwrap() {
            let next = story.next();
            assert_eq!(next.batch, batch, "what comes again is what was written");
            let changes = story.writer.play(&batch);
            log.apply(&name, changes).unwrap();
        }
        story
    }

    /// Nothing of the story is lost in a directory.
    fn is_all_there(&self, directory: &Path) {
        let log = Embedded::open(directory).unwrap();
        let found = Self::resume(&log, self.number);
        assert_eq!(found.writer.state, self.writer.state);
        found.check(&log);
    }

    /// Everything the log says of the story is right.
    fn check(&self, log: &Embedded) {
        let state = log.stream(&self.writer.stream).unwrap().unwrap_or(self.writer.state);
        assert_eq!(state, self.writer.state);
        let mut objects = Objects::default();
        let mut load = |key: &Key, object: &Arc<Object>| {
            objects.replace(key, Some(Entry::Live(object.clone())));
            ControlFlow::Continue(())
        };
        log.objects(&self.writer.stream, None, &mut load).unwrap();
        assert_eq!((objects.live(), objects.digest()), (state.live, state.digest));
        let Some(info) = wait(log.info(&self.writer.stream)).unwrap() else { return };
        let events = wait(log.read(&self.writer.stream, info.horizon, usize::MAX)).unwrap();
        assert_eq!((events.end(), events.after()), (state.head, state.chain));
    }
}

const CHILD: &str = "TAPELINE_CRASH_DIRECTORY";

/// Not a test: what the test below starts and kills.
#[test]
fn child_that_is_killed() {
    let Ok(directory) = std::env::var(CHILD) else { return };
    let log = Embedded::open(Path::new(&directory)).unwrap();
    let mut stories: Vec<_> = (0..4).map(|number| Story::resume(&log, number)).collect();
    for round in 0.. {
        let story = &mut stories[round % 4];
        let next = story.next();
        let batch = next.batch.clone();
        start_append(&log, next).recv().unwrap().unwrap();
        println!("\nacknowledged {} {}", story.number, story.writer.state.position.0 + 1);
        let changes = story.writer.play(&batch);
        log.apply(&story.writer.stream, changes).unwrap();
        match round % 50 {
            0 => log.flush_soon(),
            7 | 29 => drop(wait(log.trim(&story.writer.stream, story.writer.state.head, &[])).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = [0u64; 4];
    for round in 0..6 {
        run_child_and_kill_it(directory.path(), &mut acknowledged, Duration::from_millis(150 + fastrand::u64(..400)));
        let log = Embedded::open(directory.path()).unwrap();
        for (number, position) in acknowledged.iter().enumerate() {
            let story = Story::resume(&log, number as u64);
            assert!(
                story.writer.state.position.0 >= *position,
                "round {round}: {position} of story {number} was acknowledged"
            );
            story.check(&log);
        }
        if round % 2 == 0 {
            log.close().unwrap();
        }
    }
    let verified = verify(directory.path(), |_| ()).unwrap();
    assert!(verified.damage.is_empty(), "{:?}", verified.damage);
    assert!(acknowledged.iter().all(|position| *position > 0));
}

fn run_child_and_kill_it(directory: &Path, acknowledged: &mut [u64; 4], after: Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        let numbers = lines.map_while(Result::ok).filter_map(|line| {
            let mut words = line.strip_prefix("acknowledged ")?.split(' ').map(str::parse::<u64>);
            Some((words.next()?.ok()?, words.next()?.ok()?))
        });
        numbers.collect::<Vec<_>>()
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    for (number, position) in reader.join().unwrap() {
        acknowledged[number as usize] = acknowledged[number as usize].max(position);
    }
}

/// Flips a byte of the store: what is read is right, or an error that names the place.
#[test]
fn a_flipped_byte_of_the_store_is_never_served() {
    let source = tempfile::tempdir().unwrap();
    let log = Embedded::open(source.path()).unwrap();
    let mut story = Story::new(0);
    story.go_on(&log, 150);
    log.close().unwrap();
    drop(log);
    let mut random = fastrand::Rng::with_seed(11);
    let (mut noticed, mut harmless) = (0, 0);
    for _ in 0..80 {
        let directory = tempfile::tempdir().unwrap();
        copy(source.path(), directory.path());
        let files = files_of(&directory.path().join("store"));
        let file = random.choice(&files).unwrap();
        let mut bytes = fs::read(file).unwrap();
        let place = random.usize(..bytes.len());
        bytes[place] ^= 1 << random.u8(..8);
        fs::write(file, bytes).unwrap();
        let told = std::panic::catch_unwind(|| read_everything(directory.path(), &story.writer));
        if file.parent().is_some_and(|folder| folder.ends_with("tables") || folder.ends_with("blobs")) {
            let verified = verify(directory.path(), |_| ()).unwrap();
            assert!(!verified.damage.is_empty(), "a flip at {place} of {} is not found", file.display());
        }
        match told {
            Ok(Ok(())) => harmless += 1,
            Ok(Err(_)) => noticed += 1,
            Err(_) => panic!("a flip at {place} of {} is not an error but a panic, or was served", file.display()),
        }
    }
    println!("{noticed} flips noticed, {harmless} harmless");
    assert!(noticed > 40);
}

fn read_everything(directory: &Path, writer: &Writer) -> Result<(), Box<dyn std::error::Error>> {
    let log = Embedded::open(directory)?;
    let Some(state) = log.stream(&writer.stream)? else { return Err("the stream is gone".into()) };
    assert_eq!(state, writer.state);
    let mut objects = Objects::default();
    let mut load = |key: &Key, object: &Arc<Object>| {
        objects.replace(key, Some(Entry::Live(object.clone())));
        ControlFlow::Continue(())
    };
    log.objects(&writer.stream, None, &mut load)?;
    assert_eq!((objects.live(), objects.digest()), (state.live, state.digest));
    let events = wait(log.read(&writer.stream, Seq::FIRST, usize::MAX))?;
    assert_eq!((events.end(), events.after()), (state.head, state.chain));
    Ok(())
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_of(&path) } else { vec![path] }).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
