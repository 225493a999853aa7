//! When to connect, to ask for a sign of life, and to give up. Times are monotonic milliseconds.

use tapeline_core::link::{Link, LinkAction};

use crate::millis;
use crate::state::{Answer, answer, with};

/// No socket yet; the first attempt is due at once.
#[unsafe(no_mangle)]
extern "C" fn link_new(now: f64) -> i32 {
    answer(0, &mut |state, _| Ok(state.links.add(Link::new(millis(now)))))
}

/// What is to be done: -1 connect, -2 send a ping, -3 give the socket up; else nothing before this time.
#[unsafe(no_mangle)]
extern "C" fn link_poll(link: u32, now: f64) -> f64 {
    let action = with(|state| Some(state.links.get(link).ok()?.poll(millis(now))));
    match action {
        Some(LinkAction::Connect) => -1.0,
        Some(LinkAction::Ping) => -2.0,
        Some(LinkAction::Drop) | None => -3.0,
        Some(LinkAction::Wait(until)) => until.0 as f64,
    }
}

fn on(link: u32, run: &mut dyn FnMut(&mut Link)) -> i32 {
    answer(0, &mut |state, _| {
        run(state.links.get(link)?);
        Ok(Answer::Nothing)
    })
}

/// The socket is up.
#[unsafe(no_mangle)]
extern "C" fn link_connected(link: u32, now: f64) -> i32 {
    on(link, &mut |link| link.connected(millis(now)))
}

/// Something came.
#[unsafe(no_mangle)]
extern "C" fn link_heard(link: u32, now: f64) -> i32 {
    on(link, &mut |link| link.heard(millis(now)))
}

/// The socket is gone, or the attempt failed. `random`: from 0 to 1.
#[unsafe(no_mangle)]
extern "C" fn link_lost(link: u32, now: f64, random: f64) -> i32 {
    on(link, &mut |link| link.lost(millis(now), (random * f64::from(u32::MAX)) as u64))
}

/// There is reason to believe that an attempt would succeed now.
#[unsafe(no_mangle)]
extern "C" fn link_nudge(link: u32, now: f64) -> i32 {
    on(link, &mut |link| link.nudge(millis(now)))
}

/// It is not needed any more.
#[unsafe(no_mangle)]
extern "C" fn link_free(link: u32) {
    with(|state| state.links.free(link));
}
