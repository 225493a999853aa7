//! Where values stand among others. Members of sets may be thousands: whoever edits one sorts what the edit names, once, and
//! goes through the set once.

use crate::query::order::compare;
use crate::value::Value;

/// Values of which it can be said quickly where they stand.
pub(crate) struct Among<'a> {
    values: &'a [Value],
    /// The places of the values, by value.
    sorted: Vec<usize>,
}

impl<'a> Among<'a> {
    pub(crate) fn new(values: &'a [Value]) -> Self {
        let mut sorted: Vec<usize> = (0..values.len()).collect();
        sorted.sort_unstable_by(|&a, &b| compare(&values[a], &values[b]).then(a.cmp(&b)));
        Self { values, sorted }
    }

    /// The values, as they were given.
    pub(crate) fn values(&self) -> &'a [Value] {
        self.values
    }

    pub(crate) fn has(&self, value: &Value) -> bool {
        self.place(value).is_some()
    }

    /// The first place at which a value stands.
    pub(crate) fn place(&self, value: &Value) -> Option<usize> {
        let at = self.sorted.partition_point(|&place| compare(&self.values[place], value).is_lt());
        self.sorted.get(at).copied().filter(|&place| self.values[place] == *value)
    }

    /// For each of them the first place at which it stands in a list.
    pub(crate) fn first_in(&self, list: &[Value]) -> Vec<Option<usize>> {
        let mut first = vec![None; self.values.len()];
        for (at, value) in list.iter().enumerate() {
            if let Some(place) = self.place(value) {
                first[place].get_or_insert(at);
            }
        }
        for (at, value) in self.values.iter().enumerate() {
            first[at] = self.place(value).and_then(|place| first[place]);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(random: &mut fastrand::Rng) -> Vec<Value> {
        let value = |random: &mut fastrand::Rng| match random.u8(..3) {
            0 => Value::Int(random.i64(..4)),
            1 => Value::number(random.f64().mul_add(4.0, 0.5).round() / 2.0).unwrap(),
            _ => Value::text(["a", "b", "ab"][random.usize(..3)]),
        };
        (0..random.usize(..12)).map(|_| value(random)).collect()
    }

    #[test]
    fn places_are_those_that_are_found_one_by_one() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (all, list) = (values(&mut random), values(&mut random));
            let among = Among::new(&all);
            for value in &list {
                assert_eq!(among.place(value), all.iter().position(|other| other == value), "seed {seed}");
            }
            for (value, first) in all.iter().zip(among.first_in(&list)) {
                assert_eq!(first, list.iter().position(|other| other == value), "seed {seed}");
            }
        }
    }
}
