//! What nodes that share a log know of each other, and say to each other.
//!
//! A node is there for as long as its lease is good, which it renews again and again. Who decides on a stream follows from
//! who is there ([`home`]), so leases are as many as nodes, however many streams there are. None of this is needed for
//! what is true: two nodes that both believe that they hold a stream are told apart by the log, as they append.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tapeline_core::name::StreamName;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Names a node, for as long as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// A node whose lease is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The node.
    pub id: NodeId,
    /// Whether it decides on streams.
    pub sequences: bool,
    /// What it says of itself, for people.
    pub says: Bytes,
}

/// What is heard from other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A node says something.
    Message(Bytes),
    /// What was last said to a node did not reach it: it is gone, or cut off.
    Gone(NodeId),
}

/// Hears what other nodes say, from any thread. Must not block.
pub type Ear = Arc<dyn Fn(Said) + Send + Sync>;

/// Says what a node says of itself whenever it renews its lease.
pub type Saying = Arc<dyn Fn() -> Bytes + Send + Sync>;

/// The nodes that share a log.
pub trait Cluster: Send + Sync + 'static {
    /// This node.
    fn me(&self) -> NodeId;

    /// Takes a lease and renews it from now on; hears what others say. `sequences`: whether this node decides on streams.
    fn join(&self, sequences: bool, saying: Saying, ear: Ear);

    /// Gives the lease up at once, so that nobody waits for its end. Others are heard as before.
    fn leave(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// The nodes whose leases are good as far as is known here, sorted.
    fn members(&self) -> Vec<Member>;

    /// Says something to a node, or to all others. It may be lost. Answers whether there was room for it.
    fn say(&self, to: Option<NodeId>, message: Bytes) -> bool;
}

/// Which of some nodes is the home of a stream: each is by chance, the same wherever it is asked, and where one comes or goes
/// only its own streams move. It decides on the stream, unless nodes agree on another one.
pub fn home(nodes: impl Iterator<Item = NodeId>, stream: &StreamName) -> Option<NodeId> {
    nodes.max_by_key(|node| (xxh3_64_with_seed(stream.as_str().as_bytes(), node.0), *node))
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl NodeId {
    /// Reads what `Display` has written.
    pub fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_spread_and_few_move() {
        let stream = |number: usize| StreamName::new(format!("many/{number}")).unwrap();
        let of = |nodes: &[u64], number| home(nodes.iter().map(|&node| NodeId(node)), &stream(number)).unwrap();
        let mut counts = [0; 4];
        for number in 0..4_000 {
            let with_all = of(&[1, 2, 3, 4], number);
            counts[with_all.0 as usize - 1] += 1;
            let without = of(&[4, 1, 3], number);
            assert!(with_all == without || with_all == NodeId(2), "only what the one that went had moves");
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
        assert_eq!(home(std::iter::empty(), &stream(0)), None);
        assert_eq!(NodeId::parse(&NodeId(77).to_string()), Some(NodeId(77)));
    }
}
