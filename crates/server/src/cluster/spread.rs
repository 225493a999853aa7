//! Which node decides on a hot stream: names are spread evenly, and heat is not.
//!
//! Each stream has a home, which follows from its name. While the busiest node has much more to do than others, one of its
//! hot streams is given to the idlest node: the one that brings both closest together. All nodes see the same loads, so
//! they agree on which one that is, and its home alone gives it, or takes it back. What a home has given ends with its
//! lease.

use std::sync::Mutex;

use rustc_hash::FxHashMap;
use tapeline_core::name::StreamName;
use tapeline_log::cluster::{Member, NodeId, home};

use super::heat::Load;
use super::says::Says;
use crate::limits;
use crate::lock::lock;

/// Which streams are not decided on at home.
#[derive(Default)]
pub(super) struct Spread(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// By this node.
    given: Given,
    /// By all nodes as they last said: by whom, and to whom.
    all: FxHashMap<StreamName, (NodeId, NodeId)>,
}

impl Spread {
    /// Whom a node has given one of its streams.
    pub(super) fn given(&self, by: NodeId, stream: &StreamName) -> Option<NodeId> {
        let table = lock(&self.0);
        table.all.get(stream).filter(|(giver, _)| *giver == by).map(|(_, to)| *to)
    }

    /// Looks at what the nodes say that decide on streams, and, where this is one of them, gives a stream of its own where that
    /// helps. Puts into what this node says what it does and has given.
    pub(super) fn look(&self, me: NodeId, members: &[Member], load: Load, says: &mut Says) {
        says.set_load(&load);
        let (mine, others): (Vec<_>, Vec<_>) =
            members.iter().filter(|member| member.sequences).partition(|member| member.id == me);
        let others: Vec<_> = others.into_iter().map(|member| (member.id, Says::of(member))).collect();
        let mut table = lock(&self.0);
        if !mine.is_empty() {
            let mut nodes = vec![Loaded { id: me, load }];
            nodes.extend(others.iter().map(|(id, says)| Loaded { id: *id, load: says.load() }));
            table.given.look(me, &nodes, |stream| home(nodes.iter().map(|node| node.id), stream));
        }
        says.set_given(table.given.list());
        let mine = table.given.list().map(|(stream, to)| (stream.clone(), (me, to)));
        let theirs = others.iter().flat_map(|(id, says)| says.given().map(|(stream, to)| (stream, (*id, to))));
        table.all = theirs.chain(mine).collect();
    }
}

/// Streams that a home has given to other nodes.
#[derive(Debug, Default)]
struct Given {
    streams: FxHashMap<StreamName, Gift>,
    /// How often loads are still looked at until they are what they are after the last change.
    settling: u32,
}

#[derive(Debug)]
struct Gift {
    to: NodeId,
    /// How often it was not hot there, one time after another.
    cold: u32,
}

/// A node that decides on streams, and what it has to do.
#[derive(Clone, Debug)]
struct Loaded {
    id: NodeId,
    load: Load,
}

impl Given {
    /// Looks at all nodes, of which there is one at least, and gives a stream where that helps. `home` knows the home of each.
    fn look(&mut self, me: NodeId, nodes: &[Loaded], home: impl Fn(&StreamName) -> Option<NodeId>) {
        self.take_back(me, nodes, &home);
        if self.settling > 0 {
            self.settling -= 1;
            return;
        }
        let Some((stream, to)) = next_move(nodes).filter(|(stream, _)| home(stream) == Some(me)) else { return };
        if to == me {
            self.streams.remove(&stream);
        } else if self.streams.len() < limits::GIVEN_STREAMS || self.streams.contains_key(&stream) {
            self.streams.insert(stream, Gift { to, cold: 0 });
        }
        self.settling = limits::HEAT_SETTLES;
    }

    /// What was given to whom.
    fn list(&self) -> impl Iterator<Item = (&StreamName, NodeId)> {
        self.streams.iter().map(|(stream, gift)| (stream, gift.to))
    }

    /// Takes back what is not hot any more, and what is at a node that is gone, or another one's by now.
    fn take_back(&mut self, me: NodeId, nodes: &[Loaded], home: impl Fn(&StreamName) -> Option<NodeId>) {
        self.streams.retain(|stream, gift| {
            let Some(node) = nodes.iter().find(|node| node.id == gift.to) else { return false };
            gift.cold = if node.load.hot.contains_key(stream) { 0 } else { gift.cold + 1 };
            gift.cold < limits::COLD_AFTER && home(stream) == Some(me)
        });
    }
}

/// The stream that is best given away by the node that decides on it, and to whom.
fn next_move(nodes: &[Loaded]) -> Option<(StreamName, NodeId)> {
    let load = |node: &&Loaded| (node.load.events_per_s, node.id);
    let (busiest, idlest) = (nodes.iter().max_by_key(load)?, nodes.iter().min_by_key(load)?);
    let (most, least) = (busiest.load.events_per_s, idlest.load.events_per_s);
    let all: u64 = nodes.iter().map(|node| node.load.events_per_s).sum();
    if most < limits::BUSY_NODE || most * nodes.len() as u64 * 4 <= all * 5 {
        return None;
    }
    let gap = most - least;
    // What would only turn the gap round stays.
    let helps = busiest.load.hot.iter().filter(|(_, rate)| **rate < gap * 9 / 10);
    let (stream, _) = helps.min_by_key(|(stream, rate)| ((gap / 2).abs_diff(**rate), *stream))?;
    Some((stream.clone(), idlest.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Streams with rates on nodes that look at each other, some of them late.
    struct World {
        random: fastrand::Rng,
        streams: Vec<(StreamName, u64)>,
        given: Vec<Given>,
        /// What each node said of itself.
        said: Vec<Load>,
    }

    impl World {
        fn new(seed: u64) -> Self {
            let mut random = fastrand::Rng::with_seed(seed);
            let nodes = random.usize(1..6);
            let name = |number| StreamName::new(format!("many/{number}")).unwrap();
            let streams = (0..random.u64(0..40)).map(|number| (name(number), 1 << random.u32(0..14))).collect();
            let given = (0..nodes).map(|_| Given::default()).collect();
            Self { random, streams, given, said: vec![Load::default(); nodes] }
        }

        fn home(&self, stream: &StreamName) -> Option<NodeId> {
            home((0..self.given.len() as u64).map(NodeId), stream)
        }

        fn holder(&self, stream: &StreamName) -> usize {
            let home = self.home(stream).unwrap();
            let given = self.given[home.0 as usize].list().find(|(known, _)| *known == stream);
            given.map_or(home, |(_, to)| to).0 as usize
        }

        /// What a node says: what it measures comes closer to what is so each time.
        fn says(&self, node: usize) -> Load {
            let mine = self.streams.iter().filter(|(stream, _)| self.holder(stream) == node);
            let before = &self.said[node];
            let half = |before: u64, now: u64| (before + now) / 2;
            let mut hot = before.hot.clone();
            hot.values_mut().for_each(|rate| *rate /= 2);
            mine.clone().for_each(|(stream, rate)| *hot.entry(stream.clone()).or_default() += rate / 2);
            hot.retain(|_, rate| *rate >= limits::HOT_STREAM);
            Load { events_per_s: half(before.events_per_s, mine.map(|(_, rate)| rate).sum()), hot }
        }

        /// All nodes look once, in some order. Answers whether anything was moved.
        fn round(&mut self) -> bool {
            let before: Vec<_> = self.streams.iter().map(|(stream, _)| self.holder(stream)).collect();
            let mut order: Vec<usize> = (0..self.given.len()).collect();
            self.random.shuffle(&mut order);
            for node in order {
                self.said[node] = self.says(node);
                let loaded = self.said.iter().zip(0..).map(|(load, id)| Loaded { id: NodeId(id), load: load.clone() });
                let nodes: Vec<_> = loaded.collect();
                let mut given = std::mem::take(&mut self.given[node]);
                given.look(NodeId(node as u64), &nodes, |stream| self.home(stream));
                self.given[node] = given;
            }
            let after: Vec<_> = self.streams.iter().map(|(stream, _)| self.holder(stream)).collect();
            before != after
        }
    }

    #[test]
    fn hot_streams_are_spread_and_then_stay() {
        let mut moved = 0;
        for seed in 0..500 {
            let mut world = World::new(seed);
            let rounds = (limits::HEAT_SETTLES as usize + 1) * (world.streams.len() + 2);
            moved += (0..rounds).filter(|_| world.round()).count();
            let loads: Vec<u64> = world.said.iter().map(|load| load.events_per_s).collect();
            assert!((0..rounds).all(|_| !world.round()), "SEED={seed}: it does not come to rest: {loads:?}");
            let nodes: Vec<_> =
                world.said.iter().zip(0..).map(|(load, id)| Loaded { id: NodeId(id), load: load.clone() }).collect();
            assert_eq!(next_move(&nodes), None, "SEED={seed}: {nodes:#?}");
        }
        assert!(moved > 300, "{moved} were moved");
    }

    #[test]
    fn what_is_cold_or_at_a_node_that_is_gone_comes_back() {
        let (hot, name) =
            (|rate| Load { events_per_s: rate, hot: FxHashMap::default() }, StreamName::new("a").unwrap());
        let node = |id, load| Loaded { id: NodeId(id), load };
        let mut busy = hot(10_000);
        busy.hot.extend([(name.clone(), 4_000), (StreamName::new("b").unwrap(), 6_000)]);
        let all = [node(0, busy), node(1, hot(0))];
        let mut given = Given::default();
        given.look(NodeId(0), &all, |_| Some(NodeId(0)));
        assert_eq!(given.list().map(|(stream, to)| (stream.as_str(), to)).collect::<Vec<_>>(), [("a", NodeId(1))]);
        given.look(NodeId(0), &all[..1], |_| Some(NodeId(0)));
        assert_eq!(given.list().count(), 0, "the node is gone");
        given.settling = 0;
        given.look(NodeId(0), &all, |_| Some(NodeId(0)));
        let cold = [node(0, hot(0)), node(1, hot(0))];
        (1..limits::COLD_AFTER).for_each(|_| given.look(NodeId(0), &cold, |_| Some(NodeId(0))));
        assert_eq!(given.list().count(), 1);
        given.look(NodeId(0), &cold, |_| Some(NodeId(0)));
        assert_eq!(given.list().count(), 0, "it is cold");
    }
}
