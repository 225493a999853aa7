//! From a session to the answer that carries it: one part at a time, so that who does not read is noticed.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tapeline_log::LogError;

use crate::lock::lock;

/// The session's end. Dropped, it ends the answer after what was given.
pub(super) struct Pipe(Arc<Mutex<State>>);

/// The answer's end: its body. Dropped, there is nobody to give anything to.
pub(crate) struct Parts(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    part: Option<Bytes>,
    /// Nothing more will be given.
    ended: bool,
    /// Nothing more will be taken.
    gone: bool,
    giver: Option<Waker>,
    taker: Option<Waker>,
}

pub(super) fn new() -> (Pipe, Parts) {
    let state = Arc::<Mutex<State>>::default();
    (Pipe(state.clone()), Parts(state))
}

impl Pipe {
    /// Waits until the last part was taken. Fails where nothing more will be.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0);
        match (&state.part, state.gone) {
            (_, true) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            (None, false) => return Poll::Ready(Ok(())),
            (Some(_), false) => {}
        }
        state.giver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits until nothing more will be taken.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.gone {
            return Poll::Ready(());
        }
        state.giver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Gives the next part, where there is room for one.
    pub(super) fn give(&self, part: Bytes) {
        change(&self.0, |state| state.part = Some(part));
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = LogError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, LogError>>> {
        let mut state = lock(&self.0);
        if let Some(part) = state.part.take() {
            state.giver.take().into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.taker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        change(&self.0, |state| state.ended = true);
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        change(&self.0, |state| state.gone = true);
    }
}

/// Changes something, and has both ends look at it.
fn change(state: &Mutex<State>, change: impl FnOnce(&mut State)) {
    let mut state = lock(state);
    change(&mut state);
    let wakers = [state.giver.take(), state.taker.take()];
    drop(state);
    wakers.into_iter().flatten().for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn one_part_waits_at_a_time() {
        let (pipe, mut parts) = new();
        poll_fn(|cx| pipe.poll_room(cx)).await.unwrap();
        pipe.give("one".into());
        let waits = poll_fn(|cx| Poll::Ready(pipe.poll_room(cx).is_pending())).await;
        assert!(waits);
        assert_eq!(parts.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        poll_fn(|cx| pipe.poll_room(cx)).await.unwrap();
        pipe.give("two".into());
        drop(pipe);
        assert_eq!(parts.frame().await.unwrap().unwrap().into_data().unwrap(), "two");
        assert!(parts.frame().await.is_none());
    }

    #[tokio::test]
    async fn both_ends_notice_when_the_other_is_gone() {
        let (pipe, parts) = new();
        pipe.give("never taken".into());
        tokio::spawn(async move { drop(parts) });
        poll_fn(|cx| pipe.poll_gone(cx)).await;
        assert!(poll_fn(|cx| pipe.poll_room(cx)).await.is_err());
    }
}
