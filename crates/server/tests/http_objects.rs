//! Objects over plain HTTP: those that meet conditions, in an order, as many as are asked for.

mod support;

use serde_json::{Value, json};
use support::World;
use support::http::Reply;

/// A world with some tasks on the stream `s`, and one object of another collection.
async fn world() -> World {
    let world = World::new().await;
    let rows = [
        ("t1", json!({"title": "milk", "done": false, "priority": 2, "tags": ["home", "shop"]})),
        ("t2", json!({"title": "bread", "done": true, "priority": 1})),
        ("t3", json!({"title": "plumber", "done": false, "priority": 3, "owner": "ana"})),
        ("t4", json!({"title": "bicycle", "done": false, "priority": 2, "owner": "ben"})),
        ("t5", json!({"title": "butter", "done": false})),
    ];
    let mut ops: Vec<Value> = rows.iter().map(|(id, set)| json!({"insert": "tasks", "id": id, "set": set})).collect();
    ops.push(json!({"insert": "people", "id": "ana", "set": {"title": "milk"}}));
    ops.push(json!({"insert": "tasks", "id": "t6", "set": {"title": "gone"}}));
    for ops in [json!({ "ops": ops }), json!({"ops": [{"delete": "tasks", "id": "t6"}]})] {
        assert_eq!(world.post("/v1/streams/s/events", &ops.to_string()).await.status, 200);
    }
    world
}

async fn get(world: &World, query: &[(&str, &str)]) -> Reply {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(query);
    world.get(&format!("/v1/streams/s/objects?{}", encoded.finish())).await
}

async fn ids(world: &World, query: &[(&str, &str)]) -> Vec<String> {
    let reply = get(world, query).await;
    assert_eq!((reply.status, reply.headers["tapeline-head"].as_str()), (200, "2"), "{reply:?}");
    reply.lines().iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn conditions_say_which_objects() {
    let world = world().await;
    let tasks = ("collection", "tasks");
    for (conditions, wanted) in [
        (r#"{}"#, &["t1", "t2", "t3", "t4", "t5"][..]),
        (r#"{"done":true}"#, &["t2"]),
        (r#"{"done":false,"priority":{"ge":2}}"#, &["t1", "t3", "t4"]),
        (r#"{"priority":{"gt":1,"lt":3}}"#, &["t1", "t4"]),
        (r#"{"priority":{"le":1}}"#, &["t2"]),
        (r#"{"title":{"prefix":"b"}}"#, &["t2", "t4", "t5"]),
        (r#"{"tags":{"contains":"shop"}}"#, &["t1"]),
        (r#"{"owner":{"exists":false}}"#, &["t1", "t2", "t5"]),
        (r#"{"or":[{"owner":"ana"},{"id":{"in":["t5","t9"]}}]}"#, &["t3", "t5"]),
        (r#"{"not":{"priority":2},"done":{"ne":true}}"#, &["t3", "t5"]),
        (r#"{"and":[{"title":"milk"},{"done":true}]}"#, &[]),
    ] {
        assert_eq!(ids(&world, &[tasks, ("where", conditions)]).await, wanted, "{conditions}");
    }
    assert_eq!(ids(&world, &[("collection", "people"), ("where", r#"{"title":"milk"}"#)]).await, ["ana"]);
    assert_eq!(ids(&world, &[("collection", "none"), ("where", r#"{"title":"milk"}"#)]).await, [""; 0]);
}

#[tokio::test]
async fn the_first_come_in_the_order_that_is_asked_for() {
    let world = world().await;
    let tasks = ("collection", "tasks");
    for (order, limit, wanted) in [
        ("title", "9", &["t4", "t2", "t5", "t1", "t3"][..]),
        ("-title", "2", &["t3", "t1"]),
        ("priority,-title", "3", &["t5", "t2", "t1"]),
        ("-priority, title", "10000", &["t3", "t4", "t1", "t2", "t5"]),
        ("none", "2", &["t1", "t2"]),
        ("title", "0", &[]),
    ] {
        assert_eq!(ids(&world, &[tasks, ("order_by", order), ("limit", limit)]).await, wanted, "{order} {limit}");
    }
    let open = ("where", r#"{"done":false}"#);
    assert_eq!(ids(&world, &[tasks, open, ("order_by", "-priority"), ("limit", "2")]).await, ["t3", "t1"]);
    assert_eq!(ids(&world, &[tasks, open, ("limit", "2")]).await, ["t1", "t3"]);
    assert_eq!(ids(&world, &[tasks, open, ("order_by", "-id")]).await, ["t5", "t4", "t3", "t1"]);
    assert_eq!(ids(&world, &[tasks, ("order_by", "-id"), ("limit", "2")]).await, ["t5", "t4"]);
    assert_eq!(ids(&world, &[tasks, ("order_by", "id"), ("limit", "1")]).await, ["t1"]);
    assert_eq!(ids(&world, &[tasks, ("limit", "0")]).await, [""; 0]);
}

/// The objects as `collection/id`.
async fn names(world: &World, query: &[(&str, &str)]) -> Vec<String> {
    let name = |line: &Value| format!("{}/{}", line["collection"].as_str().unwrap(), line["id"].as_str().unwrap());
    let reply = get(world, query).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.lines().iter().map(name).collect()
}

#[tokio::test]
async fn what_objects_refer_to_comes_once_after_them() {
    let schema = "
        [collections.tasks.fields]
        owner = { ref = 'people' }
        after = { ref = 'tasks' }
    ";
    let world = World::with_schema(schema).await;
    let task = |id: &str, set: Value| json!({"insert": "tasks", "id": id, "set": set});
    let person = |id: &str| json!({"insert": "people", "id": id, "set": {}});
    let ops = [
        task("t1", json!({"owner": ["ben", "ana"], "after": "t3", "n": 3})),
        task("t2", json!({"owner": "ana", "after": null, "n": 2})),
        task("t3", json!({"owner": "nobody", "after": "t1", "n": 1})),
        task("t4", json!({"owner": 7, "n": 0})),
        person("ana"),
        person("ben"),
        person("cyn"),
    ];
    assert_eq!(world.post("/v1/streams/s/events", &json!({ "ops": ops }).to_string()).await.status, 200);
    let tasks = ("collection", "tasks");
    for (order, limit, with, wanted) in [
        ("id", "9", "owner", &["tasks/t1", "tasks/t2", "tasks/t3", "tasks/t4", "people/ana", "people/ben"][..]),
        ("id", "1", "after, owner", &["tasks/t1", "people/ana", "people/ben", "tasks/t3"]),
        ("-id", "3", "owner", &["tasks/t4", "tasks/t3", "tasks/t2", "people/ana"]),
        ("n", "2", "owner", &["tasks/t4", "tasks/t3"]),
        ("-n", "3", "after", &["tasks/t1", "tasks/t2", "tasks/t3"]),
    ] {
        let query = [tasks, ("order_by", order), ("limit", limit), ("with", with)];
        assert_eq!(names(&world, &query).await, wanted, "{order} {limit} {with}");
    }
    let one = [tasks, ("where", r#"{"id":"t2"}"#), ("limit", "1"), ("with", "owner")];
    assert_eq!(names(&world, &one).await, ["tasks/t2", "people/ana"]);
    for (query, said) in [
        (&[tasks, ("with", "owner")][..], "with needs a limit, 10000 at most"),
        (&[tasks, ("with", "owner"), ("limit", "10001")], "with needs a limit, 10000 at most"),
        (&[tasks, ("with", "n"), ("limit", "1")], "with: the schema says of no n of tasks to what it refers"),
        (&[("collection", "people"), ("with", "owner"), ("limit", "1")], "no owner of people"),
        (&[tasks, ("with", ""), ("limit", "1")], "with: "),
        (&[tasks, ("id", "t1"), ("with", "owner")], "an id names one object"),
        (&[("with", "owner")], "name it, too"),
    ] {
        let problem = get(&world, query).await.problem(400, "bad_request", false);
        assert!(problem["detail"].as_str().unwrap().contains(said), "{query:?}: {problem}");
    }
}

/// Nobody makes the server hold more than there may be for one answer.
#[tokio::test]
async fn more_than_there_may_be_is_refused() {
    let world = World::with_schema("[collections.tasks.fields]\nafter = { ref = 'tasks' }").await;
    let after: Vec<String> = (0..10_001).map(|id| id.to_string()).collect();
    let ops = json!([{"insert": "tasks", "id": "t", "set": {"after": after}}]);
    assert_eq!(world.post("/v1/streams/s/events", &json!({ "ops": ops }).to_string()).await.status, 200);
    let reply = get(&world, &[("collection", "tasks"), ("limit", "1"), ("with", "after")]).await;
    let problem = reply.problem(400, "bad_request", false);
    assert!(problem["detail"].as_str().unwrap().contains("they refer to more than 10000 objects"), "{problem}");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_part() {
    let world = world().await;
    let tasks = ("collection", "tasks");
    let cases: [(&[(&str, &str)], &str); 16] = [
        (&[tasks, ("where", "{")], "where is not JSON"),
        (&[tasks, ("where", "3")], "where is a map of fields"),
        (&[tasks, ("where", r#"{"a":1,"a":2}"#)], "where is not JSON"),
        (&[tasks, ("where", r#"{"done":{"is":1}}"#)], "where: there is no comparison \"is\""),
        (&[tasks, ("where", r#"{"or":{"done":1}}"#)], "where: and, or is a list of conditions"),
        (&[tasks, ("where", r#"{"title":{"prefix":1}}"#)], "where: prefix is a text"),
        (&[tasks, ("where", r#"{"":1}"#)], "where: "),
        (&[tasks, ("order_by", "title")], "order_by needs a limit"),
        (&[tasks, ("order_by", "title"), ("limit", "10001")], "order_by needs a limit, 10000 at most"),
        (&[tasks, ("order_by", "title,,done"), ("limit", "1")], "order_by: "),
        (&[tasks, ("limit", "-1")], "limit=-1"),
        (&[tasks, ("id", "t1"), ("limit", "1")], "an id names one object"),
        (&[("collection", "")], "collection: "),
        (&[("where", "{}")], "name it, too"),
        (&[("limit", "3")], "name it, too"),
        (&[("id", "t1")], "name it, too"),
    ];
    for (query, said) in cases {
        let problem = get(&world, query).await.problem(400, "bad_request", false);
        assert!(problem["detail"].as_str().unwrap().contains(said), "{query:?}: {problem}");
    }
    let deep = format!("{}{}", r#"{"not":"#.repeat(5_000), "}".repeat(5_000));
    let reply = get(&world, &[tasks, ("where", &deep)]).await;
    assert!(reply.status >= 400, "{reply:?}");
}
