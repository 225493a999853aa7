//! The replica of one stream, in the tab that leads.

use tapeline_core::codec::cbor;
use tapeline_core::frame::Progress;
use tapeline_core::mirror::{Commit, ViewChange};
use tapeline_core::name::{Collection, StreamName};
use tapeline_core::numbers::{Channel, ClientId, EditId, PeerId, QueryNumber, TabId};
use tapeline_core::replica::{
    Keeping, Moment, Ran, Replica as CoreReplica, Restoring, Start, Status, StoreBatch, SubscribeError, Table,
};
use tapeline_core::value::{Entries, Value};

use crate::checks::by_page;
use crate::state::{Answer, Answered, answer, split_bits, text, with};
use crate::{millis, number, row_after};

/// A replica, perhaps one that is still being read from the device.
pub(crate) struct Replica {
    replica: CoreReplica,
    restoring: Option<Restoring>,
}

/// A replica of a stream. Input: 16 random bytes for a client id, used where nothing is stored, then the stream's name.
/// One that is kept on the device is restored first: all records in the order they were written, then
/// `replica_restored`.
#[unsafe(no_mangle)]
extern "C" fn replica_new(bytes: usize, on_device: bool) -> i32 {
    answer(bytes, &mut |state, input| {
        let (client, stream) = split_bits(input)?;
        let (stream, client) = (StreamName::new(text(stream)?)?, ClientId(client));
        let restoring = on_device.then(|| Restoring::new(stream.clone(), client, Start::Played));
        let replica = CoreReplica::new(stream, client, Start::Played, Keeping::Memory);
        Ok(state.replicas.add(Replica { replica, restoring }))
    })
}

/// It is not needed any more.
#[unsafe(no_mangle)]
extern "C" fn replica_free(replica: u32) {
    with(|state| state.replicas.free(replica));
}

/// Takes one part of a stored record. Fails where it is damaged, or of a newer version: leave the store as it is, then.
#[unsafe(no_mangle)]
extern "C" fn replica_restore(replica: u32, bytes: usize) -> i32 {
    on(replica, bytes, &mut |replica, part| {
        let restoring = replica.restoring.as_mut().ok_or("the replica is restored already")?;
        for row in cbor::decode_record(part)? {
            restoring.row(row)?;
        }
        Ok(Answer::Nothing)
    })
}

/// All records were read. `by`: the number of the checks that the page has for commands that are run again, or 0.
#[unsafe(no_mangle)]
extern "C" fn replica_restored(replica: u32, by: u32) -> i32 {
    on(replica, 0, &mut |replica, _| {
        if let Some(restoring) = replica.restoring.take() {
            replica.replica = restoring.done();
        }
        let checks = by_page(by, replica.replica.stream().as_str());
        replica.replica.check_by(checks);
        Ok(Answer::Nothing)
    })
}

/// Holds only what its queries find, where it holds nothing yet, or, not `part`, all of the stream.
#[unsafe(no_mangle)]
extern "C" fn replica_hold(replica: u32, part: bool) -> i32 {
    does(replica, &mut |replica| match part {
        true => {
            replica.hold_part();
        }
        false => replica.hold_all(),
    })
}

/// Wants the result of a query. Answers its number; 0 where all of the stream is held.
#[unsafe(no_mangle)]
extern "C" fn replica_subscribe(replica: u32, bytes: usize) -> i32 {
    on(replica, bytes, &mut |replica, query| match replica.replica.subscribe(&cbor::decode_value(query)?) {
        Err(SubscribeError::Whole) => Ok(Answer::Number(0)),
        number => Ok(Answer::Number(number?.0 as i32)),
    })
}

/// Wants so many objects of a window.
#[unsafe(no_mangle)]
extern "C" fn replica_want_more(replica: u32, query: u32, limit: u32) -> i32 {
    does(replica, &mut |replica| {
        replica.want_more(QueryNumber(query), limit as usize);
    })
}

/// Lets go of a query.
#[unsafe(no_mangle)]
extern "C" fn replica_unsubscribe(replica: u32, query: u32) -> i32 {
    does(replica, &mut |replica| replica.unsubscribe(QueryNumber(query)))
}

/// Whether all that a query finds is held.
#[unsafe(no_mangle)]
extern "C" fn replica_is_ready(replica: u32, query: u32) -> i32 {
    on(replica, 0, &mut |replica, _| Ok(replica.replica.is_ready(QueryNumber(query)).into()))
}

/// There is a connection, and the stream is spoken of as `channel` there.
#[unsafe(no_mangle)]
extern "C" fn replica_connected(replica: u32, channel: u32) -> i32 {
    does(replica, &mut |replica| replica.connected(Channel(channel)))
}

/// The connection is gone.
#[unsafe(no_mangle)]
extern "C" fn replica_disconnected(replica: u32) -> i32 {
    does(replica, &mut CoreReplica::disconnected)
}

/// Takes a frame of this stream's channel. Input: 16 random bytes, then the frame.
#[unsafe(no_mangle)]
extern "C" fn replica_receive(replica: u32, bytes: usize, now: f64) -> i32 {
    on(replica, bytes, &mut |replica, input| {
        let (random, frame) = split_bits(input)?;
        replica.replica.receive(Moment { now: millis(now), random }, cbor::decode_server_frame(frame)?);
        Ok(Answer::Nothing)
    })
}

/// The next frame to send.
#[unsafe(no_mangle)]
extern "C" fn replica_poll_frame(replica: u32, now: f64) -> i32 {
    gives(replica, &mut |replica| replica.poll_frame(millis(now)).map(|frame| cbor::encode_client_frame(&frame)))
}

/// When to ask for a frame again though nothing else happened; -1: not at all.
#[unsafe(no_mangle)]
extern "C" fn replica_poll_timeout(replica: u32) -> f64 {
    let timeout = with(|state| state.replicas.get(replica).ok()?.replica.poll_timeout());
    timeout.map_or(-1.0, |at| at.0 as f64)
}

/// The next record to store: `{number, whole, urgent, parts}`. One is on its way at a time, unless they are to be
/// flushed. `whole`: it takes the place of all earlier ones. `urgent`: it carries edits.
#[unsafe(no_mangle)]
extern "C" fn replica_poll_record(replica: u32, flush: bool) -> i32 {
    gives(replica, &mut |replica| {
        let batch = if flush { replica.flush_store() } else { replica.poll_store() };
        batch.map(|batch| store_record(&batch))
    })
}

/// A record is durable, and all before it.
#[unsafe(no_mangle)]
extern "C" fn replica_stored(replica: u32, number: f64) -> i32 {
    does(replica, &mut |replica| replica.stored(number as u64))
}

/// A record could not be stored. All there is will be given again.
#[unsafe(no_mangle)]
extern "C" fn replica_not_stored(replica: u32, number: f64) -> i32 {
    does(replica, &mut |replica| replica.not_stored(number as u64))
}

/// Goes on in memory alone where the device cannot be used, and back to the device when it can.
#[unsafe(no_mangle)]
extern "C" fn replica_keep(replica: u32, on_device: bool) -> i32 {
    does(replica, &mut |replica| replica.keep(if on_device { Keeping::Device } else { Keeping::Memory }))
}

/// The next record is to be all there is, in place of the earlier ones.
#[unsafe(no_mangle)]
extern "C" fn replica_store_whole(replica: u32) -> i32 {
    does(replica, &mut CoreReplica::store_whole)
}

/// Takes an edit of another tab, once however often it comes. Input: the tab's id, then the edit.
#[unsafe(no_mangle)]
extern "C" fn replica_take(replica: u32, bytes: usize) -> i32 {
    on(replica, bytes, &mut |replica, input| {
        let (tab, commit) = split_bits(input)?;
        replica.replica.take(TabId(tab), Commit::decode(commit)?);
        Ok(Answer::Nothing)
    })
}

/// Takes the edits of this tab's own mirror. Input: the tab's id.
#[unsafe(no_mangle)]
extern "C" fn replica_take_from(replica: u32, mirror: u32, bytes: usize) -> i32 {
    answer(bytes, &mut |state, input| {
        let (tab, _) = split_bits(input)?;
        let (replica, mirror) = (state.replicas.get(replica)?, state.mirrors.get(mirror)?);
        while let Some(commit) = mirror.poll_commit() {
            replica.replica.take(TabId(tab), commit.clone());
        }
        Ok(Answer::Nothing)
    })
}

/// Makes pages of the whole view, for mirrors of other tabs that begin: as many as `view_page` will give.
#[unsafe(no_mangle)]
extern "C" fn replica_view(replica: u32) -> i32 {
    answer(0, &mut |state, _| {
        let view = state.replicas.get(replica)?.replica.whole_view();
        state.pages = view.iter().rev().map(|page| page.encode()).collect();
        Ok(Answer::Nothing)
    })
}

/// The next page of the view.
#[unsafe(no_mangle)]
extern "C" fn view_page() -> i32 {
    answer(0, &mut |state, _| Ok(state.pages.pop().into()))
}

/// Gives the whole view to this tab's own mirror that begins.
#[unsafe(no_mangle)]
extern "C" fn replica_view_to(replica: u32, mirror: u32) -> i32 {
    answer(0, &mut |state, _| {
        let (replica, mirror) = (state.replicas.get(replica)?, state.mirrors.get(mirror)?);
        let rest = replica.replica.view_for(mirror);
        mirror.hear(rest);
        Ok(Answer::Nothing)
    })
}

/// What changed since this or `replica_changes_to` was last asked, for the mirrors of other tabs.
#[unsafe(no_mangle)]
extern "C" fn replica_changes(replica: u32) -> i32 {
    on(replica, 0, &mut |replica, _| Ok(replica.view_change().map(|change| change.encode()).into()))
}

/// Tells this tab's own mirror what changed. Answers the same for the others where there are `others`, no bytes where
/// there are none, and nothing where nothing changed.
#[unsafe(no_mangle)]
extern "C" fn replica_changes_to(replica: u32, mirror: u32, others: bool) -> i32 {
    answer(0, &mut |state, _| {
        let (replica, mirror) = (state.replicas.get(replica)?, state.mirrors.get(mirror)?);
        let Some(change) = replica.view_change() else { return Ok(Answer::Nothing) };
        let encoded = if others { change.encode() } else { Vec::new() };
        mirror.hear(change);
        Ok(Answer::Bytes(encoded))
    })
}

/// A peer says something of itself. Input: its id, 8 bytes, then a value; null: it goes.
#[unsafe(no_mangle)]
extern "C" fn replica_present(replica: u32, bytes: usize) -> i32 {
    on(replica, bytes, &mut |replica, input| {
        let (peer, state) = input.split_first_chunk().ok_or("a peer's id has 8 bytes")?;
        let state = Some(cbor::decode_value(state)?).filter(|state| *state != Value::Null);
        replica.replica.present(PeerId(u64::from_be_bytes(*peer)), state)?;
        Ok(Answer::Nothing)
    })
}

/// Hears of others from now on.
#[unsafe(no_mangle)]
extern "C" fn replica_watch_peers(replica: u32) -> i32 {
    does(replica, &mut CoreReplica::watch_peers)
}

/// Everybody who is present, `{id: state}`, ids as 16 hexadecimal digits, where that has changed since this was last
/// asked.
#[unsafe(no_mangle)]
extern "C" fn replica_poll_peers(replica: u32) -> i32 {
    gives(replica, &mut |replica| replica.take_peers_changed().then(|| peers(replica)))
}

/// How the replica stands: `{open, denied?, outdated, played, head, behind, pending, oldestPending?, parked, drafts, stored, agreedSeq?,
/// agreedAt?, diverged, caughtUp, client, filling?}`, where `filling` is `[objects, of, bytes]`.
#[unsafe(no_mangle)]
extern "C" fn replica_status(replica: u32) -> i32 {
    gives(replica, &mut |replica| Some(status(replica)))
}

/// The digest over the confirmed objects, 32 hexadecimal digits.
#[unsafe(no_mangle)]
extern "C" fn replica_digest(replica: u32) -> i32 {
    gives(replica, &mut |replica| Some(replica.digest().to_string().into_bytes()))
}

/// The edits that were refused: `[[edit, at, refusal, ops], …]`.
#[unsafe(no_mangle)]
extern "C" fn replica_parked(replica: u32) -> i32 {
    gives(replica, &mut |replica| Some(cbor::encode_parked(replica.parked())))
}

/// Drops a refused edit for good: 0 where there is no such edit. To make it again, edit a mirror with its ops first.
#[unsafe(no_mangle)]
extern "C" fn replica_discard(replica: u32, edit: f64) -> i32 {
    on(replica, 0, &mut |replica, _| Ok(replica.replica.discard(EditId(edit as u64)).is_some().into()))
}

/// The next notice: `notice` of `codec::cbor::local`.
#[unsafe(no_mangle)]
extern "C" fn replica_poll_notice(replica: u32) -> i32 {
    gives(replica, &mut |replica| replica.poll_notice().map(|notice| cbor::encode_notice(&notice)))
}

/// The next command to be run again: `[edit, name, args, at, seed]`. One at a time: say what came of it.
#[unsafe(no_mangle)]
extern "C" fn replica_poll_run(replica: u32) -> i32 {
    gives(replica, &mut |replica| replica.poll_run().map(|run| cbor::encode_run(&run)))
}

/// An object, as a row, as it is shown without a pending edit and those after it, and as ops would leave that. Input:
/// `[collection, id]`, then, after `key` bytes of it, the ops.
#[unsafe(no_mangle)]
extern "C" fn replica_get_before(replica: u32, edit: f64, key: usize, bytes: usize) -> i32 {
    on(replica, bytes, &mut |replica, input| {
        row_after(input, key, &|key| replica.replica.get_before(EditId(edit as u64), key))
    })
}

/// All objects of a collection, as rows, as they are shown without a pending edit and those after it. Input: its name.
#[unsafe(no_mangle)]
extern "C" fn replica_all_before(replica: u32, edit: f64, bytes: usize) -> i32 {
    on(replica, bytes, &mut |replica, collection| {
        let collection = Collection::new(text(collection)?)?;
        Ok(Answer::Bytes(cbor::encode_rows(&replica.replica.collection_before(EditId(edit as u64), &collection))))
    })
}

/// A command was run again. Input, by `outcome`: 0, `ran` of `codec::cbor::local`; 1, why it refuses; 2, how it broke;
/// 3, nothing: nobody here knows it.
#[unsafe(no_mangle)]
extern "C" fn replica_ran(replica: u32, edit: f64, outcome: u32, bytes: usize) -> i32 {
    on(replica, bytes, &mut |replica, input| {
        let ran = match outcome {
            0 => {
                let (ops, reads) = cbor::decode_ran(input)?;
                Ran::Ops(ops, reads)
            }
            1 => Ran::Failed(text(input)?.into()),
            2 => Ran::Bug(text(input)?.into()),
            _ => Ran::Unknown,
        };
        replica.replica.ran(EditId(edit as u64), ran);
        Ok(Answer::Nothing)
    })
}

impl Replica {
    /// What changed since this was last asked; while records are still being read, what was read so far.
    fn view_change(&mut self) -> Option<ViewChange> {
        match &mut self.restoring {
            Some(restoring) => restoring.view_change(),
            None => self.replica.view_change(),
        }
    }
}

fn on(replica: u32, bytes: usize, run: &mut dyn FnMut(&mut Replica, &[u8]) -> Answered) -> i32 {
    answer(bytes, &mut |state, input| run(state.replicas.get(replica)?, input))
}

fn does(replica: u32, run: &mut dyn FnMut(&mut CoreReplica)) -> i32 {
    on(replica, 0, &mut |replica, _| {
        run(&mut replica.replica);
        Ok(Answer::Nothing)
    })
}

fn gives(replica: u32, run: &mut dyn FnMut(&mut CoreReplica) -> Option<Vec<u8>>) -> i32 {
    on(replica, 0, &mut |replica, _| Ok(run(&mut replica.replica).into()))
}

fn peers(replica: &CoreReplica) -> Vec<u8> {
    let peers = replica.peers().map(|(peer, state)| (format!("{:016x}", peer.0).into(), state.clone()));
    let peers = Entries::new(peers.collect()).map(Value::Map);
    cbor::encode_value(&peers.unwrap_or(Value::Null))
}

fn status(replica: &CoreReplica) -> Vec<u8> {
    let Status {
        open,
        denied,
        outdated,
        played,
        head,
        behind,
        pending,
        oldest_pending,
        parked,
        drafts,
        stored,
        agreed,
        diverged,
        ..
    } = replica.status();
    cbor::encode_named(&[
        ("open", open.into()),
        ("denied", denied.map_or(Value::Null, Value::text)),
        ("outdated", outdated.into()),
        ("played", number(played.0)),
        ("head", number(head.0)),
        ("behind", number(behind)),
        ("pending", number(pending as u64)),
        ("oldestPending", oldest_pending.map_or(Value::Null, |at| number(at.0))),
        ("parked", number(parked as u64)),
        ("drafts", number(drafts as u64)),
        ("stored", stored.into()),
        ("agreedSeq", agreed.map_or(Value::Null, |(seq, _)| number(seq.0))),
        ("agreedAt", agreed.map_or(Value::Null, |(_, at)| number(at.0))),
        ("diverged", number(diverged)),
        ("caughtUp", replica.is_caught_up().into()),
        ("client", replica.client().to_string().into()),
        ("filling", replica.filling().map_or(Value::Null, filling)),
    ])
}

fn filling(Progress { objects, of, bytes }: Progress) -> Value {
    Value::List([objects, of, bytes].map(number).into())
}

fn store_record(batch: &StoreBatch) -> Vec<u8> {
    let urgent = batch.rows.iter().any(|row| matches!(row.table, Table::Outbox | Table::Parked | Table::Drafts));
    let parts = cbor::encode_record(batch).into_iter().map(|part| Value::Bytes(part.into()));
    cbor::encode_named(&[
        ("number", number(batch.number)),
        ("whole", batch.whole.into()),
        ("urgent", urgent.into()),
        ("parts", Value::List(parts.collect())),
    ])
}
