//! Redis: a stream written with XADD and read with XREAD, kept in its append-only file.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::Events;
use super::process::{Process, Socket};
use crate::bench::drive::{Reader, Target, Writer};
use crate::failure::Failure;

/// A Redis server with one stream.
pub struct Redis(Process);

impl Redis {
    /// Starts it; `sync` says when it syncs: `always`, before it answers, or `everysec`.
    pub async fn start(sync: &str) -> Result<Self, Failure> {
        let process = Process::start("redis-server", |port, directory| {
            let (port, directory) = (port.to_string(), directory.display().to_string());
            let arguments = ["--bind", "127.0.0.1", "--port", &port, "--dir", &directory];
            let keeping = ["--appendonly", "yes", "--appendfsync", sync, "--save", ""];
            arguments.iter().chain(&keeping).map(ToString::to_string).collect()
        });
        Ok(Self(process.await?))
    }
}

impl Target for Redis {
    type Writer = Adding;
    type Reader = Reading;

    async fn writer(&self, _seed: u64) -> Result<Adding, Failure> {
        Ok(Adding { socket: self.0.connect().await?, events: Events::new() })
    }

    async fn reader(&self, _seed: u64) -> Result<Reading, Failure> {
        Ok(Reading { socket: self.0.connect().await?, last: b"0".to_vec() })
    }
}

/// A connection that adds.
pub struct Adding {
    socket: Socket,
    events: Events,
}

impl Writer for Adding {
    async fn send(&mut self, count: u64) -> Result<(), Failure> {
        let mut commands = Vec::new();
        for _ in 0..count {
            write_command(&mut commands, &[b"XADD", b"bench", b"*", b"e", self.events.next()]);
        }
        self.socket.write_all(&commands).await.map_err(Failure::failed)
    }

    async fn acknowledged(&mut self) -> Result<u64, Failure> {
        let mut count = 0;
        while count == 0 || !self.socket.buffer().is_empty() {
            answer(&mut self.socket).await?;
            count += 1;
        }
        Ok(count)
    }
}

/// A connection that waits for what comes after the last entry it has.
pub struct Reading {
    socket: Socket,
    last: Vec<u8>,
}

impl Reader for Reading {
    async fn seen(&mut self) -> Result<u64, Failure> {
        let mut read = Vec::new();
        let words: [&[u8]; 8] = [b"XREAD", b"COUNT", b"1000", b"BLOCK", b"0", b"STREAMS", b"bench", &self.last];
        write_command(&mut read, &words);
        self.socket.write_all(&read).await.map_err(Failure::failed)?;
        // The stream's name, then an id, a field and a value for each entry.
        let answer = answer(&mut self.socket).await?;
        let last = answer.len().checked_sub(3).ok_or_else(|| Failure::failed("Redis answered with no entry"))?;
        self.last.clone_from(&answer[last]);
        Ok(answer.len() as u64 / 3)
    }
}

/// Writes a command as RESP: the count of its words, then each with its length.
fn write_command(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads an answer. Answers with its strings, however deep they lie.
async fn answer(socket: &mut Socket) -> Result<Vec<Vec<u8>>, Failure> {
    let (mut strings, mut expected) = (Vec::new(), 1);
    while expected > 0 {
        expected -= 1;
        let mut line = String::new();
        socket.read_line(&mut line).await.map_err(Failure::failed)?;
        let number = || line[1..].trim_end().parse::<usize>().map_err(Failure::failed);
        match line.as_bytes().first() {
            Some(b'*') => expected += number()?,
            Some(b'$') => {
                let mut string = vec![0; number()? + 2];
                socket.read_exact(&mut string).await.map_err(Failure::failed)?;
                string.truncate(string.len() - 2);
                strings.push(string);
            }
            _ => return Err(Failure::Failed(format!("Redis answered {line:?}"))),
        }
    }
    Ok(strings)
}
