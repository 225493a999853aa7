//! What each caller may do that a token speaks for, from whatever addresses they come.
//!
//! An app's own servers may do everything, and nobody in particular is counted by address alone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tapeline_core::caller::Caller;
use tapeline_core::name::Subject;
use tokio::time::{Sleep, sleep};

use crate::guests::{Guest, Guests, TooMany};
use crate::limits;

/// The callers that have sessions and requests, or had some lately.
#[derive(Debug)]
pub(crate) struct Callers(Arc<Guests<Subject>>);

/// A session or request of a caller.
#[derive(Debug)]
pub(crate) struct Counted {
    guest: Arc<Guest<Subject>>,
    /// Where more was sent than might be.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Default for Callers {
    fn default() -> Self {
        Self(Guests::new(limits::CALLER))
    }
}

impl Callers {
    /// Lets a session or request in, unless its caller has too many. `None`: it is not counted.
    pub(crate) fn let_in(&self, caller: &Caller) -> Result<Option<Counted>, TooMany> {
        match &caller.subject {
            Some(subject) if !caller.is_trusted => {
                let guest = self.0.let_in(subject.clone(), Instant::now())?;
                Ok(Some(Counted { guest, pause: None }))
            }
            _ => Ok(None),
        }
    }
}

impl Counted {
    /// Takes a request, unless there came too many, or too many bytes with them.
    pub(crate) fn take_request(&self) -> Result<(), TooMany> {
        let now = Instant::now();
        match self.guest.wait_for_bytes(now).is_zero() {
            true => self.guest.take_request(now),
            false => Err(TooMany),
        }
    }

    /// Bytes came.
    pub(crate) fn count_bytes(&self, bytes: usize) {
        self.guest.count_bytes(bytes, Instant::now());
    }

    /// Whether more may be read. What is sent too fast is lost nowhere: it waits with whoever sends it.
    pub(crate) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let wait = self.guest.wait_for_bytes(Instant::now());
            if wait.is_zero() {
                return Poll::Ready(());
            }
            self.pause = Some(Box::pin(sleep(wait)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_a_caller_sends_too_fast_waits_and_what_others_send_does_not() {
        let callers = Callers::default();
        let let_in = |name: &str, is_trusted| {
            let subject = Some(Subject::new(name).unwrap());
            callers.let_in(&Caller { subject, is_trusted, ..Caller::default() }).unwrap()
        };
        let (mut ana, mut also_ana) = (let_in("ana", false).unwrap(), let_in("ana", false).unwrap());
        let mut ben = let_in("ben", false).unwrap();
        assert!(let_in("ana", true).is_none() && callers.let_in(&Caller::default()).unwrap().is_none());
        let limit = limits::CALLER.bytes;
        ana.count_bytes(limit.at_once as usize + limit.per_second as usize / 20);
        assert_eq!((ana.take_request(), ben.take_request()), (Err(TooMany), Ok(())));
        std::future::poll_fn(|cx| ben.poll_pause(cx)).await;
        let before = Instant::now();
        std::future::poll_fn(|cx| also_ana.poll_pause(cx)).await;
        assert!(before.elapsed() >= Duration::from_millis(20), "{:?}", before.elapsed());
        std::future::poll_fn(|cx| ana.poll_pause(cx)).await;
        assert_eq!(ana.take_request(), Ok(()));
    }
}
