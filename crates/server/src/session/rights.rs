//! Who a session speaks for: verified when it says hello, looked at again when that is over or something has changed, and
//! verified anew when the client says hello again.
//!
//! Where it is good no more, the session ends, and the client keeps what it has pending.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use tapeline_authority::Reading;
use tapeline_core::frame::{ErrorCode, Hello};
use tapeline_core::numbers::{Channel, Millis};
use tapeline_log::{EventLog, StateStore};
use tokio::time::{Sleep, sleep};

use super::channels::Phase;
use super::{Session, close_code};
use crate::auth::{AuthError, Verified};
use crate::callers::Counted;
use crate::guests::TooMany;
use crate::limits;

/// Who a session speaks for, and when it is to be looked at again.
pub(super) struct Grant {
    verified: Verified,
    over: Option<Pin<Box<Sleep>>>,
    /// What the caller may do, where that is counted.
    counted: Option<Counted>,
}

impl Grant {
    fn new(verified: Verified) -> Self {
        let left = verified.expires.map(|expires| expires.duration_since(SystemTime::now()).unwrap_or_default());
        // The clock that says so is looked at again then, and may be a little behind the timer.
        let look_in = left.map(|left| left.max(limits::LOOK_AGAIN_IN));
        Self { verified, over: look_in.map(|left| Box::pin(sleep(left))), counted: None }
    }

    /// How long it is good for.
    fn left(&self) -> Option<Millis> {
        let left = self.verified.expires?.duration_since(SystemTime::now()).unwrap_or_default();
        Some(Millis(left.as_millis() as u64))
    }
}

impl<L: EventLog, S: StateStore> Session<L, S> {
    /// Finds out who the client speaks for. Answers for how long.
    pub(super) fn introduce(&mut self, hello: &Hello) -> Result<Option<Millis>, AuthError> {
        let Some(verified) = self.shared.verify(hello.token.as_deref())? else { return Ok(None) };
        let is_other = self.greeted && verified.caller.subject != self.caller.subject;
        if is_other {
            return Err(AuthError::OtherSubject);
        }
        self.caller = Arc::new(verified.caller.clone());
        let mut grant = Grant::new(verified);
        let left = grant.left();
        grant.counted = self.grant.take().and_then(|grant| grant.counted);
        self.grant = Some(Box::new(grant));
        self.read_anew();
        Ok(left)
    }

    /// Counts the session as one of its caller, unless they have too many.
    pub(super) fn be_counted(&mut self) -> Result<(), TooMany> {
        match &mut self.grant {
            // One that shows a newer token is counted already.
            Some(grant) if grant.counted.is_none() => grant.counted = self.shared.callers.let_in(&self.caller)?,
            _ => {}
        }
        Ok(())
    }

    /// Whether more may be read of what the caller sends.
    pub(super) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.grant.as_mut().and_then(|grant| grant.counted.as_mut()) {
            Some(counted) => counted.poll_pause(cx),
            None => Poll::Ready(()),
        }
    }

    /// Bytes came.
    pub(super) fn count_bytes(&self, bytes: usize) {
        let counted = self.grant.as_ref().and_then(|grant| grant.counted.as_ref());
        counted.into_iter().for_each(|counted| counted.count_bytes(bytes));
    }

    /// Whether what the client showed is over by itself.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.grant.as_mut().and_then(|grant| grant.over.as_mut()) {
            Some(over) => over.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Ends the session where what the client showed is good no more.
    pub(super) fn look_at_grant(&mut self) {
        let Some(grant) = &mut self.grant else { return };
        match self.shared.check(&grant.verified) {
            Ok(()) => grant.over = Grant::new(grant.verified.clone()).over,
            Err(error) => self.is_unauthorized(&error),
        }
    }

    /// What may be read may have changed: streams of which that is so are opened again.
    fn read_anew(&mut self) {
        let (authority, caller) = (&self.shared.authority, &self.caller);
        let has_changed = |reading: &Reading, stream: &_| *reading != authority.reading(stream, caller);
        let changed = self.channels.iter().filter(|(_, open)| has_changed(&open.reading, open.tape.stream()));
        let changed: Vec<Channel> = changed.map(|(channel, _)| *channel).collect();
        for channel in changed {
            // Every open is answered once: one that is waited for is to be sent again.
            let is_waited_for = self.channels.get(&channel).is_some_and(|open| matches!(open.phase, Phase::Opening(_)));
            let code = if is_waited_for { ErrorCode::Later } else { ErrorCode::NotOpen };
            self.close_channel(channel);
            self.say_error(Some(channel), code, "what may be read has changed: open the stream again", None);
        }
    }

    /// Ends the session: what the client showed is not good.
    pub(super) fn is_unauthorized(&mut self, error: &AuthError) {
        let message = error.to_string();
        self.say_error(None, ErrorCode::Unauthorized, message.as_str(), None);
        self.say_goodbye(close_code::POLICY, message);
    }
}
