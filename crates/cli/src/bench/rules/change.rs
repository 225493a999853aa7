//! A change of what may be read, over ten thousand objects: somebody becomes a member of all of them, and is one no more;
//! and comes back with a token that names one more team.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tapeline_client::{Connection, Tapeline};
use tapeline_core::name::{FieldName, ObjectId, StreamName};
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op};
use tapeline_core::value::Value;

use super::super::Size;
use super::super::cold::milliseconds;
use super::super::figures::Figures;
use super::super::load::{Todos, Writer, stream};
use super::super::partial::{Partial, query};
use super::guarded::{ALL, Guarded, OWNERS_AND_MEMBERS, owned, person};
use crate::failure::Failure;

const OF_TEAMS: &str = "
[collections.todos]
indexes = ['label']
[collections.todos.rules]
read = 'resource.label in auth.teams'
";

/// Measures how long each takes to arrive.
pub async fn run(size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let objects = 10_000 / size.divide;
    members(objects, figures).await?;
    teams(objects, figures).await
}

async fn members(objects: u64, figures: &mut Figures) -> Result<(), Failure> {
    let guarded = Guarded::start(OWNERS_AND_MEMBERS).await?;
    let name = stream("bench/rules-members");
    let mut todos = Todos::new(1);
    let ids: Vec<ObjectId> = (0..objects).map(|_| todos.id()).collect();
    let mut writer = Writer::open_on(guarded.connect_backend().await?, &name, 1).await?;
    let mut made = ids.iter();
    let mut insert = |todos: &mut Todos| owned(todos.insert(made.next().expect("as many").clone()), "nobody", [1, 2]);
    writer.push(objects, 1_000, &mut insert).await?;
    let mut reader = Partial::on(guarded.connect(&person(0)).await?);
    reader.open(&name, 0, query(ALL)?).await?;
    while reader.page().await?.query.is_none() {}
    for (measure, joins) in [("rules.change.member_ms", true), ("rules.change.member_no_more_ms", false)] {
        let mut changed = ids.iter();
        let begun = Instant::now();
        let mut next = |todos: &mut Todos| member(todos, changed.next().expect("as many").clone(), joins);
        let written = writer.push(objects, 1_000, &mut next);
        let (written, told) = tokio::join!(timed(begun, written), told(&mut reader, objects, begun));
        let (written, told) = (written?, told?);
        figures.add(format!("{measure}.written"), milliseconds(written), "ms")?;
        figures.add(measure, milliseconds(told.saturating_sub(written)), "ms")?;
    }
    Ok(())
}

async fn timed(begun: Instant, work: impl Future<Output = Result<(), Failure>>) -> Result<Duration, Failure> {
    work.await.map(|()| begun.elapsed())
}

/// Waits until so many objects have come or gone. Answers when.
async fn told(reader: &mut Partial, objects: u64, begun: Instant) -> Result<Duration, Failure> {
    let mut told = 0;
    while told < objects as usize {
        let page = reader.page().await?;
        told += page.items.len() + page.gone.len() + page.gone_unnamed.len();
    }
    Ok(begun.elapsed())
}

/// The first person joins a to-do, or leaves it.
fn member(todos: &mut Todos, id: ObjectId, joins: bool) -> Op {
    let (who, none) = (vec![Value::text(person(0))], Vec::new());
    let (add, remove) = if joins { (who, none) } else { (none, who) };
    let edit = Edit::Members(Members { add, remove });
    let edits = FieldMap::new(vec![(FieldName::new("members").expect("a field name"), edit)]).expect("one field");
    Op { action: Action::Update(edits), ..todos.update(id) }
}

async fn teams(objects: u64, figures: &mut Figures) -> Result<(), Failure> {
    let guarded = Guarded::start(OF_TEAMS).await?;
    let name = stream("bench/rules-teams");
    let mut writer = Writer::open_on(guarded.connect_backend().await?, &name, 1).await?;
    let mut teams = ["red", "blue"].into_iter().cycle();
    let mut insert = |todos: &mut Todos| {
        let id = todos.id();
        of_team(todos.insert(id), teams.next().expect("they go round"))
    };
    writer.push(objects * 2, 1_000, &mut insert).await?;
    let red = guarded.token("ana", json!({ "teams": ["red"] }))?;
    let both = guarded.token("ana", json!({ "teams": ["red", "blue"] }))?;
    let shown = Arc::new(Mutex::new(red.clone()));
    let show = |token: &String| token.clone_into(&mut shown.lock().unwrap_or_else(PoisonError::into_inner));
    let tokens = {
        let shown = shown.clone();
        move || std::future::ready(shown.lock().unwrap_or_else(PoisonError::into_inner).clone())
    };
    let client = Tapeline::builder(&guarded.server.url).tokens(tokens).open().await.map_err(Failure::failed)?;
    come(&client, &name, objects).await?;
    for (measure, token, holds) in
        [("rules.change.token_ms", &both, objects * 2), ("rules.change.token_no_more_ms", &red, objects)]
    {
        client.go_offline();
        let mut connection = client.connection_changes();
        connection.wait_for(|connection| *connection == Connection::Offline).await.map_err(Failure::failed)?;
        show(token);
        let begun = Instant::now();
        client.go_online();
        come(&client, &name, holds).await?;
        figures.add(measure, milliseconds(begun.elapsed()), "ms")?;
    }
    client.close().await.map_err(Failure::failed)
}

fn of_team(op: Op, team: &str) -> Op {
    let Action::Upsert(set) = op.action else { return op };
    let label = |(name, value): (&FieldName, &Value)| {
        (name.clone(), if name.as_str() == "label" { Value::text(team) } else { value.clone() })
    };
    let set = FieldMap::new(set.iter().map(label).collect()).expect("four fields");
    Op { action: Action::Upsert(set), ..op }
}

/// Waits until a client has so many to-dos.
async fn come(client: &Tapeline, name: &StreamName, objects: u64) -> Result<(), Failure> {
    let stream = client.stream(name.as_str()).await.map_err(Failure::failed)?;
    let todos = stream.collection("todos").map_err(Failure::failed)?;
    let mut changes = stream.changes();
    while todos.all().len() as u64 != objects {
        if changes.next().await.is_none() {
            return Err(Failure::Failed("the client ended by itself".into()));
        }
    }
    Ok(())
}
