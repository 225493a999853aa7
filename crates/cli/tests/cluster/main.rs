//! Servers whose log is on NATS: several at once, killed, cut off, and with their disks lost.

#[path = "../../../log/tests/support/nats.rs"]
mod nats;
#[path = "../support/mod.rs"]
mod support;

mod following;
mod front;
mod lost;
mod world;
