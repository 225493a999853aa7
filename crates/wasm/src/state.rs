//! What JavaScript holds handles of, and the two buffers between the two sides.

use std::cell::RefCell;
use std::fmt::Display;

use tapeline_core::link::Link;
use tapeline_core::mirror::Mirror;

use crate::replica::Replica;
use crate::{FAILED, NOTHING};

/// Everything on this side. A browser's module has one thread.
#[derive(Default)]
pub(crate) struct State {
    input: Vec<u8>,
    output: Vec<u8>,
    pub(crate) replicas: Handles<Replica>,
    pub(crate) mirrors: Handles<Mirror>,
    pub(crate) links: Handles<Link>,
    /// Pages of a view that JavaScript has yet to take.
    pub(crate) pages: Vec<Vec<u8>>,
}

/// Things by handle. A handle that was given back is given out again.
pub(crate) struct Handles<T>(Vec<Option<T>>);

/// What a function answers.
pub(crate) enum Answer {
    Nothing,
    Number(i32),
    Bytes(Vec<u8>),
}

/// The words of an error.
pub(crate) struct Words(String);

pub(crate) type Answered = Result<Answer, Words>;

impl<E: Display> From<E> for Words {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Handles<T> {
    pub(crate) fn add(&mut self, thing: T) -> Answer {
        let place = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        if place == self.0.len() {
            self.0.push(None);
        }
        self.0[place] = Some(thing);
        Answer::Number(place as i32)
    }

    /// What a handle stands for.
    pub(crate) fn get(&mut self, handle: u32) -> Result<&mut T, Words> {
        let thing = self.0.get_mut(handle as usize).and_then(Option::as_mut);
        thing.ok_or_else(|| "it was closed".into())
    }

    pub(crate) fn free(&mut self, handle: u32) {
        if let Some(thing) = self.0.get_mut(handle as usize) {
            *thing = None;
        }
    }
}

impl From<Option<Vec<u8>>> for Answer {
    fn from(bytes: Option<Vec<u8>>) -> Self {
        bytes.map_or(Self::Nothing, Self::Bytes)
    }
}

impl From<bool> for Answer {
    fn from(truth: bool) -> Self {
        Self::Number(truth.into())
    }
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Runs a function on the first `bytes` of the input and hands its answer over.
///
/// Not generic, and neither are its callers: dozens of exported functions would each carry a copy.
pub(crate) fn answer(bytes: usize, run: &mut dyn FnMut(&mut State, &[u8]) -> Answered) -> i32 {
    with(|state| {
        let input = std::mem::take(&mut state.input);
        let answered = run(state, input.get(..bytes).unwrap_or_default());
        state.input = input;
        match answered {
            Ok(Answer::Nothing) => NOTHING,
            Ok(Answer::Number(number)) => number,
            Ok(Answer::Bytes(bytes)) => state.put_out(bytes),
            Err(Words(words)) => {
                state.put_out(words.into_bytes());
                FAILED
            }
        }
    })
}

/// Runs a function that answers by itself.
pub(crate) fn with<T>(run: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(run)
}

impl State {
    fn put_out(&mut self, bytes: Vec<u8>) -> i32 {
        self.output = bytes;
        self.output.len() as i32
    }
}

/// Makes room for so many bytes of input, and answers where.
#[unsafe(no_mangle)]
extern "C" fn input(bytes: usize) -> *mut u8 {
    with(|state| {
        if state.input.len() < bytes {
            state.input.resize(bytes, 0);
        }
        state.input.as_mut_ptr()
    })
}

/// Where the output is.
#[unsafe(no_mangle)]
extern "C" fn output() -> *const u8 {
    with(|state| state.output.as_ptr())
}

/// How many bytes of output there are, where an error's words are there.
#[unsafe(no_mangle)]
extern "C" fn output_bytes() -> usize {
    with(|state| state.output.len())
}

/// 16 bytes at the front of the input, and the rest.
pub(crate) fn split_bits(input: &[u8]) -> Result<(u128, &[u8]), Words> {
    let (bits, rest) = input.split_first_chunk().ok_or("an id has 16 bytes")?;
    Ok((u128::from_be_bytes(*bits), rest))
}

pub(crate) fn text(input: &[u8]) -> Result<&str, Words> {
    Ok(std::str::from_utf8(input)?)
}
