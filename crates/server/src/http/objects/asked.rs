//! Which objects a request asks for. What is wrong with it is told with the part it is in.

use tapeline_core::codec::json;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::query::{Query as Wanted, QueryError};
use tapeline_core::schema::Schema;
use tapeline_core::value::{Entries, Value};

use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::limits;

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// One object.
    One(Key),
    /// All objects of the stream.
    All,
    /// Objects of a collection in the order of their ids, or the other way round.
    Some(Wanted),
    /// The first `limit` objects of a collection, in another order or with what they refer to.
    First(Wanted, usize),
}

impl Asked {
    pub(super) fn read(query: &Query<'_>, schema: &Schema) -> Result<Self, Problem> {
        let collection = query.name("collection", |text| Collection::new(text))?;
        let id = query.name("id", |text| ObjectId::new(text))?;
        let (filter, order, with) = (query.text("where"), query.text("order_by"), query.text("with"));
        let limit: Option<usize> = query.number("limit")?;
        let Some(collection) = collection else {
            let what = "id, where, order_by, limit and with are about one collection: name it, too";
            return match (id, filter, order, limit, with) {
                (None, None, None, None, None) => Ok(Self::All),
                _ => Err(Problem::bad_request(what)),
            };
        };
        if let Some(id) = id {
            return match (filter, order, limit, with) {
                (None, None, None, None) => Ok(Self::One(Key { collection, id })),
                _ => Err(Problem::bad_request("an id names one object: leave out where, order_by, limit and with")),
            };
        }
        let mut wanted = Wanted::all(collection);
        if let Some(text) = filter {
            let conditions = json::value_from_json(text);
            let conditions = conditions.map_err(|error| Problem::bad_request(format!("where is not JSON: {error}")))?;
            wanted.filter = read_part("where", "where", conditions)?.filter;
        }
        wanted.limit = limit;
        if let Some(order) = order {
            wanted.order = read_part("order_by", "orderBy", fields(order)?)?.order;
        }
        if let Some(with) = with {
            wanted.with = referred(&wanted.collection, with, schema)?;
        }
        let most = limits::SORTED_OBJECTS;
        let needs_limit = match (wanted.order.of_ids(), &*wanted.with) {
            (Some(_), []) => return Ok(Self::Some(wanted)),
            (Some(_), _) => format!("with needs a limit, {most} at most"),
            (None, _) => format!(
                "order_by needs a limit, {most} at most; in the order of their ids, order_by=id or order_by=-id, all come"
            ),
        };
        match limit {
            Some(limit) if limit <= most => Ok(Self::First(wanted, limit)),
            _ => Err(Problem::bad_request(needs_limit)),
        }
    }
}

/// Fields with commas between them; as a JSON list, names with commas in them too.
fn fields(order: &str) -> Result<Value, Problem> {
    if order.starts_with('[') {
        let list = json::value_from_json(order);
        return list.map_err(|error| Problem::bad_request(format!("order_by is not JSON: {error}")));
    }
    let fields = order.split(',').map(|field| Value::text(field.trim()));
    Ok(Value::List(fields.collect::<Vec<_>>().into()))
}

/// The fields, with commas between them, and the collections that the schema says they refer to.
fn referred(collection: &Collection, fields: &str, schema: &Schema) -> Result<Vec<(FieldName, Collection)>, Problem> {
    let fields = fields.split(',').map(|field| {
        let name = FieldName::new(field.trim()).map_err(|error| Problem::bad_request(format!("with: {error}")))?;
        let unknown =
            || format!("with: the schema says of no {name} of {collection} to what it refers: give it a ref there");
        let of = schema.referred(collection, &name).cloned().ok_or_else(|| Problem::bad_request(unknown()))?;
        Ok((name, of))
    });
    fields.collect()
}

/// Reads one part of a query, which the request spells `name`.
fn read_part(name: &str, part: &str, value: Value) -> Result<Wanted, Problem> {
    let parts = [("collection".into(), Value::text("any")), (part.into(), value)];
    let query =
        Value::Map(Entries::new(parts.into()).map_err(|error| Problem::bad_request(format!("{name}: {error:?}")))?);
    Wanted::from_value(&query).map_err(|error| match error {
        QueryError::Shape { what, wanted } if what == part => Problem::bad_request(format!("{name} is {wanted}")),
        error => Problem::bad_request(format!("{name}: {error}")),
    })
}
