//! How concurrent edits meet: each policy and each kind of edit in a story of two people. The stories are the tables of
//! `docs/conflicts.md`, which are compared with what happens here.
//!
//! `TAPELINE_WRITE_DOCS=1 cargo test -p tapeline-core --test policies` writes them anew.

mod peers;
mod stories;

use peers::Device;
use stories::{Story, Who, change, key, made, op, policy, revive};
use tapeline_core::event::Read;
use tapeline_core::name::FieldName;
use tapeline_core::op::Op;
use tapeline_core::order;
use tapeline_core::replica::NewEdit;
use tapeline_core::schema::{Policy, Schema};

const DOCS: &str = include_str!("../../../docs/conflicts.md");
const BEGIN: &str = "<!-- From here on written by crates/core/tests/policies.rs. -->\n";
const END: &str = "<!-- To here. -->\n";

/// The chapters of the docs with their stories.
fn chapters() -> Vec<(&'static str, Vec<Story>)> {
    vec![
        ("Fields that are set", vec![other_fields(), last(), first(), reject(), ask()]),
        (
            "Edits that merge",
            vec![
                counter(),
                other_members(),
                added_before_removed(),
                removed_before_added(),
                text(),
                bytes(),
                text_set_anew(),
                text_edited_then_set(),
                other_paths(),
                same_path(),
                other_path_first(),
                positions(),
            ],
        ),
        (
            "Objects that come and go",
            vec![
                inserted_twice(),
                upserted_twice(),
                deleted_then_updated(),
                updated_then_deleted(),
                revived(),
                revived_text(),
                deleted_then_upserted(),
                deleted_twice(),
            ],
        ),
        ("What an edit has read", vec![unchanged()]),
    ]
}

#[test]
fn the_tables_of_the_docs_are_what_happens() {
    let chapters = chapters();
    let written = chapters.iter().map(|(title, stories)| {
        let tables: Vec<String> = stories.iter().map(Story::table).collect();
        format!("\n## {title}\n\n{}", tables.join("\n"))
    });
    let written = format!("{}\n", written.collect::<String>());
    if !write(&written) {
        let (_, tables) = DOCS.split_once(BEGIN).expect("docs/conflicts.md has the first mark");
        let (tables, _) = tables.split_once(END).expect("docs/conflicts.md has the last mark");
        for (happens, says) in written.lines().zip(tables.lines()) {
            assert_eq!(happens, says, "docs/conflicts.md says something else: write it with TAPELINE_WRITE_DOCS=1");
        }
        assert_eq!(written, tables, "docs/conflicts.md says less or more: write it with TAPELINE_WRITE_DOCS=1");
    }
}

/// Writes the tables into the docs where that was asked for.
#[cfg(not(target_family = "wasm"))]
#[expect(clippy::disallowed_methods, reason = "it writes the docs, and only when it is told to")]
fn write(tables: &str) -> bool {
    let asked = std::env::var("TAPELINE_WRITE_DOCS").is_ok_and(|value| value == "1");
    if asked {
        let (before, rest) = DOCS.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conflicts.md");
        std::fs::write(path, [before, BEGIN, tables, END, after].concat()).unwrap();
    }
    asked
}

#[cfg(target_family = "wasm")]
fn write(_tables: &str) -> bool {
    false
}

fn set(fields: &str) -> Vec<Op> {
    change(&format!(r#""set":{fields}"#))
}

fn with_milk(title: &'static str, schema: Schema, fields: &str) -> Story {
    let mut story = Story::new(title, schema);
    story.both_have(made(fields));
    story
}

fn other_fields() -> Story {
    let mut story = with_milk("Different fields never meet", Schema::default(), r#"{"done":false,"title":"Milk"}"#);
    story.ann("sets the title", set(r#"{"title":"Oat milk"}"#));
    story.ben("ticks it off", set(r#"{"done":true}"#));
    story.meet();
    story.ends_with(r#"`{"done":true,"title":"Oat milk"}`"#).tells_nothing()
}

/// Both set the title, and Ben something else as well. Ann arrives first.
fn both_set(title: &'static str, schema: Schema) -> Story {
    let mut story = with_milk(title, schema, r#"{"title":"Milk"}"#);
    story.ann("sets the title", set(r#"{"title":"Oat milk"}"#));
    story.ben("sets the title and the count", set(r#"{"count":2,"title":"Soy milk"}"#));
    story.meet();
    story
}

fn last() -> Story {
    let story = both_set("`last`: the last to arrive wins", Schema::default());
    story.ends_with(r#"`{"count":2,"title":"Soy milk"}`"#).tells("Ann: Ben has written over `title: \"Oat milk\"`")
}

fn first() -> Story {
    let story = both_set("`first`: the first to arrive wins", policy(Policy::First));
    story.ends_with(r#"`{"count":2,"title":"Oat milk"}`"#).tells("Ben: lost, `first`")
}

fn reject() -> Story {
    let mut story = both_set("`reject`: the later event is refused", policy(Policy::Reject));
    story.ben("looks, and sets the title again", set(r#"{"title":"Oat milk, two"}"#));
    story.ends_with(r#"`{"title":"Oat milk, two"}`"#).tells("Ben: refused and parked, `stale`")
}

fn ask() -> Story {
    let mut story = both_set("`ask`: both values stand there until somebody decides", policy(Policy::Ask));
    story.ann("decides, having seen both", set(r#"{"title":"Oat and soy milk"}"#));
    story.ends_with(r#"`{"count":2,"title":"Oat and soy milk"}`"#).tells("Ben: lost, `conflict`")
}

fn counter() -> Story {
    let mut story = with_milk("`inc`: every increment counts", Schema::default(), r#"{"count":1}"#);
    story.ann("adds 2", change(r#""inc":{"count":2}"#));
    story.ben("adds 3", change(r#""inc":{"count":3}"#));
    story.meet();
    story.ends_with(r#"`{"count":6}`"#).tells_nothing()
}

fn other_members() -> Story {
    let mut story =
        with_milk("`add`, `remove`: members come and go one by one", Schema::default(), r#"{"tags":["food"]}"#);
    story.ann("adds a tag", change(r#""add":{"tags":["cold"]}"#));
    story.ben("adds one and removes one", change(r#""add":{"tags":["white"]},"remove":{"tags":["food"]}"#));
    story.meet();
    story.ends_with(r#"`{"tags":["cold","white"]}`"#).tells_nothing()
}

fn added_before_removed() -> Story {
    let mut story =
        with_milk("`add` wins over a concurrent `remove` that comes later", Schema::default(), r#"{"tags":["food"]}"#);
    story.ann("says that it is food", change(r#""add":{"tags":["food"]}"#));
    story.ben("says that it is not", change(r#""remove":{"tags":["food"]}"#));
    story.meet();
    story.ends_with(r#"`{"tags":["food"]}`"#).tells("Ben: lost, `added`")
}

fn removed_before_added() -> Story {
    let mut story = with_milk("`add` wins over one that came before, too", Schema::default(), r#"{"tags":["food"]}"#);
    story.ann("says that it is no food", change(r#""remove":{"tags":["food"]}"#));
    story.ben("says that it is", change(r#""add":{"tags":["food"]}"#));
    story.meet();
    story.ends_with(r#"`{"tags":["food"]}`"#).tells_nothing()
}

fn text() -> Story {
    let mut story = with_milk("`splice` of text: both edits stay", Schema::default(), r#"{"note":"Buy milk"}"#);
    story.ann("types in the middle", change(r#""splice":{"note":[[4,0,"oat "]]}"#));
    story.ben("types at the end", change(r#""splice":{"note":[[8,0,", two"]]}"#));
    story.meet();
    story.ends_with(r#"`{"note":"Buy oat milk, two"}`"#).tells_nothing()
}

fn bytes() -> Story {
    let mut story = with_milk("`splice` of bytes: the same", Schema::default(), r#"{"scan":{"$bytes":"AAECAw=="}}"#);
    story.ann("takes the first two away", change(r#""splice":{"scan":[[0,2,{"$bytes":""}]]}"#));
    story.ben("replaces the last", change(r#""splice":{"scan":[[3,1,{"$bytes":"/w=="}]]}"#));
    story.meet();
    story.ends_with(r#"`{"scan":{"$bytes":"Av8="}}`"#).tells_nothing()
}

fn text_set_anew() -> Story {
    let mut story = with_milk(
        "`splice` of a text that was set anew: nothing is left to edit",
        Schema::default(),
        r#"{"note":"Buy milk"}"#,
    );
    story.ann("sets the text", set(r#"{"note":"Nothing"}"#));
    story.ben("types at the end", change(r#""splice":{"note":[[8,0,", two"]]}"#));
    story.meet();
    story.ends_with(r#"`{"note":"Nothing"}`"#).tells("Ben: lost, `overwritten`")
}

fn text_edited_then_set() -> Story {
    let mut story = with_milk(
        "`set` of a text that was edited: as the policy says, here `last`",
        Schema::default(),
        r#"{"note":"Buy milk"}"#,
    );
    story.ann("types at the end", change(r#""splice":{"note":[[8,0,", two"]]}"#));
    story.ben("sets the text", set(r#"{"note":"Nothing"}"#));
    story.meet();
    story.ends_with(r#"`{"note":"Nothing"}`"#).tells("Ann: Ben has written over")
}

fn other_paths() -> Story {
    let mut story =
        with_milk("`put` at different paths: both stay", Schema::default(), r#"{"size":{"height":1,"width":1}}"#);
    story.ann("sets the width", change(r#""put":{"size":[[["width"],2]]}"#));
    story.ben("takes the height away", change(r#""put":{"size":[[["height"]]]}"#));
    story.meet();
    story.ends_with(r#"`{"size":{"width":2}}`"#).tells_nothing()
}

fn same_path() -> Story {
    let mut story = with_milk(
        "`put` at the same path: as the policy says, here `last`",
        Schema::default(),
        r#"{"size":{"width":1}}"#,
    );
    story.ann("sets the width", change(r#""put":{"size":[[["width"],2]]}"#));
    story.ben("sets the width", change(r#""put":{"size":[[["width"],3]]}"#));
    story.meet();
    story.ends_with(r#"`{"size":{"width":3}}`"#).tells("Ann: Ben has written over")
}

fn other_path_first() -> Story {
    let title = "`put` where another policy than `last` holds: the field counts as a whole";
    let mut story = with_milk(title, policy(Policy::First), r#"{"size":{"height":1,"width":1}}"#);
    story.ann("sets the width", change(r#""put":{"size":[[["width"],2]]}"#));
    story.ben("sets the height", change(r#""put":{"size":[[["height"],2]]}"#));
    story.meet();
    story.ends_with(r#"`{"size":{"height":1,"width":2}}`"#).tells("Ben: lost, `first`")
}

fn positions() -> Story {
    let place = |before, after, random| order::between(before, after, random).unwrap();
    let (one, two) = (place(None, None, 1), place(Some("V"), None, 2));
    let at = |id: &str, position: &str| op("insert", id, &format!(r#""set":{{"position":"{position}"}}"#));
    let mut story = Story::new("Positions: two inserts at the same place", Schema::default()).looking_at(in_order);
    story.both_have_all([at("bread", &one), at("jam", &two)]);
    let between = |random| place(Some(&one), Some(&two), random);
    story.ann("puts milk between the two", vec![at("milk", &between(3))]);
    story.ben("puts tea between the two", vec![at("tea", &between(4))]);
    story.meet();
    story.ends_with("bread, milk, tea, jam").tells_nothing()
}

/// The tasks in the order of their positions.
fn in_order(device: &Device) -> String {
    let collection = key("milk").collection;
    let tasks = device.replica.collection(&collection);
    let mut tasks: Vec<(String, String)> =
        tasks.map(|(id, task)| (task.get("position").unwrap().as_text().unwrap().into(), id.to_string())).collect();
    tasks.sort();
    tasks.into_iter().map(|(_, id)| id).collect::<Vec<_>>().join(", ")
}

fn inserted_twice() -> Story {
    let mut story = Story::new("`insert` of the same id: one object with what both said", Schema::default());
    story.part();
    story.ann("inserts it", vec![made(r#"{"done":false,"title":"Milk"}"#)]);
    story.ben("inserts it", vec![made(r#"{"count":2,"title":"Oat milk"}"#)]);
    story.meet();
    story.ends_with(r#"`{"count":2,"done":false,"title":"Oat milk"}`"#).tells("Ann: Ben has written over")
}

fn upserted_twice() -> Story {
    let mut story = Story::new("`upsert`: made by the first, assigned by the second", Schema::default());
    story.part();
    story.ann("upserts it", vec![op("upsert", "milk", r#""set":{"count":1,"title":"Milk"}"#)]);
    story.ben("upserts it", vec![op("upsert", "milk", r#""set":{"count":2}"#)]);
    story.meet();
    story.ends_with(r#"`{"count":2,"title":"Milk"}`"#).tells("Ann: Ben has written over `count: 1`")
}

/// Ann deletes, Ben updates.
fn deleted_and_updated(title: &'static str, schema: Schema) -> Story {
    let mut story = with_milk(title, schema, r#"{"done":false,"title":"Milk"}"#);
    story.ann("deletes it", vec![op("delete", "milk", "")]);
    story.ben("ticks it off", set(r#"{"done":true}"#));
    story
}

fn deleted_then_updated() -> Story {
    let mut story = deleted_and_updated("`update` of what was deleted, `drop`: the delete wins", Schema::default());
    story.meet();
    story.ends_with("–").tells("Ben: lost, `gone`")
}

fn updated_then_deleted() -> Story {
    let mut story = deleted_and_updated("`delete` of what was updated: the delete wins", Schema::default());
    story.connects(Who::Ben);
    story.connects(Who::Ann);
    story.ends_with("–").tells("Ben: Ann has written over")
}

fn revived() -> Story {
    let mut story = deleted_and_updated("`update` of what was deleted, `revive`: it comes back", revive());
    story.meet();
    story.ends_with(r#"`{"done":true,"title":"Milk"}`"#).tells_nothing()
}

fn revived_text() -> Story {
    let title = "`splice` of what was deleted, `revive`: it comes back, what was typed is lost";
    let mut story = with_milk(title, revive(), r#"{"note":"Buy milk"}"#);
    story.ann("deletes it", vec![op("delete", "milk", "")]);
    story.ben("types at the end", change(r#""splice":{"note":[[8,0,", two"]]}"#));
    story.meet();
    story.ends_with(r#"`{"note":"Buy milk"}`"#).tells("Ben: lost, `gone`")
}

fn deleted_then_upserted() -> Story {
    let mut story = with_milk(
        "`upsert` of what was deleted: it is made anew",
        Schema::default(),
        r#"{"done":true,"title":"Milk"}"#,
    );
    story.ann("deletes it", vec![op("delete", "milk", "")]);
    story.ben("upserts it", vec![op("upsert", "milk", r#""set":{"title":"Oat milk"}"#)]);
    story.meet();
    story.ends_with(r#"`{"title":"Oat milk"}`"#)
}

fn deleted_twice() -> Story {
    let mut story = with_milk("`delete` of what is gone: nothing happens", Schema::default(), r#"{"title":"Milk"}"#);
    story.ann("deletes it", vec![op("delete", "milk", "")]);
    story.ben("deletes it", vec![op("delete", "milk", "")]);
    story.meet();
    story.ends_with("–").tells_nothing()
}

fn unchanged() -> Story {
    let title = "`unchanged`: refused where what was read has changed";
    let mut story = with_milk(title, Schema::default(), r#"{"owner":null,"title":"Milk"}"#);
    let take = |who: &str| NewEdit {
        unchanged: vec![Read { key: key("milk"), field: Some(FieldName::new("owner").unwrap()) }],
        ..NewEdit::from(set(&format!(r#"{{"owner":"{who}"}}"#)))
    };
    story.ann("takes it, as nobody has", take("Ann"));
    story.ben("takes it, as nobody has", take("Ben"));
    story.meet();
    story.ends_with(r#"`{"owner":"Ann","title":"Milk"}`"#).tells("Ben: refused and parked, `stale`")
}
