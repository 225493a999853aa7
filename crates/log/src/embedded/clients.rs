//! Where the store keeps what clients were told: in the stream's own row while they are few, in rows of their own later.
//!
//! ```text
//! few clients  = count:1 (client:16 length:2 state)*      at the end of the stream's row
//! many clients = 255                                      each has a row
//! ```
//!
//! A hundred thousand streams of one person each so cost one row less to write, each time.

use tapeline_core::numbers::ClientId;
use tapeline_core::state::ClientState;

use super::rows::{Row, client_key};
use super::unflushed::Layers;
use crate::limits;

const APART: u8 = u8::MAX;
const HEADER: usize = 18;

/// The clients in a stream's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clients {
    /// All that the stream has, encoded.
    Few(Vec<(ClientId, Vec<u8>)>),
    /// They have rows of their own.
    Apart,
}

impl Default for Clients {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Clients {
    /// Takes the clients that changed, or puts down rows of their own where they are too many.
    pub(super) fn take(&mut self, rows: &mut Vec<Row>, number: u64, unflushed: &Layers) {
        let changed = unflushed.clients().map(|(client, state): (_, &ClientState)| (*client, state.encode()));
        let Self::Few(few) = self else { return put_apart(rows, number, changed) };
        for (client, state) in changed {
            match few.iter_mut().find(|(known, _)| *known == client) {
                Some((_, known)) => *known = state,
                None => few.push((client, state)),
            }
        }
        let bytes: usize = few.iter().map(|(_, state)| HEADER + state.len()).sum();
        if few.len() > limits::FEW_CLIENTS || bytes > limits::FEW_CLIENTS_BYTES {
            put_apart(rows, number, std::mem::take(few));
            *self = Self::Apart;
        }
    }

    /// What the row has of a client, encoded.
    pub(super) fn get(&self, client: ClientId) -> Option<&[u8]> {
        let Self::Few(few) = self else { return None };
        few.iter().find(|(known, _)| *known == client).map(|(_, state)| state.as_slice())
    }

    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        let Self::Few(few) = self else { return to.push(APART) };
        to.push(few.len() as u8);
        for (client, state) in few {
            to.extend_from_slice(&client.0.to_be_bytes());
            to.extend_from_slice(&(state.len() as u16).to_le_bytes());
            to.extend_from_slice(state);
        }
    }

    /// Reads what [`encode`](Self::encode) wrote, and answers what follows it.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&count, mut rest) = bytes.split_first()?;
        if count == APART {
            return Some((Self::Apart, rest));
        }
        let mut few = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let (client, tail) = rest.split_first_chunk()?;
            let (length, tail) = tail.split_first_chunk()?;
            let (state, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            few.push((ClientId(u128::from_be_bytes(*client)), state.to_vec()));
            rest = tail;
        }
        Some((Self::Few(few), rest))
    }
}

fn put_apart(rows: &mut Vec<Row>, number: u64, clients: impl IntoIterator<Item = (ClientId, Vec<u8>)>) {
    let row = |(client, state): (_, Vec<u8>)| (client_key(number, client).into(), Some(state.into()));
    rows.extend(clients.into_iter().map(row));
}
