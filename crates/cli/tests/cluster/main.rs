//! Servers whose log is on NATS: several at once, killed, cut off, and with their disks lost.

#[path = "../support/backend.rs"]
mod application;
#[path = "../../../log/tests/support/nats.rs"]
mod nats;
#[path = "../support/mod.rs"]
mod support;
use support::ports;

mod answers;
mod backend;
mod believers;
mod copy;
mod faults;
mod following;
mod front;
mod hot;
mod lost;
mod nodes;
mod presence;
mod quorum;
mod retained;
mod rolling;
mod snapshots;
mod world;
