//! A schema that changes under apps that are in use: what `schema diff` says of it, and that apps of both versions get along.

mod support;

use std::path::{Path, PathBuf};

use support::{Server, tapeline};
use tapeline_client::{Collection, ObjectId, Stream, Tapeline, Value};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/versions").join(name)
}

/// What a command says, and whether it succeeds.
fn said(arguments: &[&str]) -> (bool, String) {
    let output = tapeline().args(arguments).output().expect("the binary runs");
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.success(), String::from_utf8(text).expect("text"))
}

fn diff(old: &str, new: &str) -> (bool, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    said(&["schema", "diff", &path("old.toml", old), &path("new.toml", new)])
}

#[test]
fn a_rename_and_a_new_field_refuse_nothing() {
    let [old, new] = ["todo-1.toml", "todo-2.toml"].map(|name| file(name).display().to_string());
    let (is_fine, text) = said(&["schema", "diff", &old, &new]);
    assert!(is_fine, "{text}");
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "  tasks.completed: was done: apps of either version find what is written under the name that they know",
            "  tasks.due: is new",
            "Apps of version 1 are served as ever.",
        ]
    );
}

#[test]
fn what_older_apps_are_refused_is_told() {
    let fields = |fields: &str| format!("version = 1\n[collections.tasks.fields]\n{fields}");
    let old = fields(
        "title = { type = 'text', max_length = 200 }\neffort = { type = 'int', min = 0 }\nstate = { one_of = ['a', 'b'] }",
    );
    let new = fields(
        "title = { type = 'text', required = true, max_length = 80, unique = true }\neffort = { type = 'number' }\nstate = { one_of = ['a'] }",
    );
    let (is_fine, text) = diff(&old, &new);
    assert!(!is_fine, "{text}");
    for line in [
        "  tasks.effort: may be more than it was",
        "! tasks.state: is one of \"a\"; older apps are refused anything else",
        "! tasks.title: must be there; older apps are refused objects without it",
        "! tasks.title: is 80 long at most; older apps are refused what is longer",
        "! tasks: no two have the same title; older apps are refused what another one has already",
    ] {
        assert!(text.lines().any(|said| said == line), "{line:?} is not in\n{text}");
    }
    let upgraded = new.replace("version = 1", "version = 2\noldest = 2");
    let (is_fine, text) = diff(&old, &upgraded);
    assert!(is_fine && text.ends_with("told to upgrade; they keep what they have, and send it then.\n"), "{text}");
    let (is_fine, text) = diff(&old, &old);
    assert!(is_fine && text == "Apps of version 1 are served as ever.\n", "{text}");
}

#[test]
fn apps_that_are_ahead_wait_and_that_is_no_way_to_go() {
    let schema = |version: u8, more: &str| {
        format!("version = {version}\n[collections.tasks.fields]\ntitle = {{ type = 'text' }}\n{more}")
    };
    let (one, two) = (schema(1, ""), schema(2, "completed = { was = 'done' }"));
    for (old, new) in [(&two, &one), (&schema(2, ""), &one)] {
        let (is_fine, text) = diff(old, new);
        assert!(!is_fine && text.contains("Apps of version 2 are ahead of version 1, and wait"), "{text}");
        assert!(!text.contains("upgrade"), "{text}");
    }
}

#[test]
fn what_older_apps_do_not_know_of_is_told_too() {
    let fields = "[collections.tasks.fields]\ncompleted = { was = 'done', unique = true }";
    let old = "[collections.tasks.fields]\ndone = { unique = true }";
    let (is_fine, text) = diff(old, fields);
    assert!(is_fine && !text.contains('!'), "{text}");
    let (is_fine, text) = diff(fields, "[collections.tasks.fields]\ncompleted = { unique = true }");
    assert!(!is_fine && text.contains("! tasks.completed: is not kept as done any more"), "{text}");
    let checked = "
        [collections.tasks.fields]
        code = { type = 'text', pattern = '[a-z]+' }
        [[collections.tasks.checks]]
        holds = 'new.code != \"x\"'
        message = 'Not x.'
    ";
    let (is_fine, text) = diff("[collections.tasks.fields]\ncode = { type = 'text' }", checked);
    assert!(!is_fine, "{text}");
    for line in [
        "! tasks.code: looks like [a-z]+; older apps are refused what looks otherwise",
        "! tasks: is checked: Not x.; older apps are refused what is against it",
    ] {
        assert!(text.lines().any(|said| said == line), "{line:?} is not in\n{text}");
    }
    let (is_fine, text) = diff(checked, checked);
    assert!(is_fine, "{text}");
}

/// One device with one version of the app.
struct App {
    tapeline: Tapeline,
    list: Stream,
    tasks: Collection,
}

impl App {
    async fn open(server: &Server, store: &Path, version: u32) -> Self {
        let tapeline = Tapeline::builder(&server.url).store(store).schema(version).open().await.expect("opened");
        let list = tapeline.stream("lists/home").await.expect("a stream");
        let tasks = list.collection("tasks").expect("a name");
        Self { tapeline, list, tasks }
    }

    fn get(&self, id: &ObjectId, field: &str) -> Option<Value> {
        self.tasks.get(id)?.get(field).cloned()
    }

    fn set(&self, id: &ObjectId, field: &str, value: impl Into<Value>) {
        self.tasks.update(id, [(field, value.into())]).expect("edited");
    }

    async fn close(self) {
        self.list.stored().await.expect("stored");
        self.tapeline.close().await.expect("closed");
    }
}

/// Waits until what `author` edited is recorded and `reader` has played it too: an author hears a moment before all others.
async fn heard(reader: &Stream, author: &Stream) {
    author.synced().await.expect("synced");
    let recorded = author.status().replica.played;
    let mut statuses = reader.status_changes();
    while statuses.next().await.expect("it is open").replica.played < recorded {}
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_of_two_versions_share_a_list_online_and_after_a_long_time_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let [first, second] = ["todo-1.toml", "todo-2.toml"].map(|name| file(name).display().to_string());
    let mut server = Server::start();
    server.kill();
    server.restart_with(&["--schema", &first]);
    let (at_home, away) = (directory.path().join("home"), directory.path().join("away"));
    let old = App::open(&server, &at_home, 1).await;
    let (milk, _) = old.tasks.insert([("title", "Milk".into()), ("done", false.into())]).expect("edited");
    let (bread, _) = old.tasks.insert([("title", "Bread".into()), ("done", true.into())]).expect("edited");
    old.list.synced().await.expect("synced");
    let traveller = App::open(&server, &away, 1).await;
    traveller.list.synced().await.expect("synced");
    traveller.close().await;

    // The server goes by the new schema; the app that is open stays what it is.
    server.kill();
    server.restart_with(&["--schema", &second]);
    let new = App::open(&server, &directory.path().join("new"), 2).await;
    new.list.synced().await.expect("synced");
    let (is_fine, text) = said(&["--server", &server.url, "schema", "migrate", &second]);
    assert!(is_fine && text == "lists/home: 2\n2 objects of 1 streams have their new names\n", "{text}");
    let (is_fine, text) = said(&["--server", &server.url, "schema", "migrate", &second]);
    assert!(is_fine && text == "0 objects of 0 streams have their new names\n", "{text}");

    // Meanwhile somebody who is away does things with the old app, and nobody hears of it.
    let traveller = Tapeline::builder(&server.url).store(&away).schema(1).offline().open().await.expect("opened");
    let list = traveller.stream("lists/home").await.expect("a stream");
    let tasks = list.collection("tasks").expect("a name");
    tasks.update(&milk, [("done", true.into())]).expect("edited");
    let (eggs, _) = tasks.insert([("title", "Eggs".into()), ("done", false.into())]).expect("edited");
    list.stored().await.expect("stored");

    heard(&new.list, &old.list).await;
    assert_eq!([new.get(&milk, "completed"), new.get(&bread, "completed")], [Some(false.into()), Some(true.into())]);
    new.set(&bread, "completed", false);
    new.set(&bread, "due", "Friday");
    heard(&old.list, &new.list).await;
    assert_eq!(old.get(&bread, "done"), Some(false.into()));
    old.set(&bread, "done", true);
    heard(&new.list, &old.list).await;

    traveller.go_online();
    heard(&new.list, &list).await;
    let completed = [&milk, &bread, &eggs].map(|id| new.get(id, "completed"));
    assert_eq!(completed, [true, true, false].map(|value| Some(value.into())));
    assert_eq!(new.get(&bread, "due"), Some("Friday".into()));
    heard(&old.list, &list).await;
    assert_eq!(old.list.digest(), new.list.digest());
    assert!(old.list.parked().is_empty() && list.parked().is_empty() && new.list.parked().is_empty());
    traveller.close().await.expect("closed");
    old.close().await;
    new.close().await;
}
