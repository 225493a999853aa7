//! From frames to the bodies of POSTs: what waits goes together, in JSON one frame a line, in CBOR each after its
//! length in four bytes.

use hyper::body::Bytes;
use tapeline_core::codec::Codec;
use tapeline_core::frame::ClientFrame;
use tapeline_core::limits;
use tokio::sync::mpsc;

/// Bytes of the largest body: a frame and its length.
const BODY_BYTES: usize = limits::FRAME_BYTES + 4;

/// Makes bodies of frames.
pub(super) struct Bodies {
    codec: Codec,
    frames: mpsc::Receiver<ClientFrame>,
    /// What did not fit the last one.
    rest: Vec<u8>,
}

impl Bodies {
    pub(super) fn new(codec: Codec, frames: mpsc::Receiver<ClientFrame>) -> Self {
        Self { codec, frames, rest: Vec::new() }
    }

    /// The next body: all that waits, as far as it fits one. `None` once nothing more will come.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let mut body = std::mem::take(&mut self.rest);
        if body.is_empty() {
            body = encode(self.codec, &self.frames.recv().await?);
        }
        while let Ok(frame) = self.frames.try_recv() {
            let frame = encode(self.codec, &frame);
            if body.len() + frame.len() > BODY_BYTES {
                self.rest = frame;
                break;
            }
            body.extend(frame);
        }
        Some(body.into())
    }
}

fn encode(codec: Codec, frame: &ClientFrame) -> Vec<u8> {
    let frame = codec.encode_client(frame);
    match codec {
        Codec::Json => [&frame, &b"\n"[..]].concat(),
        Codec::Cbor => [&(frame.len() as u32).to_be_bytes(), &frame[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapeline_core::frame::{Hello, PROTOCOL};

    #[tokio::test]
    async fn what_waits_goes_together_as_far_as_it_fits() {
        let large = |size: usize| {
            let (agent, token) = ("x".into(), Some("y".repeat(size)));
            ClientFrame::Hello(Hello { protocol: PROTOCOL, agent, token, deflate: false, schema: None })
        };
        for codec in Codec::ALL {
            let (sender, frames) = mpsc::channel(16);
            let mut bodies = Bodies::new(codec, frames);
            let (one, other) = (large(limits::FRAME_BYTES / 2), large(limits::FRAME_BYTES / 3));
            let ping = encode(codec, &ClientFrame::Ping);
            for frame in [&one, &other, &one, &ClientFrame::Ping] {
                sender.try_send(frame.clone()).unwrap();
            }
            drop(sender);
            let (one, other) = (encode(codec, &one), encode(codec, &other));
            assert_eq!(bodies.next().await.unwrap(), [&one[..], &other[..]].concat());
            assert_eq!(bodies.next().await.unwrap(), [one, ping].concat());
            assert_eq!(bodies.next().await, None);
        }
    }
}
