//! Plain HTTP, spoken by hand.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PATIENCE, World};

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn lines(&self) -> Vec<Value> {
        self.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Checks that it is a problem document of this kind.
    pub fn problem(&self, status: u16, code: &str, retryable: bool) -> Value {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let document = self.json();
        assert_eq!((self.status, &document["status"]), (status, &Value::from(status)), "{document}");
        assert_eq!((&document["code"], &document["retryable"]), (&Value::from(code), &Value::from(retryable)));
        assert_eq!(document["type"], format!("urn:tapeline:problem:{code}"));
        assert!(!document["title"].as_str().unwrap().is_empty() && !document["detail"].as_str().unwrap().is_empty());
        document
    }
}

pub async fn get(address: SocketAddr, path: &str) -> Reply {
    request(address, &format!("GET {path} HTTP/1.0\r\n\r\n")).await
}

pub async fn post(address: SocketAddr, path: &str, body: &str) -> Reply {
    let length = body.len();
    request(address, &format!("POST {path} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}")).await
}

impl World {
    pub async fn get(&self, path: &str) -> Reply {
        get(self.address, path).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Reply {
        post(self.address, path, body).await
    }

    /// Waits until so many are played the events of a stream.
    pub async fn subscribers(&self, stream: &str, count: u64) {
        let begun = std::time::Instant::now();
        while self.get(&format!("/v1/streams/{stream}")).await.json()["subscribers"] != count {
            assert!(begun.elapsed() < PATIENCE, "there are never {count} subscribers of {stream}");
        }
    }

    /// A number out of the metrics.
    pub async fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics").await.body;
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in\n{metrics}")).split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// Sends a request as it is, and reads all of the answer.
pub async fn request(address: SocketAddr, request: impl AsRef<[u8]>) -> Reply {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("it is answered").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into()));
    Reply { status, headers: headers.collect(), body: body.into() }
}
