//! A store that is not for this client is refused, with the reason, and kept as it is.

use std::path::Path;

use tapeline_client::{Closed, Connection, OpenError, StoreError, StreamError, Tapeline};
use tempfile::TempDir;

const NOWHERE: &str = "ws://127.0.0.1:1";

async fn open(path: &Path, app: &str, subject: &str) -> Result<Tapeline, StoreError> {
    let builder = Tapeline::builder(NOWHERE).store(path).app(app).subject(subject).offline();
    builder.open().await.map_err(|error| match error {
        OpenError::Store(error) => error,
        OpenError::Address { .. } | OpenError::Schema(_) => panic!("{error}"),
    })
}

/// Makes a store with one task in it.
async fn make(path: &Path) {
    let tapeline = open(path, "todo", "ann").await.unwrap();
    let list = tapeline.stream("list").await.unwrap();
    list.collection("tasks").unwrap().insert([("title", "Buy milk".into())]).unwrap();
    tapeline.close().await.unwrap();
}

async fn holds_its_task(path: &Path) -> bool {
    let tapeline = open(path, "todo", "ann").await.unwrap();
    let list = tapeline.stream("list").await.unwrap();
    let held = list.collection("tasks").unwrap().all().len() == 1;
    tapeline.close().await.unwrap();
    held
}

fn change(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn it_belongs_to_one_app_and_one_person() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.tapeline");
    make(&path).await;
    for (app, subject) in [("todo", "bob"), ("mail", "ann"), ("", "")] {
        let refused = open(&path, app, subject).await.unwrap_err();
        let foreign = StoreError::Foreign { path: path.clone(), app: "todo".into(), subject: "ann".into() };
        assert_eq!(refused, foreign);
    }
    assert!(holds_its_task(&path).await);
}

#[tokio::test]
async fn it_is_open_once() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.tapeline");
    make(&path).await;
    let first = open(&path, "todo", "ann").await.unwrap();
    let second = open(&path, "todo", "ann").await.unwrap_err();
    assert_eq!(second, StoreError::InUse { path: path.clone() });
    assert!(second.is_retryable());
    first.close().await.unwrap();
    assert!(holds_its_task(&path).await);
}

#[tokio::test]
async fn one_of_a_newer_program_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.tapeline");
    make(&path).await;
    change(&path, "UPDATE about SET value = '2' WHERE name = 'format'");
    let refused = open(&path, "todo", "ann").await.unwrap_err();
    assert_eq!(refused, StoreError::Newer { path: path.clone(), found: "2".into() });
    change(&path, "UPDATE about SET value = '1' WHERE name = 'format'");
    assert!(holds_its_task(&path).await);
}

#[tokio::test]
async fn a_file_that_is_something_else_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let (text, other) = (directory.path().join("letter.txt"), directory.path().join("other.sqlite"));
    std::fs::write(&text, "Dear Ann, this is no database at all, it is a letter. Yours, Bob.".repeat(20)).unwrap();
    change(&other, "CREATE TABLE about (name, value); INSERT INTO about VALUES ('format', '1')");
    for path in [&text, &other] {
        let before = std::fs::read(path).unwrap();
        assert_eq!(open(path, "todo", "ann").await.unwrap_err(), StoreError::NotAStore { path: path.clone() });
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
}

#[tokio::test]
async fn a_damaged_row_is_told_and_kept() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.tapeline");
    make(&path).await;
    change(&path, "UPDATE outbox SET value = x'00ff00'");
    let tapeline = open(&path, "todo", "ann").await.unwrap();
    let refused = tapeline.stream("list").await.unwrap_err();
    assert!(matches!(refused, StreamError::Store(StoreError::Damaged { .. })), "{refused}");
    assert!(tapeline.stream("another").await.is_ok());
    tapeline.close().await.unwrap();
    let rows: i64 = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM outbox WHERE value = x'00ff00'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn a_damaged_file_is_told_and_kept() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.tapeline");
    make(&path).await;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let refused = open(&path, "todo", "ann").await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn a_device_that_cannot_be_written_is_told() {
    let directory = TempDir::new().unwrap();
    let refused = open(&directory.path().join("no/such/folder"), "todo", "ann").await.unwrap_err();
    assert!(matches!(refused, StoreError::Device { .. }), "{refused}");
}

/// Has the device refuse edits until a moment, given as an expression of SQLite.
fn sabotage(path: &Path, until: &str) {
    change(
        path,
        &format!(
            "CREATE TABLE sabotage AS SELECT {until} AS until;
         CREATE TRIGGER sabotaged BEFORE INSERT ON outbox WHEN julianday('now') < (SELECT until FROM sabotage)
         BEGIN SELECT RAISE(ABORT, 'no room'); END"
        ),
    );
}

#[tokio::test]
async fn what_cannot_be_written_is_told_and_tried_again() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.tapeline");
    make(&path).await;
    sabotage(&path, "julianday('now', '+1 second')");
    let tapeline = open(&path, "todo", "ann").await.unwrap();
    let list = tapeline.stream("list").await.unwrap();
    let mut statuses = list.status_changes();
    let (_, receipt) = list.collection("tasks").unwrap().insert([("title", "Buy bread".into())]).unwrap();
    let mut told = None;
    while told.is_none() {
        told = statuses.next().await.unwrap().storage;
    }
    assert!(matches!(&told, Some(StoreError::Device { why, .. }) if why.contains("no room")), "{told:?}");
    assert!(!list.status().replica.stored);
    receipt.stored().await.unwrap();
    assert_eq!(list.status().storage, None);
    tapeline.close().await.unwrap();
    let tapeline = open(&path, "todo", "ann").await.unwrap();
    assert_eq!(tapeline.stream("list").await.unwrap().collection("tasks").unwrap().all().len(), 2);
}

#[tokio::test]
async fn closing_tells_what_could_not_be_written() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.tapeline");
    make(&path).await;
    sabotage(&path, "julianday('now', '+1 day')");
    let tapeline = open(&path, "todo", "ann").await.unwrap();
    let list = tapeline.stream("list").await.unwrap();
    let (_, receipt) = list.collection("tasks").unwrap().insert([("title", "Buy bread".into())]).unwrap();
    let (closed, again) = tokio::join!(tapeline.close(), tapeline.close());
    assert!(matches!((closed, again), (Err(StoreError::Device { .. }), Err(StoreError::Device { .. }))));
    assert_eq!(receipt.stored().await, Err(Closed));
    assert!(matches!(tapeline.stream("another").await, Err(StreamError::Closed(Closed))));
}

/// Waits until the store was given free, and counts its tasks.
async fn tasks_of(path: &Path) -> usize {
    let tapeline = open(path, "todo", "ann").await.unwrap();
    tapeline.stream("list").await.unwrap().collection("tasks").unwrap().all().len()
}

#[tokio::test]
async fn whatever_its_name_it_is_a_file() {
    let directory = TempDir::new().unwrap();
    std::env::set_current_dir(&directory).unwrap();
    for name in [":memory:", "file:app?mode=memory", "app tapeline"] {
        make(Path::new(name)).await;
        assert!(directory.path().join(name).is_file(), "{name}");
        assert!(holds_its_task(Path::new(name)).await, "{name}");
    }
    for name in ["", "a\0b"] {
        let refused = open(Path::new(name), "todo", "ann").await.unwrap_err();
        assert!(matches!(refused, StoreError::Device { .. }), "{name:?}: {refused}");
    }
}

#[tokio::test]
async fn who_lets_all_handles_go_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.tapeline");
    for round in 0..20 {
        assert_eq!(tasks_of(&path).await, 5 * round);
        let tapeline = open(&path, "todo", "ann").await.unwrap();
        let tasks = tapeline.stream("list").await.unwrap().collection("tasks").unwrap();
        (0..5).for_each(|_| drop(tasks.insert([("title", "Buy milk".into())]).unwrap()));
    }
}

#[test]
fn a_client_whose_runtime_has_ended_says_so_and_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.tapeline");
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let first = runtime();
    let (tapeline, list, receipt) = first.block_on(async {
        let tapeline = open(&path, "todo", "ann").await.unwrap();
        let list = tapeline.stream("list").await.unwrap();
        let (_, receipt) = list.collection("tasks").unwrap().insert([("title", "Buy milk".into())]).unwrap();
        (tapeline, list, receipt)
    });
    drop(first);
    runtime().block_on(async {
        assert_eq!(tapeline.connection(), Connection::Closed);
        assert!(list.collection("tasks").unwrap().insert([("title", "late".into())]).is_err());
        assert_eq!((list.synced().await, receipt.recorded().await), (Err(Closed), Err(Closed)));
        // Also for who asks twice, and a third time with nobody there any more.
        let (closed, again) = tokio::join!(tapeline.close(), tapeline.close());
        assert_eq!((closed, again, tapeline.close().await), (Ok(()), Ok(()), Ok(())));
        assert_eq!(tasks_of(&path).await, 1);
    });
}
