//! A server that asks who connects, and to-dos that have an owner and members.

use std::time::SystemTime;

use serde_json::{Map, Value as Json, json};
use tapeline_core::name::FieldName;
use tapeline_core::op::{Action, FieldMap, Op};
use tapeline_core::value::Value;
use tapeline_server::auth::{Authenticator, new_api_key};
use tempfile::TempDir;

use super::super::server::Server;
use crate::failure::Failure;
use crate::wire::{self, Receiver, Sender};

const SECRET: &str = "a secret that protects nothing at all";

/// All that may be read.
pub const ALL: &str = r#"{"collection":"todos"}"#;

/// Owners and members read and write.
pub const OWNERS_AND_MEMBERS: &str = "
[collections.todos]
indexes = ['owner', 'members']
[collections.todos.rules]
read = 'resource.owner == auth.sub || auth.sub in resource.members'
insert = 'new.owner == auth.sub'
update = 'old.owner == auth.sub || auth.sub in old.members'
delete = 'old.owner == auth.sub'
";

/// A server with rules.
pub struct Guarded {
    /// The server.
    pub server: Server,
    issuer: Authenticator,
    key: String,
    /// Has the files that the server reads.
    _directory: TempDir,
}

impl Guarded {
    /// A fresh one that goes by a schema.
    pub async fn start(schema: &str) -> Result<Self, Failure> {
        let directory = tempfile::tempdir().map_err(Failure::failed)?;
        let key = new_api_key("backend").map_err(Failure::failed)?;
        let tokens = "[tokens]\n[[tokens.keys]]\nid = 'bench'\nalgorithm = 'HS256'\nsecret_file = 'secret'\n";
        let hash = key.hash;
        let keys = format!("[[keys]]\nname = 'backend'\nhash = '{hash}'\nsubject = 'backend'\ntrusted = true\n");
        let (text, file) = (tokens.to_owned() + &keys, directory.path().join("auth.toml"));
        std::fs::write(directory.path().join("secret"), SECRET)?;
        std::fs::write(&file, &text)?;
        let issuer = Authenticator::read(&text, directory.path()).map_err(Failure::failed)?;
        let mut server = Server::start(None).await?;
        server.take_schema(schema)?;
        server.take_auth(file);
        server.stop_and_restart().await?;
        Ok(Self { server, issuer, key: key.key, _directory: directory })
    }

    /// A token of a person, with what else it is to claim.
    pub fn token(&self, person: &str, claims: Json) -> Result<String, Failure> {
        let now = SystemTime::now();
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let mut all: Map<String, Json> = claims.as_object().cloned().unwrap_or_default();
        all.extend([("sub".into(), json!(person)), ("exp".into(), json!(seconds + 3_600))]);
        self.issuer.issue(all, None, now).map_err(Failure::failed)
    }

    /// A socket of a person.
    pub async fn connect(&self, person: &str) -> Result<(Sender, Receiver), Failure> {
        wire::connect_showing(&self.server.url, Some(self.token(person, json!({}))?)).await
    }

    /// A socket of the app's own backend, for which no rule holds.
    pub async fn connect_backend(&self) -> Result<(Sender, Receiver), Failure> {
        wire::connect_showing(&self.server.url, Some(self.key.clone())).await
    }
}

/// The number of a person as it stands in tokens and objects.
pub fn person(number: u64) -> String {
    format!("person {number}")
}

/// What makes a to-do, with an owner and members besides.
pub fn owned(op: Op, owner: &str, members: impl IntoIterator<Item = u64>) -> Op {
    let Action::Upsert(set) = op.action else { return op };
    let members: Vec<Value> = members.into_iter().map(|member| Value::text(person(member))).collect();
    let name = |name: &str| FieldName::new(name).expect("a field name");
    let more = [(name("owner"), Value::text(owner)), (name("members"), Value::List(members.into()))];
    let fields = set.iter().map(|(name, value)| (name.clone(), value.clone())).chain(more).collect();
    Op { action: Action::Upsert(FieldMap::new(fields).expect("six fields")), ..op }
}
