//! The pure core of Tapeline: events, objects, sequencing, replicas and frames.
//!
//! Everything that decides is here, and nothing that acts: no I/O, no clock, no randomness, no threads. Time and ids
//! come in as arguments. Server, native client, browser and simulation run this very code.

pub mod batch;
pub mod block;
pub mod codec;
pub mod event;
pub mod frame;
pub mod hash;
pub mod limits;
pub mod link;
pub mod name;
pub mod numbers;
pub mod object;
pub mod objects;
pub mod op;
pub mod ranges;
pub mod replica;
pub mod sequencer;
pub mod state;
pub mod value;
