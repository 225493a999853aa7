//! A list that grows at its end and is taken from at its front.
//!
//! Its front moves on, and the places that leaves empty go once they are half of all: cheap at both ends, and a fraction of
//! the code that a ring of memory is, which a browser has to download. What is put in before the others moves all of them:
//! where that is common, as in a live query, a ring it is.

/// Things in order.
#[derive(Clone, Debug)]
pub(crate) struct Queue<T> {
    /// Those before `first` are empty, and no others.
    places: Vec<Option<T>>,
    first: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { places: Vec::new(), first: 0 }
    }
}

impl<T> Queue<T> {
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.first
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.places.get(self.at(place))?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        let at = self.at(place);
        self.places.get_mut(at)?.as_mut()
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.get(0)
    }

    pub(crate) fn back(&self) -> Option<&T> {
        self.places.last()?.as_ref()
    }

    pub(crate) fn push_back(&mut self, thing: T) {
        self.places.push(Some(thing));
    }

    pub(crate) fn pop_back(&mut self) -> Option<T> {
        self.remove(self.len().checked_sub(1)?)
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.remove(0)
    }

    /// Takes the first thing, where it is such a one.
    pub(crate) fn pop_front_if(&mut self, goes: impl FnOnce(&T) -> bool) -> Option<T> {
        if self.front().is_some_and(goes) { self.pop_front() } else { None }
    }

    /// Puts a thing in before the one at a place.
    pub(crate) fn insert(&mut self, place: usize, thing: T) {
        let at = self.at(place);
        self.places.insert(at, Some(thing));
    }

    pub(crate) fn remove(&mut self, place: usize) -> Option<T> {
        if place > 0 {
            return if place < self.len() { self.places.remove(self.first + place) } else { None };
        }
        let taken = self.places.get_mut(self.first)?.take();
        self.first += 1;
        if self.first > self.places.len() / 2 {
            self.places.drain(..self.first);
            self.first = 0;
        }
        taken
    }

    pub(crate) fn retain(&mut self, stays: impl Fn(&T) -> bool) {
        self.places.retain(|place| place.as_ref().is_some_and(&stays));
        self.first = 0;
    }

    /// Where the things end that are so, where all that are so come first.
    pub(crate) fn partition_point(&self, is_so: impl Fn(&T) -> bool) -> usize {
        self.places[self.first..].partition_point(|place| place.as_ref().is_some_and(&is_so))
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &T> + DoubleEndedIterator {
        self.since(0)
    }

    /// All from a place on.
    pub(crate) fn since(&self, place: usize) -> impl ExactSizeIterator<Item = &T> + DoubleEndedIterator {
        let places = self.places.get(self.at(place)..).unwrap_or_default();
        places.iter().map(|place| place.as_ref().expect("only places before the first are empty"))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().filter_map(Option::as_mut)
    }

    fn at(&self, place: usize) -> usize {
        self.first.saturating_add(place)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::Queue;

    #[test]
    fn it_is_a_ring() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut queue, mut ring) = (Queue::default(), VecDeque::new());
            for thing in 0..100 {
                let place = random.usize(..=ring.len());
                match random.u8(..8) {
                    0 | 1 => assert_eq!(queue.pop_front(), ring.pop_front(), "seed {seed}"),
                    2 => assert_eq!(queue.pop_back(), ring.pop_back(), "seed {seed}"),
                    3 => assert_eq!(queue.remove(place), ring.remove(place), "seed {seed}"),
                    4 => {
                        queue.insert(place, thing);
                        ring.insert(place, thing);
                    }
                    5 if random.u8(..4) == 0 => {
                        queue.retain(|thing| thing % 3 != 0);
                        ring.retain(|thing| thing % 3 != 0);
                    }
                    _ => {
                        queue.push_back(thing);
                        ring.push_back(thing);
                    }
                }
                assert!(queue.iter().eq(&ring) && queue.iter_mut().eq(&mut ring), "seed {seed}");
                assert!(queue.since(place).eq(ring.range(place.min(ring.len())..)), "seed {seed}");
                assert_eq!((queue.len(), queue.is_empty()), (ring.len(), ring.is_empty()), "seed {seed}");
                assert_eq!((queue.front(), queue.back()), (ring.front(), ring.back()), "seed {seed}");
                assert_eq!(queue.get(place), ring.get(place), "seed {seed}");
                assert_eq!(queue.get_mut(place), ring.get_mut(place), "seed {seed}");
            }
        }
    }
}
