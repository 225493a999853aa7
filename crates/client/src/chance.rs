//! The two things the core must be given: the time, and chance.

use std::time::{SystemTime, UNIX_EPOCH};

use tapeline_core::name::ObjectId;
use tapeline_core::numbers::Millis;
use tapeline_core::replica::Moment;

/// The wall clock.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since.as_millis() as u64)
}

/// Random bits from the operating system.
pub(crate) fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    u128::from_ne_bytes(bytes)
}

/// The wall clock, and random bits.
pub(crate) fn moment() -> Moment {
    Moment { now: now(), random: random() }
}

/// The id of a new object: a UUID of version 7, so that ids sort roughly by when they were made.
pub(crate) fn object_id() -> ObjectId {
    ObjectId::from_uuid(uuid::Uuid::now_v7().as_u128())
}
