//! S2 lite: a stream in a directory, written and read in sessions.

use super::Events;
use super::process::Process;
use super::s2_session::{Fields, Session, write_field};
use crate::bench::drive::{Reader, Target, Writer};
use crate::failure::Failure;

const RESOURCES: &str = r#"{"basins":[{"name":"tapeline-bench","streams":[{"name":"bench"}]}]}"#;
const RECORDS: &str = "/v1/streams/bench/records";

/// An S2 lite server with one stream.
pub struct S2Lite(Process);

impl S2Lite {
    /// Starts it.
    pub async fn start() -> Result<Self, Failure> {
        let process = Process::start("s2", |port, directory| {
            let (resources, data) = (directory.join("resources.json"), directory.join("data"));
            // Without them the server says so, and ends.
            let _ = std::fs::write(&resources, RESOURCES).and_then(|()| std::fs::create_dir(&data));
            let (resources, data) = (resources.display().to_string(), data.display().to_string());
            ["lite", "--port", &port.to_string(), "--local-root", &data, "--init-file", &resources]
                .map(String::from)
                .to_vec()
        });
        Ok(Self(process.await?))
    }

    async fn session(&self, request: &str, more: &str) -> Result<Session, Failure> {
        let head = format!("{request} HTTP/1.1\r\nhost: s2\r\ns2-basin: tapeline-bench\r\n{more}");
        Session::begin(self.0.connect().await?, &head).await
    }
}

impl Target for S2Lite {
    type Writer = Appending;
    type Reader = Following;

    async fn writer(&self, _seed: u64) -> Result<Appending, Failure> {
        let session = self.session(&format!("POST {RECORDS}"), "transfer-encoding: chunked\r\n").await?;
        Ok(Appending { session, events: Events::new() })
    }

    async fn reader(&self, _seed: u64) -> Result<Following, Failure> {
        Ok(Following(self.session(&format!("GET {RECORDS}?seq_num=0"), "").await?))
    }
}

/// A session that appends.
pub struct Appending {
    session: Session,
    events: Events,
}

impl Writer for Appending {
    async fn send(&mut self, count: u64) -> Result<(), Failure> {
        // AppendInput { repeated AppendRecord records = 1; }  AppendRecord { bytes body = 3; }
        let mut input = Vec::new();
        for _ in 0..count {
            let mut record = Vec::new();
            write_field(&mut record, 3, self.events.next());
            write_field(&mut input, 1, &record);
        }
        self.session.send(&input).await
    }

    async fn acknowledged(&mut self) -> Result<u64, Failure> {
        // AppendAck { StreamPosition start = 1; StreamPosition end = 2; }  StreamPosition { uint64 seq_num = 1; }
        let answer = self.session.receive().await?;
        let position = |field| Fields(Fields(&answer).bytes(field)).number(1);
        Ok(position(2).saturating_sub(position(1)))
    }
}

/// A session that follows the stream.
pub struct Following(Session);

impl Reader for Following {
    async fn seen(&mut self) -> Result<u64, Failure> {
        // ReadBatch { repeated SequencedRecord records = 1; }, without any as a sign of life.
        Ok(Fields(&self.0.receive().await?).count(1))
    }
}
