//! A replica that leaves when three tenths of a recording are played and comes back at the end: what that moves, beside
//! all events.

use tapeline_core::hash::Digest;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;

use super::patiently;
use super::player::Player;
use crate::failure::Failure;
use crate::past;
use crate::relay::Relay;

/// The replica.
pub struct Visitor {
    relay: Relay,
    player: Player,
    has_left: bool,
}

/// What its return moved.
pub struct Visit {
    /// What it holds in the end.
    pub digest: Digest,
    /// Bytes that came with its return.
    pub bytes: u64,
    /// Bytes in which all events come.
    pub all_bytes: u64,
}

impl Visitor {
    /// A replica with nothing in it, offline. None where what is on the wire cannot be counted.
    pub async fn new(server: &str, stream: &StreamName) -> Result<Option<Self>, Failure> {
        let Ok(relay) = Relay::start(server, []).await else { return Ok(None) };
        let player = Player::new(&relay.url, stream).await?;
        Ok(Some(Self { relay, player, has_left: false }))
    }

    /// Sees what there is and leaves, once enough of a recording is on the log.
    pub async fn look(&mut self, on_log: usize, of: usize) -> Result<(), Failure> {
        if self.has_left || on_log * 10 < of * 3 {
            return Ok(());
        }
        self.has_left = true;
        self.player.sync().await
    }

    /// Comes back.
    pub async fn come_back(mut self, stream: &StreamName) -> Result<Visit, Failure> {
        let before = self.relay.bytes();
        self.player.sync().await?;
        let (digest, bytes) = (self.player.digest(), self.relay.bytes() - before);
        self.player.close().await;
        let (before, url) = (self.relay.bytes(), &self.relay.url);
        let head = patiently(async || past::head(url, stream)).await?;
        patiently(async || past::fetch(url, stream, Seq::FIRST..head, |_| Ok(())).await).await?;
        Ok(Visit { digest, bytes, all_bytes: self.relay.bytes() - before })
    }
}
