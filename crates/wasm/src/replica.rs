//! The replica of one stream, in the tab that leads.

use js_sys::Uint8Array;
use tapeline_core::codec::cbor;
use tapeline_core::mirror::Commit;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId, EditId, TabId};
use tapeline_core::replica::{
    Keeping, Moment, Notice, Replica as CoreReplica, Restoring, Start, Status, StoreBatch, Table,
};
use tapeline_core::value::Value;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::mirror::Mirror;
use crate::{Result, bits, millis, number, record};

/// The replica of one stream: its outbox, its confirmed objects, its place on the log.
#[wasm_bindgen]
pub struct Replica {
    replica: CoreReplica,
    restoring: Option<Restoring>,
}

#[wasm_bindgen]
impl Replica {
    /// A replica of a stream. `client`: 16 random bytes, used where nothing is stored. One that is kept on the device
    /// is restored first: all records in the order they were written, then `restored()`.
    ///
    /// # Errors
    /// Where the stream's name is none.
    #[wasm_bindgen(constructor)]
    pub fn new(stream: &str, client: &[u8], on_device: bool) -> Result<Replica> {
        let (stream, client) = (StreamName::new(stream)?, ClientId(bits(client)?));
        let restoring = on_device.then(|| Restoring::new(stream.clone(), client, Start::Played));
        Ok(Replica { replica: CoreReplica::new(stream, client, Start::Played, Keeping::Memory), restoring })
    }

    /// Takes one part of a stored record.
    ///
    /// # Errors
    /// Where it cannot be read: it is damaged, or of a newer version. Leave the store as it is, then.
    pub fn restore(&mut self, part: &[u8]) -> Result<()> {
        let restoring = self.restoring.as_mut().ok_or(JsError::new("the replica is restored already"))?;
        for row in cbor::decode_record(part)? {
            restoring.row(&row)?;
        }
        Ok(())
    }

    /// All records were read.
    pub fn restored(&mut self) {
        if let Some(restoring) = self.restoring.take() {
            self.replica = restoring.done();
        }
    }

    /// There is a connection, and the stream is spoken of as `channel` there.
    pub fn connected(&mut self, channel: u32) {
        self.replica.connected(Channel(channel));
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.replica.disconnected();
    }

    /// Takes a frame of this stream's channel.
    ///
    /// # Errors
    /// Where the bytes are no frame.
    pub fn receive(&mut self, frame: &[u8], now: f64, random: &[u8]) -> Result<()> {
        let moment = Moment { now: millis(now), random: bits(random)? };
        self.replica.receive(moment, cbor::decode_server_frame(frame)?);
        Ok(())
    }

    /// The next frame to send.
    pub fn poll_frame(&mut self, now: f64) -> Option<Vec<u8>> {
        self.replica.poll_frame(millis(now)).map(|frame| cbor::encode_client_frame(&frame))
    }

    /// When to ask for a frame again though nothing else happened.
    pub fn poll_timeout(&self) -> Option<f64> {
        self.replica.poll_timeout().map(|at| at.0 as f64)
    }

    /// The next record to store: `{number, whole, urgent, parts}`. One is on its way at a time, unless they are to be
    /// flushed. `whole`: it takes the place of all earlier ones. `urgent`: it carries edits.
    pub fn poll_record(&mut self, flush: bool) -> Option<Vec<u8>> {
        let batch = if flush { self.replica.flush_store() } else { self.replica.poll_store() };
        batch.map(|batch| store_record(&batch))
    }

    /// A record is durable.
    pub fn stored(&mut self, number: f64) {
        self.replica.stored(number as u64);
    }

    /// A record could not be stored. All there is will be given again.
    pub fn not_stored(&mut self, number: f64) {
        self.replica.not_stored(number as u64);
    }

    /// The next record is to be all there is, in place of the earlier ones.
    pub fn store_whole(&mut self) {
        self.replica.store_whole();
    }

    /// Takes an edit of another tab, once however often it comes.
    ///
    /// # Errors
    /// Where the bytes are none, or of another version.
    pub fn take(&mut self, tab: &[u8], commit: &[u8]) -> Result<()> {
        self.replica.take(TabId(bits(tab)?), Commit::decode(commit)?);
        Ok(())
    }

    /// Takes the edits of this tab's own mirror.
    ///
    /// # Errors
    /// Where the tab's id does not have 16 bytes.
    pub fn take_from(&mut self, tab: &[u8], mirror: &mut Mirror) -> Result<()> {
        let tab = TabId(bits(tab)?);
        while let Some(commit) = mirror.0.poll_commit() {
            self.replica.take(tab, commit.clone());
        }
        Ok(())
    }

    /// The whole view in pages, for mirrors of other tabs that begin.
    pub fn view(&mut self) -> Vec<Uint8Array> {
        let pages = self.shown().whole_view();
        pages.iter().map(|page| Uint8Array::from(page.encode().as_slice())).collect()
    }

    /// The whole view, for this tab's own mirror that begins.
    pub fn view_to(&mut self, mirror: &mut Mirror) {
        self.shown().whole_view().into_iter().for_each(|page| mirror.0.hear(page));
    }

    /// What changed since this or `changes_to` was last asked, for the mirrors of other tabs.
    pub fn changes(&mut self) -> Option<Vec<u8>> {
        self.shown().view_change().map(|change| change.encode())
    }

    /// Tells this tab's own mirror what changed. Answers the same for the others where there are `others`, empty bytes
    /// where there are none, and nothing where nothing changed.
    pub fn changes_to(&mut self, mirror: &mut Mirror, others: bool) -> Option<Vec<u8>> {
        let change = self.shown().view_change()?;
        let encoded = if others { change.encode() } else { Vec::new() };
        mirror.0.hear(change);
        Some(encoded)
    }

    /// How the replica stands: `{open, played, head, behind, pending, oldestPending?, parked, stored, agreedSeq?,
    /// agreedAt?, diverged, caughtUp, client}`.
    pub fn status(&self) -> Vec<u8> {
        let Status { open, played, head, behind, pending, oldest_pending, parked, stored, agreed, diverged } =
            self.replica.status();
        record([
            ("open", open.into()),
            ("played", number(played.0)),
            ("head", number(head.0)),
            ("behind", number(behind)),
            ("pending", number(pending as u64)),
            ("oldestPending", oldest_pending.map_or(Value::Null, |at| number(at.0))),
            ("parked", number(parked as u64)),
            ("stored", stored.into()),
            ("agreedSeq", agreed.map_or(Value::Null, |(seq, _)| number(seq.0))),
            ("agreedAt", agreed.map_or(Value::Null, |(_, at)| number(at.0))),
            ("diverged", number(diverged)),
            ("caughtUp", self.replica.is_caught_up().into()),
            ("client", self.replica.client().to_string().into()),
        ])
    }

    /// The digest over the confirmed objects, 32 hexadecimal digits.
    pub fn digest(&mut self) -> String {
        self.replica.digest().to_string()
    }

    /// The edits that were refused: `[[edit, at, refusal, ops], …]`.
    pub fn parked(&self) -> Vec<u8> {
        cbor::encode_parked(self.replica.parked())
    }

    /// Makes a refused edit again, on what is shown now. `false`: there is no such edit.
    ///
    /// # Errors
    /// Where the edit does not fit what is shown now.
    pub fn retry(&mut self, edit: f64, now: f64) -> Result<bool> {
        match self.replica.retry(millis(now), EditId(edit as u64)) {
            Some(again) => Ok(again.map(|_| true)?),
            None => Ok(false),
        }
    }

    /// Drops a refused edit for good. `false`: there is no such edit.
    pub fn discard(&mut self, edit: f64) -> bool {
        self.replica.discard(EditId(edit as u64)).is_some()
    }

    /// The next notice: `{kind, edit?, seq?, lost?, code?, reason?}`.
    pub fn poll_notice(&mut self) -> Option<Vec<u8>> {
        self.replica.poll_notice().map(notice)
    }

    /// What is shown so far, while records are still being read.
    fn shown(&mut self) -> &mut CoreReplica {
        match &mut self.restoring {
            Some(restoring) => restoring.so_far(),
            None => &mut self.replica,
        }
    }
}

fn store_record(batch: &StoreBatch) -> Vec<u8> {
    let urgent = batch.rows.iter().any(|row| matches!(row.table, Table::Outbox | Table::Parked));
    let parts = cbor::encode_record(batch).into_iter().map(|part| Value::Bytes(part.into()));
    record([
        ("number", number(batch.number)),
        ("whole", batch.whole.into()),
        ("urgent", urgent.into()),
        ("parts", Value::List(parts.collect())),
    ])
}

fn notice(notice: Notice) -> Vec<u8> {
    match notice {
        Notice::Recorded { edit, seq, lost } => record([
            ("kind", "recorded".into()),
            ("edit", number(edit.0)),
            ("seq", number(seq.0)),
            ("lost", number(lost.len() as u64)),
        ]),
        Notice::Refused { edit, refusal } => record([
            ("kind", "refused".into()),
            ("edit", number(edit.0)),
            ("code", refusal.code.code().into()),
            ("reason", refusal.reason.into()),
        ]),
        Notice::NewIdentity(client) => record([("kind", "new_identity".into()), ("client", client.to_string().into())]),
        Notice::StartedOver(reason) => record([("kind", "started_over".into()), ("reason", reason.code().into())]),
        Notice::Diverged { seq } => record([("kind", "diverged".into()), ("seq", number(seq.0))]),
    }
}
