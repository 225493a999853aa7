//! The pure core of Tapeline: events, objects, sequencing, replicas and frames.
//!
//! Everything that decides is here, and nothing that acts: no I/O, no clock, no randomness, no threads. Time and ids
//! come in as arguments. Server, native client, browser and simulation run this very code.
//!
//! Two replicas and a sequencer that come to agree, without a network or a disk:
//!
//! ```
//! use tapeline_core::caller::Caller;
//! use tapeline_core::event::Sealed;
//! use tapeline_core::frame::{ClientFrame, Events, ServerFrame};
//! use tapeline_core::hash::Chain;
//! use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName};
//! use tapeline_core::numbers::{Channel, ClientId, Incarnation, Millis, Seq};
//! use tapeline_core::op::{Action, FieldMap, Op};
//! use tapeline_core::replica::{Keeping, Moment, Replica, Start};
//! use tapeline_core::sequencer::{Peer, Pushed, Sequencer};
//! use tapeline_core::state::StreamState;
//! use tapeline_core::value::Value;
//!
//! let stream = StreamName::new("lists/home")?;
//! let moment = Moment { now: Millis(0), random: 7 };
//! let replica = |id| Replica::new(stream.clone(), ClientId(id), Start::Played, Keeping::Memory);
//! let mut replicas = [replica(1), replica(2)];
//!
//! // Each makes an edit while it is offline. It shows at once.
//! for (replica, id) in replicas.iter_mut().zip(["t1", "t2"]) {
//!     let key = Key { collection: Collection::new("tasks")?, id: ObjectId::new(id)? };
//!     let fields = FieldMap::new(vec![(FieldName::new("title")?, Value::text("Buy milk"))])?;
//!     replica.edit(Millis(0), vec![Op { key: key.clone(), seen: None, action: Action::Insert(fields) }])?;
//!     assert!(replica.get(&key).is_some());
//! }
//!
//! // They connect. What they say goes to the sequencer; what it decides is made durable; only then are they answered,
//! // and the events played.
//! let mut sequencer = Sequencer::new(StreamState::empty(Incarnation(1)), std::sync::Arc::default(), None);
//! replicas.iter_mut().for_each(|replica| replica.connected(Channel(0)));
//! for _round in 0..3 {
//!     for (session, replica) in replicas.iter_mut().enumerate() {
//!         let peer = Peer { session: session as u64, channel: Channel(0) };
//!         while let Some(frame) = replica.poll_frame(Millis(0)) {
//!             match frame {
//!                 ClientFrame::Open(open) => {
//!                     sequencer.load_client(open.client, None);
//!                     sequencer.open(peer, None, &open, true);
//!                 }
//!                 ClientFrame::Push { events, .. } => {
//!                     for event in events {
//!                         event.body.ops.iter().for_each(|op| sequencer.load_entry(op.key.clone(), None));
//!                         assert_eq!(sequencer.push(peer, &Caller::default(), &Sealed::new(event)), Pushed::Decided);
//!                     }
//!                 }
//!                 _ => {}
//!             }
//!         }
//!     }
//!     let staged = sequencer.stage();
//!     let played = staged.and_then(|staged| sequencer.appended(staged.expected.next()));
//!     for (peer, answer) in sequencer.take_answers() {
//!         replicas[peer.session as usize].receive(moment, answer);
//!     }
//!     for (replica, played) in replicas.iter_mut().flat_map(|replica| Some((replica, played.as_ref()?))) {
//!         let (block, digest) = (played.batch.block.clone(), played.digest);
//!         replica.receive(moment, ServerFrame::Events(Events { channel: Channel(0), head: block.end(), digest, block }));
//!     }
//! }
//!
//! assert!(replicas.iter().all(|replica| replica.pending() == 0 && replica.played() == Seq(2)));
//! assert_eq!(replicas[0].digest(), replicas[1].digest());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod among;
pub mod batch;
pub mod block;
pub mod caller;
pub mod catchup;
pub mod codec;
pub mod difference;
pub mod edit;
pub mod event;
pub mod frame;
pub mod hash;
pub mod holders;
pub mod limits;
pub mod link;
pub mod mirror;
pub mod name;
mod names;
mod numbered;
pub mod numbers;
pub mod object;
pub mod objects;
pub mod op;
pub mod order;
mod part;
pub mod query;
mod queue;
pub mod ranges;
pub mod replica;
pub mod retention;
pub mod schema;
pub mod sequencer;
pub mod shape;
pub mod short_text;
pub mod splice;
pub mod state;
mod tables;
pub mod text;
pub mod undo;
pub mod valid;
pub mod value;
pub mod versions;
pub mod word;
