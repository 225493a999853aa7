//! A tab's copy of the view: read and edited at once.

use tapeline_core::codec::cbor;
use tapeline_core::mirror::{Mirror, ViewChange};
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::{EditId, TabId};
use tapeline_core::query::Query;
use tapeline_core::replica::NewEdit;
use tapeline_core::undo::Direction;

use crate::checks::by_page;
use crate::state::{Answer, Answered, Words, answer, split_bits, text, with};
use crate::{millis, read_key, row_after};

/// An empty mirror. Input: the tab's id, then the stream's name. `by`: the number of the checks that the page has for edits, or 0.
#[unsafe(no_mangle)]
extern "C" fn mirror_new(bytes: usize, by: u32) -> i32 {
    answer(bytes, &mut |state, input| {
        let (tab, stream) = split_bits(input)?;
        let checks = by_page(by, text(stream)?);
        let mut mirror = Mirror::new(TabId(tab));
        mirror.check_by(checks);
        Ok(state.mirrors.add(mirror))
    })
}

/// It is not needed any more.
#[unsafe(no_mangle)]
extern "C" fn mirror_free(mirror: u32) {
    with(|state| state.mirrors.free(mirror));
}

/// Makes an edit of the ops in the input: all of them, or none. It shows at once. `draft`: what it inserts stays on the
/// device.
#[unsafe(no_mangle)]
extern "C" fn mirror_edit(mirror: u32, bytes: usize, now: f64, draft: bool) -> i32 {
    on(mirror, bytes, &mut |mirror, ops| {
        let ops = mirror.read_ops(ops)?;
        let drafts = if draft { ops.len() } else { 0 };
        mirror.edit(millis(now), NewEdit { drafts, ..NewEdit::from(ops) })?;
        Ok(Answer::Nothing)
    })
}

/// Makes an edit with what it depends on, or that a command made. Input: `edit` of `codec::cbor::local`.
#[unsafe(no_mangle)]
extern "C" fn mirror_edit_with(mirror: u32, bytes: usize, now: f64) -> i32 {
    on(mirror, bytes, &mut |mirror, edit| {
        mirror.edit(millis(now), cbor::decode_new_edit(edit)?)?;
        Ok(Answer::Nothing)
    })
}

/// A draft becomes an object like others. Input: `[collection, id]`.
#[unsafe(no_mangle)]
extern "C" fn mirror_publish(mirror: u32, bytes: usize, now: f64) -> i32 {
    on(mirror, bytes, &mut |mirror, key| {
        mirror.publish(millis(now), &read_key(key)?)?;
        Ok(Answer::Nothing)
    })
}

/// Takes this tab's last edit back, or makes it again: 0 where there is nothing to do.
#[unsafe(no_mangle)]
extern "C" fn mirror_step(mirror: u32, now: f64, redo: bool, forced: bool) -> i32 {
    on(mirror, 0, &mut |mirror, _| Ok(mirror.step(millis(now), direction(redo), forced)?.is_some().into()))
}

/// Whether there is a step back, or forth.
#[unsafe(no_mangle)]
extern "C" fn mirror_can_step(mirror: u32, redo: bool) -> i32 {
    on(mirror, 0, &mut |mirror, _| Ok(mirror.history().can(direction(redo)).into()))
}

/// All edits from now on are one step, or no longer.
#[unsafe(no_mangle)]
extern "C" fn mirror_group(mirror: u32, begin: bool) -> i32 {
    on(mirror, 0, &mut |mirror, _| {
        let history = mirror.history();
        if begin {
            history.begin_group()
        } else {
            history.end_group()
        };
        Ok(Answer::Nothing)
    })
}

fn direction(redo: bool) -> Direction {
    if redo { Direction::Redo } else { Direction::Undo }
}

/// The next edit to be sent to the leader of another tab.
#[unsafe(no_mangle)]
extern "C" fn mirror_poll_commit(mirror: u32) -> i32 {
    on(mirror, 0, &mut |mirror, _| Ok(mirror.poll_commit().map(|commit| commit.encode()).into()))
}

/// There is a new leader: what is not known to be on the device goes to it. `elsewhere`: it is not in this tab.
#[unsafe(no_mangle)]
extern "C" fn mirror_send_again(mirror: u32, elsewhere: bool) -> i32 {
    on(mirror, 0, &mut |mirror, _| {
        mirror.send_again(elsewhere);
        Ok(Answer::Nothing)
    })
}

/// Takes a change of the view of another tab's leader.
#[unsafe(no_mangle)]
extern "C" fn mirror_hear(mirror: u32, bytes: usize) -> i32 {
    on(mirror, bytes, &mut |mirror, change| {
        mirror.hear(ViewChange::decode(change)?);
        Ok(Answer::Nothing)
    })
}

/// Whether a whole view was heard.
#[unsafe(no_mangle)]
extern "C" fn mirror_is_complete(mirror: u32) -> i32 {
    on(mirror, 0, &mut |mirror, _| Ok(mirror.is_complete().into()))
}

/// This tab's last edit.
#[unsafe(no_mangle)]
extern "C" fn mirror_last_edit(mirror: u32) -> f64 {
    edit(mirror, Mirror::last_edit)
}

/// The last edit of this tab that the leader has in its outbox.
#[unsafe(no_mangle)]
extern "C" fn mirror_taken_through(mirror: u32) -> f64 {
    edit(mirror, Mirror::taken_through)
}

/// The last edit of this tab that is on the device.
#[unsafe(no_mangle)]
extern "C" fn mirror_stored_through(mirror: u32) -> f64 {
    edit(mirror, Mirror::stored_through)
}

fn edit(mirror: u32, which: fn(&Mirror) -> EditId) -> f64 {
    with(|state| state.mirrors.get(mirror).map_or(0.0, |mirror| which(mirror).0 as f64))
}

/// One object, as a row. Input: the collection, then, after `collection` bytes of it, the id.
#[unsafe(no_mangle)]
extern "C" fn mirror_get(mirror: u32, collection: usize, bytes: usize) -> i32 {
    on(mirror, bytes, &mut |mirror, input| {
        let (collection, id) = input.split_at_checked(collection).ok_or("the input is too short")?;
        let key = Key { collection: Collection::new(text(collection)?)?, id: ObjectId::new(text(id)?)? };
        Ok(mirror.get(&key).map(|object| cbor::encode_row(&key.id, object)).into())
    })
}

/// One object, as a row, as ops would leave it. Input: `[collection, id]`, then, after `key` bytes of it, the ops.
#[unsafe(no_mangle)]
extern "C" fn mirror_get_after(mirror: u32, key: usize, bytes: usize) -> i32 {
    on(mirror, bytes, &mut |mirror, input| row_after(input, key, &|key| mirror.get(key).cloned()))
}

/// The answer to a query now, as rows.
#[unsafe(no_mangle)]
extern "C" fn mirror_find(mirror: u32, bytes: usize) -> i32 {
    on(mirror, bytes, &mut |mirror, query| Ok(Answer::Bytes(cbor::encode_rows(&mirror.find(read_query(query)?)))))
}

/// Keeps the answer to a query up to date, under the number that is answered.
#[unsafe(no_mangle)]
extern "C" fn mirror_watch(mirror: u32, bytes: usize) -> i32 {
    on(mirror, bytes, &mut |mirror, query| Ok(Answer::Number(mirror.watch(read_query(query)?) as i32)))
}

/// No longer does.
#[unsafe(no_mangle)]
extern "C" fn mirror_unwatch(mirror: u32, watch: u32) -> i32 {
    on(mirror, 0, &mut |mirror, _| {
        mirror.unwatch(watch);
        Ok(Answer::Nothing)
    })
}

/// The next query whose answer may have changed.
#[unsafe(no_mangle)]
extern "C" fn mirror_poll_changed(mirror: u32) -> i32 {
    on(mirror, 0, &mut |mirror, _| {
        Ok(mirror.poll_changed().map_or(Answer::Nothing, |watch| Answer::Number(watch as i32)))
    })
}

/// What became of the answer to a query since this was last asked: places taken out, and rows put in.
#[unsafe(no_mangle)]
extern "C" fn mirror_look(mirror: u32, watch: u32) -> i32 {
    on(mirror, 0, &mut |mirror, _| Ok(mirror.look(watch).map(|moved| cbor::encode_moved(&moved)).into()))
}

fn on(mirror: u32, bytes: usize, run: &mut dyn FnMut(&mut Mirror, &[u8]) -> Answered) -> i32 {
    answer(bytes, &mut |state, input| run(state.mirrors.get(mirror)?, input))
}

fn read_query(query: &[u8]) -> Result<Query, Words> {
    Ok(Query::from_value(&cbor::decode_value(query)?)?)
}
