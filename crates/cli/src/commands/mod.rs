//! The commands, one file each.

mod accounts;
mod auth;
pub mod cluster;
pub mod compact;
pub mod demo;
pub mod diff;
pub mod edit;
pub mod key;
pub mod migrate;
pub mod objects;
pub mod part;
pub mod rules;
pub mod schema;
mod seeds;
pub mod serve;
pub mod stats;
pub mod streams;
pub mod tail;
pub mod token;
mod valid;
pub mod verify;
