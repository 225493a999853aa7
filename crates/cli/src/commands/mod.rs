//! The commands, one file each.

pub mod compact;
pub mod demo;
pub mod diff;
pub mod edit;
pub mod objects;
pub mod part;
pub mod schema;
mod seeds;
pub mod serve;
pub mod stats;
pub mod streams;
pub mod tail;
pub mod verify;
