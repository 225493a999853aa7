//! A server that asks who connects, and goes by rules.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tapeline_client::{Builder, Stream, Tapeline, Transport};
use tapeline_core::codec::Codec;
use tapeline_log::memory::MemoryLog;
use tapeline_server::auth::{Authenticator, new_api_key};
use tapeline_server::{Server, ServerConfig, read_schema};
use tempfile::TempDir;

use super::builder;
use super::proxy::Proxy;

/// A server that asks who connects, and makes tokens for whoever the tests speak for.
pub struct Asking {
    server: Server,
    config: ServerConfig,
    log: Arc<MemoryLog>,
    auth: Arc<Authenticator>,
    key: String,
    directory: TempDir,
}

impl Asking {
    /// A server that goes by the rules of a schema file.
    pub async fn start(schema: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let (new, file) = (new_api_key("backend").unwrap(), directory.path().join("auth.toml"));
        std::fs::write(directory.path().join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
        std::fs::write(directory.path().join("revoked"), "").unwrap();
        let text = format!(
            "[tokens]\nleeway_seconds = 0\nrevoked_file = 'revoked'\n\
             [[tokens.keys]]\nid = 'k'\nalgorithm = 'HS256'\nsecret_file = 'secret'\n\
             [[keys]]\nname = 'backend'\nhash = '{}'\nsubject = 'backend'\ntrusted = true\n",
            new.hash
        );
        std::fs::write(&file, text).unwrap();
        let auth = Arc::new(Authenticator::open(&file).unwrap());
        let file = read_schema(schema).unwrap();
        let config = ServerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            auth: Some(auth.clone()),
            schema: file.schema.into(),
            authority: file.authority.into(),
            ..ServerConfig::default()
        };
        let log = Arc::new(MemoryLog::new());
        let server = Server::start_in_memory(config.clone(), log.clone()).await.unwrap();
        Self { server, config, log, auth, key: new.key, directory }
    }

    /// The same, started again: all lines break, and go to it from then on.
    pub async fn restart(self, lines: &[&Proxy]) -> Self {
        self.server.stop().await;
        let server = Server::start_in_memory(self.config.clone(), self.log.clone()).await.unwrap();
        lines.iter().for_each(|line| line.to(server.address()));
        Self { server, ..self }
    }

    /// A token that is good for an hour.
    pub fn token(&self, subject: &str, claims: serde_json::Value) -> String {
        self.token_for(subject, claims, 3_600)
    }

    /// A token that is good for so many seconds.
    pub fn token_for(&self, subject: &str, claims: serde_json::Value, seconds: u64) -> String {
        issue(&self.auth, subject, claims, seconds)
    }

    /// Makes tokens for somebody, also while the server is being restarted.
    pub fn issuer(&self, subject: &str) -> impl Fn(serde_json::Value) -> String + Send + 'static {
        let (auth, subject) = (self.auth.clone(), subject.to_owned());
        move |claims| issue(&auth, &subject, claims, 3_600)
    }

    /// The file of what is revoked.
    pub fn revoked(&self) -> PathBuf {
        self.directory.path().join("revoked")
    }

    pub fn address(&self) -> String {
        format!("ws://{}", self.server.address())
    }

    /// Somebody whose lines the test can look into.
    pub fn client(&self, proxy: &Proxy, subject: &str) -> Builder {
        let token = self.token(subject, json!({}));
        builder(&proxy.address, Transport::WebSocket).codec(Codec::Json).subject(subject).token(token)
    }

    /// Somebody for whom no rule holds, who holds all of a stream.
    pub async fn backend(&self) -> (Tapeline, Stream) {
        self.backend_by(self.address()).await
    }

    /// The same, by a line to the server.
    pub async fn backend_by(&self, address: impl Into<String>) -> (Tapeline, Stream) {
        let client = builder(address, Transport::WebSocket).token(&self.key).open().await.unwrap();
        let stream = client.stream("list").await.unwrap();
        (client, stream)
    }

    pub async fn proxy(&self) -> Proxy {
        self.proxy_that_cuts(Vec::new()).await
    }

    /// A line whose first connections are cut, each after so many bytes.
    pub async fn proxy_that_cuts(&self, cuts: Vec<u64>) -> Proxy {
        Proxy::new(self.server.address(), cuts).await
    }
}

fn issue(auth: &Authenticator, subject: &str, claims: serde_json::Value, seconds: u64) -> String {
    let serde_json::Value::Object(mut claims) = claims else { panic!("claims are a map") };
    let now = SystemTime::now();
    let expires = now.duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds;
    claims.insert("sub".into(), subject.into());
    claims.insert("exp".into(), expires.into());
    auth.issue(claims, None, now).unwrap()
}
