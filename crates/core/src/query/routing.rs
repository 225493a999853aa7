//! Routing: which of many filters an object meets, without trying all of them.
//!
//! A filter that wants one field to have a certain value, or a list to have a certain item, is looked up by that value, and
//! one that wants one of several such things by each of them; so an object costs the same however many filters there are
//! that want other values. The others are tried one after the other.

#![allow(clippy::mutable_key_type, reason = "to join a text that is kept in pieces does not change it")]

use rustc_hash::FxHashMap;

use super::{Filter, Test};
use crate::name::{Collection, FieldName, Key, ObjectId};
use crate::object::Object;
use crate::sequencer::Touched;
use crate::value::Value;

/// Names a filter among those of one [`Routes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route(pub u32);

/// The filters of many queries, each of them once.
#[derive(Debug, Default)]
pub struct Routes {
    known: FxHashMap<Condition, Route>,
    filters: Vec<Option<Counted>>,
    free: Vec<Route>,
    tables: FxHashMap<Collection, Table>,
}

/// Which objects of which collection.
type Condition = (Collection, Filter);

/// A filter and how many queries have it.
#[derive(Debug)]
struct Counted {
    condition: Condition,
    queries: usize,
}

/// The filters of one collection.
#[derive(Debug, Default)]
struct Table {
    by_value: Vec<(Place, FxHashMap<Value, Vec<Route>>)>,
    others: Vec<Route>,
}

/// Where in an object a value is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Id,
    Field(FieldName),
    /// Among the items of a list.
    Item(FieldName),
}

/// A place, and the values of which a filter wants one there.
type Wanted<'f> = (Place, &'f [Value]);

/// A filter that an object met or meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The filter.
    pub route: Route,
    /// Whether the object met it as it was before.
    pub before: bool,
    /// Whether it meets it as it is now.
    pub after: bool,
}

/// What a batch made of objects, and which filters that concerns.
#[derive(Debug)]
pub struct Routed {
    touched: Vec<Touched>,
    /// Each with the place of the object, sorted by filter.
    matches: Vec<(Match, usize)>,
}

impl Routed {
    /// Finds whom a batch concerns.
    pub fn new(touched: Vec<Touched>, routes: &Routes) -> Self {
        let matches = touched.iter().enumerate().flat_map(|(place, Touched { key, before, after })| {
            let found = routes.of(key, before.as_deref(), after.as_deref());
            found.into_iter().map(move |found| (found, place))
        });
        let mut matches: Vec<_> = matches.collect();
        matches.sort_by_key(|(found, _)| found.route);
        Self { touched, matches }
    }

    /// The filters that it concerns, each once.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        self.matches.chunk_by(|a, b| a.0.route == b.0.route).map(|same| same[0].0.route)
    }

    /// What it made of the objects that met a filter or meet it now, sorted.
    pub fn of(&self, route: Route) -> impl Iterator<Item = (Match, &Touched)> {
        let start = self.matches.partition_point(|(found, _)| found.route < route);
        let same = self.matches[start..].iter().take_while(move |(found, _)| found.route == route);
        same.map(|(found, place)| (*found, &self.touched[*place]))
    }

    /// Roughly how many bytes of memory it takes beside the objects as they are on the log.
    pub fn estimated_bytes(&self) -> usize {
        let objects = self.touched.iter().flat_map(|touched| [&touched.before, &touched.after]).flatten();
        self.matches.len() * size_of::<(Match, usize)>()
            + self.touched.len() * size_of::<Touched>()
            + objects.map(|object| object.estimated_bytes()).sum::<usize>()
    }
}

impl Routes {
    /// One more query has this filter.
    pub fn add(&mut self, collection: &Collection, filter: &Filter) -> Route {
        let condition = (collection.clone(), filter.clone());
        if let Some(&route) = self.known.get(&condition) {
            self.filters[route.0 as usize].iter_mut().for_each(|known| known.queries += 1);
            return route;
        }
        let route = self.free.pop().unwrap_or_else(|| {
            self.filters.push(None);
            Route(self.filters.len() as u32 - 1)
        });
        self.tables.entry(collection.clone()).or_default().add(filter, route);
        self.known.insert(condition.clone(), route);
        self.filters[route.0 as usize] = Some(Counted { condition, queries: 1 });
        route
    }

    /// One query fewer has a filter that was added.
    pub fn remove(&mut self, route: Route) {
        let Some(known) = self.filters.get_mut(route.0 as usize) else { return };
        if let Some(counted) = known.take_if(|counted| {
            counted.queries -= 1;
            counted.queries == 0
        }) {
            let (collection, filter) = &counted.condition;
            if let Some(table) = self.tables.get_mut(collection)
                && table.remove(filter, route)
            {
                self.tables.remove(collection);
            }
            self.known.remove(&counted.condition);
            self.free.push(route);
        }
    }

    /// Whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The filters that an object met as it was or meets as it is, sorted.
    pub fn of(&self, key: &Key, before: Option<&Object>, after: Option<&Object>) -> Vec<Match> {
        let Some(table) = self.tables.get(&key.collection) else { return Vec::new() };
        let was = self.met(table, &key.id, before);
        let is = self.met(table, &key.id, after);
        merge(&was, &is)
    }

    fn met(&self, table: &Table, id: &ObjectId, object: Option<&Object>) -> Vec<Route> {
        let Some(object) = object else { return Vec::new() };
        let mut met: Vec<Route> = table.candidates(id, object).filter(|&route| self.holds(route, id, object)).collect();
        // One that wants this or that may be found by both.
        met.sort_unstable();
        met.dedup();
        met
    }

    fn holds(&self, route: Route, id: &ObjectId, object: &Object) -> bool {
        let known = self.filters[route.0 as usize].as_ref();
        known.is_some_and(|known| known.condition.1.matches(id, object))
    }
}

impl Table {
    fn add(&mut self, filter: &Filter, route: Route) {
        let Some(wanted) = wanted(filter) else { return self.others.push(route) };
        for (place, values) in wanted {
            let known = self.by_value.iter().position(|(known, _)| *known == place);
            let known = known.unwrap_or_else(|| {
                self.by_value.push((place, FxHashMap::default()));
                self.by_value.len() - 1
            });
            for value in values {
                let routes = self.by_value[known].1.entry(value.clone()).or_default();
                // A list may name a value twice.
                if routes.last() != Some(&route) {
                    routes.push(route);
                }
            }
        }
    }

    /// Answers whether nothing is left.
    fn remove(&mut self, filter: &Filter, route: Route) -> bool {
        for (place, values) in wanted(filter).into_iter().flatten() {
            let Some((_, by_value)) = self.by_value.iter_mut().find(|(known, _)| *known == place) else { continue };
            for value in values {
                let Some(routes) = by_value.get_mut(value) else { continue };
                routes.retain(|known| *known != route);
                if routes.is_empty() {
                    by_value.remove(value);
                }
            }
        }
        self.others.retain(|known| *known != route);
        self.by_value.retain(|(_, by_value)| !by_value.is_empty());
        self.by_value.is_empty() && self.others.is_empty()
    }

    /// The filters that an object may meet.
    fn candidates(&self, id: &ObjectId, object: &Object) -> impl Iterator<Item = Route> {
        let value = |field: &FieldName| object.get(field.as_str()).unwrap_or(&Value::Null);
        let by_value = self.by_value.iter().flat_map(move |(place, by_value)| {
            let (one, items) = match place {
                Place::Id => (by_value.get(&Value::text(id.to_string())), None),
                Place::Field(field) => (by_value.get(value(field)), None),
                Place::Item(field) => (None, Some(value(field))),
            };
            let items = match items {
                Some(Value::List(items)) => &items[..],
                _ => &[],
            };
            let of_items = items.iter().filter_map(|item| by_value.get(item));
            one.into_iter().chain(of_items)
        });
        by_value.flatten().chain(&self.others).copied()
    }
}

/// The conditions of a filter that say most, one of which an object must meet: a field and the values it must have one of.
fn wanted(filter: &Filter) -> Option<Vec<Wanted<'_>>> {
    match filter {
        Filter::Id(test) => Some(vec![(Place::Id, test.values()?)]),
        Filter::Field(field, Test::Has(item)) => Some(vec![(Place::Item(field.clone()), std::slice::from_ref(item))]),
        Filter::Field(field, test) => Some(vec![(Place::Field(field.clone()), test.values()?)]),
        Filter::All(filters) => filters.iter().filter_map(wanted).max_by_key(|wanted| says(wanted)),
        Filter::Any(filters) => filters.iter().map(wanted).collect::<Option<Vec<_>>>().map(|all| all.concat()),
        Filter::Everything | Filter::Not(_) | Filter::Told(_) => None,
    }
}

/// How much conditions say: an id more than a field, a name more than a truth value, one value more than many.
fn says(wanted: &[Wanted<'_>]) -> (bool, bool, std::cmp::Reverse<usize>) {
    let mut values = wanted.iter().flat_map(|(_, values)| values.iter());
    let names = !values.any(|value| matches!(value, Value::Null | Value::Bool(_)));
    let count = wanted.iter().map(|(_, values)| values.len()).sum();
    (wanted.iter().all(|(place, _)| *place == Place::Id), names, std::cmp::Reverse(count))
}

/// Joins two sorted lists.
fn merge(was: &[Route], is: &[Route]) -> Vec<Match> {
    let (mut was, mut is) = (was.iter().copied().peekable(), is.iter().copied().peekable());
    std::iter::from_fn(move || {
        let route = was.peek().copied().into_iter().chain(is.peek().copied()).min()?;
        let [before, after] = [was.next_if_eq(&route), is.next_if_eq(&route)].map(|there| there.is_some());
        Some(Match { route, before, after })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::value_from_json;
    use crate::numbers::{ClientId, Millis, Seq};
    use crate::object::{Entry, Write, apply};
    use crate::op::{Action, FieldMap, Op};
    use crate::query::Query;

    fn filter(text: &str) -> Filter {
        let text = format!(r#"{{"collection":"issues","where":{text}}}"#);
        Query::from_value(&value_from_json(&text).unwrap()).unwrap().filter
    }

    #[test]
    fn an_object_is_tried_against_the_filters_that_want_its_values_alone() {
        let (issues, mut routes) = (Collection::new("issues").unwrap(), Routes::default());
        let all: Vec<Route> = (0..10_000)
            .map(|number| routes.add(&issues, &filter(&format!(r#"{{"assignee":"u{number}","done":false}}"#))))
            .collect();
        let key = Key { collection: issues.clone(), id: ObjectId::new("i1").unwrap() };
        let fields = [("assignee", Value::text("u77")), ("done", false.into())];
        let fields = fields.map(|(name, value)| (FieldName::new(name).unwrap(), value));
        let insert = Action::Insert(FieldMap::new(fields.to_vec()).unwrap());
        let mut entry = None;
        let op = Op { key: key.clone(), seen: None, action: insert };
        apply(&mut entry, &op, &Write::pending(ClientId(1), Seq(0), Millis(0)));
        let object = entry.as_ref().and_then(Entry::live).unwrap();
        assert_eq!(routes.tables[&issues].candidates(&key.id, object).count(), 1);
        let found = routes.of(&key, None, Some(object));
        assert_eq!(found, [Match { route: all[77], before: false, after: true }]);
        let owned = |number: usize| {
            let owner =
                Filter::Field(FieldName::new("assignee").unwrap(), Test::Equal(Value::text(format!("u{number}"))));
            let member =
                Filter::Field(FieldName::new("members").unwrap(), Test::Has(Value::text(format!("u{number}"))));
            Filter::Any(vec![owner, member])
        };
        let readers: Vec<Route> = (0..1_000).map(|number| routes.add(&issues, &owned(number))).collect();
        let update = |name: &str, value: Value| {
            let fields = vec![(FieldName::new(name).unwrap(), value)];
            Op { key: key.clone(), seen: None, action: Action::Upsert(FieldMap::new(fields).unwrap()) }
        };
        let members = Value::List(["u5", "u77", "u9"].map(Value::text).into());
        apply(&mut entry, &update("members", members), &Write::pending(ClientId(1), Seq(1), Millis(0)));
        let object = entry.as_ref().and_then(Entry::live).unwrap();
        assert_eq!(routes.tables[&issues].candidates(&key.id, object).count(), 5, "u77 by two of its fields");
        let found: Vec<Route> = routes.of(&key, None, Some(object)).into_iter().map(|found| found.route).collect();
        assert_eq!(found, [all[77], readers[5], readers[9], readers[77]]);
        all.into_iter().chain(readers).for_each(|route| routes.remove(route));
        assert!(routes.is_empty() && routes.tables.is_empty());
    }
}
