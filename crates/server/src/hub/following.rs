//! Who follows parts of a stream, by the filters of their queries: an event costs those alone whom it concerns.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashMap;
use tapeline_core::hash::Chain;
use tapeline_core::numbers::Seq;
use tapeline_core::query::Query;
use tapeline_core::query::routing::{Route, Routed, Routes};
use tapeline_core::sequencer::Touched;

use super::tail::Recent;
use super::{Opening, Tape};
use crate::lock::lock;

/// What no opening has left to be told.
pub(super) const CLEAN: u64 = u64::MAX;

/// Who follows parts of a stream.
#[derive(Debug, Default)]
pub(super) struct Following {
    routes: Routes,
    followers: FxHashMap<Route, Vec<Arc<Opening>>>,
    /// Those whose own events were answered since they were last told.
    answered: Vec<Arc<Opening>>,
}

/// What a part of a stream has gone through.
pub(crate) struct Course {
    /// The blocks, from the first of which something is to be told. Not at all where they are no longer in memory.
    pub(crate) blocks: Option<Vec<Arc<Recent>>>,
    /// Where they end.
    pub(crate) to: Seq,
    /// The chain there.
    pub(crate) chain: Chain,
}

impl Tape {
    /// An opening follows a query from now on: of batches that begin after this, it is told those that concern it.
    pub(crate) fn follow(&self, opening: &Arc<Opening>, query: &Query) -> Route {
        let mut following = lock(&self.following);
        let route = following.routes.add(&query.collection, &query.filter);
        following.followers.entry(route).or_default().push(opening.clone());
        lock(&opening.routes).push(route);
        self.watched.store(true, Ordering::Release);
        route
    }

    /// An opening follows a query no longer.
    pub(crate) fn unfollow(&self, opening: &Opening, route: Route) {
        let mut routes = lock(&opening.routes);
        if let Some(place) = routes.iter().position(|known| *known == route) {
            routes.swap_remove(place);
        }
        drop(routes);
        let mut following = lock(&self.following);
        following.routes.remove(route);
        if let Some(followers) = following.followers.get_mut(&route) {
            // It may have the same filter twice.
            if let Some(place) = followers.iter().position(|follower| follower.id == opening.id) {
                followers.swap_remove(place);
            }
            if followers.is_empty() {
                following.followers.remove(&route);
            }
        }
        self.watched.store(!following.routes.is_empty(), Ordering::Release);
    }

    /// An opening follows nothing any more.
    pub(super) fn unfollow_all(&self, opening: &Opening) {
        let routes = std::mem::take(&mut *lock(&opening.routes));
        routes.into_iter().for_each(|route| self.unfollow(opening, route));
    }

    /// Whether somebody wants to know what becomes of each object.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    /// What an opening has not been told, up to the end of what is in memory.
    pub(crate) fn course(&self, opening: &Opening) -> Option<Course> {
        let recent = lock(&self.recent);
        let (to, chain) = recent.end?;
        let blocks = match opening.dirty.swap(CLEAN, Ordering::Relaxed) {
            CLEAN => Some(Vec::new()),
            from => recent.tail.from(Seq(from)),
        };
        Some(Course { blocks, to, chain })
    }

    /// The stream went on in a way that nobody was told of.
    pub(super) fn all_are_dirty(&self) {
        let following = lock(&self.following);
        for follower in following.followers.values().flatten() {
            follower.dirty.store(0, Ordering::Relaxed);
            follower.tell();
        }
    }

    /// Finds whom a batch concerns, and keeps in mind from where on they are to be told.
    pub(super) fn route(&self, from: Seq, touched: Option<Vec<Touched>>) -> (Option<Routed>, Vec<Arc<Opening>>) {
        let mut following = lock(&self.following);
        let mut told = std::mem::take(&mut following.answered);
        let routed = touched.filter(|_| !following.routes.is_empty());
        let routed = routed.map(|touched| Routed::new(touched, &following.routes));
        for route in routed.iter().flat_map(Routed::routes) {
            for follower in following.followers.get(&route).into_iter().flatten() {
                follower.dirty.fetch_min(from.0, Ordering::Relaxed);
                told.push(follower.clone());
            }
        }
        (routed, told)
    }

    /// The events of somebody to whom not all are played were decided on: it is told how far the stream is, whether they
    /// concern it or not, and whether it follows anything or not.
    pub(super) fn is_answered(&self, opening: &Arc<Opening>) {
        let answered = &mut lock(&self.following).answered;
        if !answered.iter().any(|known| known.id == opening.id) {
            answered.push(opening.clone());
        }
    }
}
