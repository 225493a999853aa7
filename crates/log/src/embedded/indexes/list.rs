//! Which indexes a stream has, as its row says.

use tapeline_core::codec::cbor;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::query::index::Index;
use tapeline_core::value::Value;

use crate::embedded::rows::{past, prefix, table, write_number};

/// The indexes of a stream, those that go away among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::embedded) struct Indexes(pub(in crate::embedded) Vec<StreamIndex>);

/// An index of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct StreamIndex {
    /// Which one of the stream's, in the keys of its rows: none that are there have the same.
    pub(super) number: u64,
    pub(in crate::embedded) index: Index,
    pub(super) stage: Stage,
}

/// How far an index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// All objects are in it.
    Ready,
    /// The objects up to this one are in it, and what was written since it was begun.
    Building(Option<ObjectId>),
    /// It is not kept up, and its rows are to go.
    Going,
}

impl Indexes {
    /// The indexes of a new stream.
    pub(in crate::embedded) fn of_new(declared: &[Index]) -> Self {
        let all = declared.iter().zip(0..);
        Self(all.map(|(index, number)| StreamIndex { number, index: index.clone(), stage: Stage::Ready }).collect())
    }

    /// Lets those go that are not declared, and begins those that are missing.
    pub(in crate::embedded) fn follow(&mut self, declared: &[Index]) {
        for own in &mut self.0 {
            if !declared.contains(&own.index) {
                own.stage = Stage::Going;
            }
        }
        for index in declared {
            if !self.kept_up().any(|own| own.index == *index) {
                let number = self.0.iter().map(|own| own.number + 1).max().unwrap_or_default();
                self.0.push(StreamIndex { number, index: index.clone(), stage: Stage::Building(None) });
            }
        }
    }

    /// Whether nothing is to be built, and nothing is to go.
    pub(super) fn is_settled(&self) -> bool {
        self.0.iter().all(|own| own.stage == Stage::Ready)
    }

    /// Those that what is written has to be put into.
    pub(super) fn kept_up(&self) -> impl Iterator<Item = &StreamIndex> {
        self.0.iter().filter(|own| own.stage != Stage::Going)
    }

    /// Those that can be read.
    pub(in crate::embedded) fn ready(&self) -> impl Iterator<Item = &StreamIndex> {
        self.0.iter().filter(|own| own.stage == Stage::Ready)
    }

    /// A list of lists: number, collection, fields, and how far it is: true, false, the last id or null.
    pub(in crate::embedded) fn encode(&self) -> Vec<u8> {
        let text = |text: &dyn ToString| Value::text(text.to_string());
        let own = |own: &StreamIndex| {
            let fields: Vec<Value> = own.index.fields.iter().map(|field| Value::text(field.as_str())).collect();
            let stage = match &own.stage {
                Stage::Ready => true.into(),
                Stage::Going => false.into(),
                Stage::Building(last) => last.as_ref().map_or(Value::Null, |last| text(last)),
            };
            let number = Value::Int(own.number as i64);
            Value::List(
                vec![number, Value::text(own.index.collection.as_str()), Value::List(fields.into()), stage].into(),
            )
        };
        cbor::encode_value(&Value::List(self.0.iter().map(own).collect::<Vec<_>>().into()))
    }

    pub(in crate::embedded) fn decode(bytes: &[u8]) -> Option<Self> {
        let Value::List(all) = cbor::decode_value(bytes).ok()? else { return None };
        all.iter().map(decode).collect::<Option<_>>().map(Self)
    }
}

fn decode(value: &Value) -> Option<StreamIndex> {
    let Value::List(parts) = value else { return None };
    let [number, collection, Value::List(fields), stage] = &parts[..] else { return None };
    let field = |field: &Value| FieldName::new(field.as_text()?).ok();
    let stage = match stage {
        Value::Bool(true) => Stage::Ready,
        Value::Bool(false) => Stage::Going,
        Value::Null => Stage::Building(None),
        last => Stage::Building(Some(ObjectId::new(last.as_text()?).ok()?)),
    };
    let index = Index {
        collection: Collection::new(collection.as_text()?).ok()?,
        fields: fields.iter().map(field).collect::<Option<_>>()?,
    };
    Some(StreamIndex { number: number.as_int()?.try_into().ok()?, index, stage })
}

impl StreamIndex {
    /// What the keys of its rows begin with.
    pub(super) fn prefix(&self, stream: u64) -> Vec<u8> {
        let mut key = prefix(table::FIELDS, stream);
        write_number(&mut key, self.number);
        key
    }

    /// The first key past its rows.
    pub(super) fn end(&self, stream: u64) -> Vec<u8> {
        past(self.prefix(stream))
    }

    /// The key of an object of its collection.
    pub(super) fn key_of(&self, id: ObjectId) -> Key {
        Key { collection: self.index.collection.clone(), id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(field: &str) -> Index {
        Index { collection: Collection::new("tasks").unwrap(), fields: vec![FieldName::new(field).unwrap()] }
    }

    #[test]
    fn what_is_declared_is_followed_and_no_number_is_given_twice() {
        let mut indexes = Indexes::of_new(&[index("a"), index("b")]);
        assert!(indexes.is_settled());
        indexes.follow(&[index("b"), index("c")]);
        let stages =
            |indexes: &Indexes| indexes.0.iter().map(|own| (own.number, own.stage.clone())).collect::<Vec<_>>();
        let expected = [(0, Stage::Going), (1, Stage::Ready), (2, Stage::Building(None))];
        assert_eq!(stages(&indexes), expected);
        assert_eq!(Indexes::decode(&indexes.encode()), Some(indexes.clone()));
        // What was let go missed what was written since: it is begun anew.
        indexes.follow(&[index("a"), index("b")]);
        let expected = [(0, Stage::Going), (1, Stage::Ready), (2, Stage::Going), (3, Stage::Building(None))];
        assert_eq!(stages(&indexes), expected);
        indexes.0[3].stage = Stage::Building(Some(ObjectId::new("x").unwrap()));
        assert_eq!(Indexes::decode(&indexes.encode()), Some(indexes));
    }
}
