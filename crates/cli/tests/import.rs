//! `import` as a user meets it: what differs is sent and nothing else, and a wrong file is told by its place.

mod support;

use std::path::PathBuf;

use serde_json::{Value, json};
use support::{Server, tapeline};

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a path in UTF-8").to_owned()
    }
}

fn import(server: &Server, arguments: &[&str]) -> Value {
    server.lines(&[&["import", "--json"], arguments].concat()).remove(0)
}

fn counts(told: &Value) -> [u64; 4] {
    ["inserted", "updated", "deleted", "unchanged"].map(|name| told[name].as_u64().expect("a count"))
}

fn objects(server: &Server, stream: &str) -> Vec<(String, Value)> {
    let object = |line: &Value| (line["id"].as_str().expect("an id").to_owned(), line["fields"].clone());
    server.lines(&["objects", stream]).iter().map(object).collect()
}

#[test]
fn a_table_is_imported_changed_and_imported_again() {
    let (server, files) = (Server::start(), Files::new());
    let first = files.write("stock.csv", "sku,name,price,count,note\n007,\"Nut, hex\",0.50,12,\nB2,Bolt,1,true,x\n");
    let arguments = ["shop", &first, "--collection", "items", "--id-field", "sku"];
    assert_eq!(counts(&import(&server, &arguments)), [2, 0, 0, 0]);
    let nut = json!({ "name": "Nut, hex", "price": 0.5, "count": 12 });
    let bolt = json!({ "name": "Bolt", "price": 1, "count": true, "note": "x" });
    assert_eq!(objects(&server, "shop"), [("007".into(), nut.clone()), ("B2".into(), bolt)]);
    let again = import(&server, &arguments);
    assert_eq!((counts(&again), &again["events"]), ([0, 0, 0, 2], &json!(0)));
    let second = files.write("later.csv", "sku,name,price,count\n007,\"Nut, hex\",0.5,11\nC3,Cap,2,0\n");
    let arguments = ["shop", &second, "--collection", "items", "--id-field", "sku"];
    let dry = import(&server, &[&arguments[..], &["--dry-run"]].concat());
    let update = json!({ "update": "items", "id": "007", "set": { "count": 11 } });
    let insert = json!({ "insert": "items", "id": "C3", "set": { "count": 0, "name": "Cap", "price": 2 } });
    assert_eq!(dry["ops"], json!([update, insert, { "delete": "items", "id": "B2" }]));
    assert_eq!(counts(&import(&server, &[&arguments[..], &["--keep", "--dry-run"]].concat())), [1, 1, 0, 0]);
    assert_eq!(objects(&server, "shop").len(), 2);
    assert_eq!(counts(&import(&server, &arguments)), [1, 1, 1, 0]);
    assert_eq!(server.lines(&["tail", "shop"]).len(), 2);
}

#[test]
fn a_dry_run_tells_people_what_would_change() {
    let (server, files) = (Server::start(), Files::new());
    let text = |word: &str| format!("{}{word}{}", "so far all is as it was ".repeat(5), " and so it ends".repeat(5));
    let rows = |rows: Value| files.write("home.json", json!({ "tasks": rows }).to_string());
    let before = json!([{ "id": 1, "title": "Milk" }, { "id": 2, "title": "Bread", "text": text("one") }, { "id": 3 }]);
    import(&server, &["lists/home", &rows(before)]);
    let after = json!([{ "id": 2, "title": "Rolls", "text": text("two") }, { "id": 3 }, { "id": 4, "done": false }]);
    let output = server.run(&["import", "lists/home", &rows(after), "--dry-run"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    let changed = "~ tasks/2  text: …s as it was one and so it ends and so it ends an… → \
                   …s as it was two and so it ends and so it ends an…, title: \"Bread\" → \"Rolls\"";
    assert_eq!(lines[0], changed);
    assert_eq!(lines[1..3], ["+ tasks/4  done: false", "- tasks/1  title: \"Milk\""]);
    assert_eq!(lines[3], "lists/home: 1 new, 1 changed, 1 deleted, 1 as they were; nothing was sent");
}

#[test]
fn what_objects_prints_can_be_imported_elsewhere() {
    let (server, files) = (Server::start(), Files::new());
    server.lines(&[
        "insert",
        "here",
        "tasks",
        "1",
        r#"{"title":"Milk","tags":["a",{"b":{"$int":"9007199254740993"}}]}"#,
    ]);
    server.lines(&["insert", "here", "notes", "1", r#"{"text":"x"}"#]);
    let printed = server.run(&["objects", "here"]).stdout;
    let file = files.write("here.ndjson", printed);
    assert_eq!(counts(&import(&server, &["there", &file])), [2, 0, 0, 0]);
    assert_eq!(objects(&server, "there"), objects(&server, "here"));
    let digest = |stream| server.lines(&["status", stream, "--json"])[0]["digest"].clone();
    assert_eq!(digest("there"), digest("here"));
}

#[test]
fn standard_input_is_imported() {
    let (server, files) = (Server::start(), Files::new());
    server.lines(&["insert", "here", "tasks", "1", r#"{"title":"Milk"}"#]);
    let piped = |bytes: &[u8], arguments: &[&str]| {
        let file = std::fs::File::open(files.write("input", bytes)).expect("it is there");
        let mut command = tapeline();
        command.args(["--server", &server.url, "import", "--json"]).args(arguments).stdin(file);
        command.output().expect("the binary runs")
    };
    assert!(piped(&server.run(&["objects", "here"]).stdout, &["there", "-"]).status.success());
    assert_eq!(objects(&server, "there"), objects(&server, "here"));
    let table = ["table", "-", "--format", "csv", "--collection", "tasks"];
    assert!(piped(b"id,title\n1,Milk\n", &table).status.success());
    assert_eq!(objects(&server, "table"), objects(&server, "here"));
    let wrong = piped(b"id,title\n1,Milk\n", &["table", "-"]);
    let told = String::from_utf8_lossy(&wrong.stderr);
    assert!(told.contains("standard input: line 1"), "{told}");
}

#[test]
fn what_objects_prints_of_a_collection_can_be_imported_into_it() {
    let (server, files) = (Server::start(), Files::new());
    server.lines(&["insert", "here", "tasks", "1", r#"{"title":"Milk","fields":{"id":"x"},"seq":7}"#]);
    server.lines(&["insert", "here", "tasks", "2"]);
    server.lines(&["insert", "here", "notes", "1", r#"{"text":"x"}"#]);
    let printed = server.lines(&["objects", "here", "--collection", "tasks"]);
    let lines: String = printed.iter().map(|object| format!("{object}\n")).collect();
    let files =
        [files.write("tasks.ndjson", lines), files.write("tasks.json", Value::from(printed.clone()).to_string())];
    for (stream, file) in ["a", "b"].into_iter().zip(&files) {
        assert_eq!(counts(&import(&server, &["here", file, "--collection", "tasks"])), [0, 0, 0, 2], "{file}");
        assert_eq!(counts(&import(&server, &[stream, file, "--collection", "tasks"])), [2, 0, 0, 0], "{file}");
        let fields = |object: &Value| (object["id"].as_str().expect("an id").to_owned(), object["fields"].clone());
        assert_eq!(objects(&server, stream), printed.iter().map(fields).collect::<Vec<_>>());
    }
}

#[test]
fn what_a_file_does_not_speak_of_stays() {
    let (server, files) = (Server::start(), Files::new());
    server.lines(&["insert", "s", "notes", "1"]);
    let both = files.write("both.json", r#"{"tasks": [{"id": "1"}], "people": []}"#);
    assert_eq!(counts(&import(&server, &["s", &both])), [1, 0, 0, 0]);
    let none = files.write("none.json", r#"{"tasks": []}"#);
    assert_eq!(counts(&import(&server, &["s", &none])), [0, 0, 1, 0]);
    assert_eq!(objects(&server, "s").len(), 1);
}

#[test]
fn much_goes_in_several_events() {
    let (server, files) = (Server::start(), Files::new());
    let rows: String = (0..25_000).map(|number| format!("{{\"id\":{number},\"name\":\"row {number}\"}}\n")).collect();
    let file = files.write("many.jsonl", rows);
    let told = import(&server, &["s", &file, "--collection", "rows"]);
    assert_eq!((counts(&told), &told["events"], &told["lost"]), ([25_000, 0, 0, 0], &json!(3), &json!(0)));
    assert_eq!(counts(&import(&server, &["s", &file, "--collection", "rows"])), [0, 0, 0, 25_000]);
}

#[test]
fn a_wrong_file_is_told_by_its_place_and_nothing_is_sent() {
    let (server, files) = (Server::start(), Files::new());
    let c = ["--collection", "c"];
    let cases: [(&str, &[u8], &[&str], &str); 26] = [
        ("a.json", b"[\n {\"id\": 1},\n {\"id\": }\n]", &c, "line 3, column 9: expected value"),
        ("a.json", b"[\n {\"id\": 1},\n {\n  \"a\": 1, \"a\": 2}\n]", &c, "line 4, column"),
        ("a.json", b"[\n {\"id\": 1},\n  {\"x\": 1}\n]", &c, "line 3, column 3: the row has no \"id\""),
        ("a.json", b"[{\"id\": 1},\n{\"id\": \"1\"}]", &c, "line 2, column 1: the id \"1\" stands on line 1 already"),
        ("a.json", b"[{\"id\": null}]", &c, "line 1, column 2: \"id\" is no id"),
        ("a.json", b"[{\"id\": \"\"}]", &c, "line 1, column 2: the object id is empty"),
        ("a.json", b"[7]", &c, "line 1, column 2: "),
        ("a.json", b"[]", &[], "say which collection"),
        ("a.json", b"{}", &c, "leave --collection out"),
        ("a.json", b"{\"c\": 7}", &[], "line 1, column 7: "),
        ("a.json", b"{\"c\": [],\n\"c\": []}", &[], "line 2, column 6: \"c\" stands there twice"),
        ("a.json", b"[\n\"\xff\"]", &c, "line 2, column 2: not UTF-8"),
        ("a.ndjson", b"{\"id\":1}\n\n{\"id\":2,}\n", &c, "line 3, column 9: "),
        ("a.ndjson", b"{\"id\":1}\n", &[], "line 1, column 1: name the collection of all rows with --collection"),
        ("a.csv", b"id,a\n1,2\n3\n", &c, "line 3, column 1: the row has 1 fields and the header 2"),
        ("a.csv", b"sku,a\n1,2\n", &c, "line 1, column 1: no column is named \"id\""),
        ("a.csv", b"id,a,a\n1,2,3\n", &c, "line 1, column 3: two columns are named \"a\""),
        ("a.csv", b"a,id\n1,x\n2,x\n", &c, "line 3, column 2: the id \"x\" stands on line 2 already"),
        ("a.csv", b"id,a\n1,2\n2,\xff\n", &c, "line 3, column 2: not UTF-8"),
        (
            "a.csv",
            b"id,a\n1,x\n2,\"S 1/2\n3,y\n4,z\n",
            &c,
            "line 3, column 2: the quote that the field begins with is never",
        ),
        ("a.csv", b"id,a\n1,\"a\"b\n", &c, "line 2, column 2: the quotes around the field close before it ends: "),
        (
            "a.csv",
            b"id,a\n1,\"a\n2,\"b\"\n",
            &c,
            "line 2, column 2: the quotes around the field close before it ends, on line 3",
        ),
        ("a.csv", b"id,a\n1,2\n", &[], "say which collection"),
        (
            "a.ndjson",
            b"{\"collection\":\"d\",\"id\":\"1\",\"fields\":{},\"seq\":0}\n",
            &c,
            "line 1, column 1: the object is of the collection \"d\": leave --collection out",
        ),
        ("a.txt", b"", &c, "--format"),
        ("a.csv", b"id,\n1,2\n", &c, "line 1, column 2: the field name is empty"),
    ];
    for (name, text, arguments, words) in cases {
        let file = files.write(name, text);
        let output = server.run(&[&["import", "s", &file], arguments].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {errors}");
        assert!(errors.contains(&file) && errors.contains(words), "{words}: {errors}");
    }
    assert!(server.lines(&["streams", "--json"]).is_empty());
    let output =
        tapeline().args(["import", "s", "/nowhere/a.csv", "--collection", "c"]).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
}
