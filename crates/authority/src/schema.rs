//! Schema files: a [`Schema`] and an [`Authority`] as people write them, in TOML, and where they went wrong. `rules`
//! reads who may do what, `checks` what is valid whoever writes it.
//!
//! ```toml
//! version = 3                        # of the schema; apps say for which they were written
//! oldest = 2                         # apps of older versions are told to upgrade
//!
//! [collections.tasks]
//! policy = "last"                    # of its fields, where they have none of their own
//! update_after_delete = "revive"
//!
//! indexes = ["due", ["state", "position"]]
//!
//! [collections.tasks.fields]
//! title = "ask"
//! done = { policy = "first" }        # the same, with room for more
//! owner = { ref = "people" }         # the id of an object there, or a list of ids
//!
//! [collections.payments]
//! keep_events = true                 # stay readable where others are let go
//!
//! [streams."chat/*"]                 # a name, or how names begin
//! retain = { events = 10000 }        # or { days = 30 }, or "all"
//! ```

mod checks;
mod refs;
mod renames;
mod rules;
mod shapes;
mod unique;
mod versions;

use crate::{Authority, Checks, CollectionRules, StreamRules};
use tapeline_core::limits;
use tapeline_core::name::{Collection, FieldName, NameError};
use tapeline_core::retention::{PatternError, Retain, StreamPattern};
use tapeline_core::schema::{Policy, Rules, Schema, UpdateAfterDelete};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::toml_file::{Read, TextError, Value, Wrong, check_settings, read_flag, read_toml, read_word, table};

/// How streams are named.
const STREAMS: &str = "[streams.\"chat/*\"]";
/// How a collection says its indexes.
const INDEXES: &str = "[\"due\", [\"state\", \"position\"]]";
/// What may stay of one.
const RETAIN: &str = "\"all\", { events = 10000 } or { days = 30 }";

/// What a schema file says.
#[derive(Debug, Default)]
pub struct SchemaFile {
    /// Of an app's data.
    pub schema: Schema,
    /// Of who may do what with it.
    pub authority: Authority,
}

/// Reads a schema file.
///
/// # Errors
/// Where the text is no TOML, or says something that a schema does not know.
pub fn read_schema(text: &str) -> Result<SchemaFile, TextError> {
    read_toml(text, read_root)
}

fn read_root(root: &DeTable<'_>) -> Read<SchemaFile> {
    check_settings(root, &["version", "oldest", "collections", "streams"])?;
    let mut said = Said::default();
    let collections = root.get("collections").map(|value| read_collections(value, &mut said)).transpose()?;
    let collections = collections.unwrap_or_default();
    root.get("streams").map(|value| read_streams(value, &mut said)).transpose()?;
    let known = collections.iter().map(|(collection, _)| collection.clone()).collect();
    Ok(SchemaFile {
        authority: Authority::new(said.streams, said.collections, known).checking(said.checks),
        schema: Schema::new(collections).retaining(said.retention).serving(versions::read(root)?),
    })
}

/// What streams and rules say, gathered as the file is read.
#[derive(Default)]
struct Said {
    retention: Vec<(StreamPattern, Retain)>,
    streams: Vec<(StreamPattern, StreamRules)>,
    collections: Vec<CollectionRules>,
    checks: Vec<(Collection, Checks)>,
}

fn read_collections(collections: &Value<'_>, said: &mut Said) -> Read<Vec<(Collection, Rules)>> {
    let collections = table(collections, "collections", "[collections.tasks]")?.iter();
    let collections = collections.map(|(name, rules)| {
        let collection = Collection::new(name.get_ref()).map_err(|error| wrong_name(name, &error))?;
        let settings = table(rules, "a collection", "[collections.tasks]")?;
        if let Some(access) = settings.get("rules").map(rules::read_access).transpose()? {
            said.collections.push(CollectionRules { streams: None, collection: collection.clone(), access });
        }
        let checks = checks::read(settings)?;
        if !checks.is_empty() {
            said.checks.push((collection.clone(), checks));
        }
        Ok((collection, read_rules(rules)?))
    });
    collections.collect()
}

fn read_streams(streams: &Value<'_>, said: &mut Said) -> Read<()> {
    for (name, settings) in table(streams, "streams", STREAMS)? {
        let pattern: StreamPattern =
            name.get_ref().parse().map_err(|error: PatternError| Wrong::at(name, error.to_string()))?;
        let settings_table = table(settings, "a stream", STREAMS)?;
        check_settings(settings_table, &["retain", "read", "write", "rules"])?;
        if settings_table.is_empty() {
            let what = format!("a stream needs to say what stays, {RETAIN}, or who may read and write it");
            return Err(Wrong::at(settings, what));
        }
        if let Some(retain) = settings_table.get("retain") {
            said.retention.push((pattern.clone(), read_retain(retain)?));
        }
        if let Some(rules) = settings_table.get("rules") {
            said.collections.extend(rules::read_on_streams(&pattern, rules)?);
        }
        said.streams.extend(rules::read_stream(settings_table)?.map(|rules| (pattern, rules)));
    }
    Ok(())
}

fn read_retain(value: &Value<'_>) -> Read<Retain> {
    let wrong = || Wrong::at(value, format!("what stays is {RETAIN}"));
    let limit = match value.get_ref() {
        DeValue::String(word) if word == "all" => return Ok(Retain::All),
        DeValue::Table(limit) => limit,
        _ => return Err(wrong()),
    };
    check_settings(limit, &["events", "days"])?;
    let mut limits = limit.iter();
    let (Some((name, count)), None) = (limits.next(), limits.next()) else { return Err(wrong()) };
    let number =
        count.get_ref().as_integer().and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
    let positive = number.filter(|number| *number > 0);
    let most_days = u64::from(u32::MAX);
    match (name.get_ref().as_ref(), positive) {
        ("events", Some(number)) => Ok(Retain::Events(number)),
        ("events", None) => Err(Wrong::at(count, "events are a positive number")),
        (_, number) => match number.and_then(|number| u32::try_from(number).ok()) {
            Some(days) => Ok(Retain::Days(days)),
            None => Err(Wrong::at(count, format!("days are a positive number, {most_days} at most"))),
        },
    }
}

fn read_rules(rules: &Value<'_>) -> Read<Rules> {
    let rules = table(rules, "a collection", "[collections.tasks]")?;
    const KNOWN: [&str; 8] =
        ["policy", "update_after_delete", "keep_events", "indexes", unique::UNIQUE, "fields", "checks", "rules"];
    check_settings(rules, &KNOWN)?;
    let update_after_delete = rules.get("update_after_delete").map(read_update_after_delete).transpose()?;
    Ok(Rules {
        policy: rules.get("policy").map(read_policy).transpose()?.unwrap_or_default(),
        update_after_delete: update_after_delete.unwrap_or_default(),
        keep_events: rules.get("keep_events").map(read_flag).transpose()?.unwrap_or_default(),
        indexes: rules.get("indexes").map(read_indexes).transpose()?.unwrap_or_default(),
        fields: rules.get("fields").map(read_fields).transpose()?.unwrap_or_default(),
        unique: unique::read(rules)?,
        shapes: rules.get("fields").map(shapes::read).transpose()?.unwrap_or_default(),
        refs: rules.get("fields").map(refs::read).transpose()?.unwrap_or_default(),
        renames: rules.get("fields").map(renames::read).transpose()?.unwrap_or_default(),
    })
}

/// Each is a field, or a list of fields.
fn read_indexes(value: &Value<'_>) -> Read<Vec<Vec<FieldName>>> {
    let mut indexes = Vec::new();
    for index in list(value)? {
        let fields = match index.get_ref().as_array() {
            None => vec![read_indexed(index)?],
            Some(fields) if fields.is_empty() => return Err(Wrong::at(index, "an index is by at least one field")),
            Some(_) => read_several(list(index)?)?,
        };
        if indexes.contains(&fields) {
            return Err(Wrong::at(index, "there is this index already"));
        }
        indexes.push(fields);
    }
    Ok(indexes)
}

/// Fields, each once.
fn read_several(list: &[Value<'_>]) -> Read<Vec<FieldName>> {
    let mut fields = Vec::new();
    for value in list {
        let field = read_indexed(value)?;
        if fields.contains(&field) {
            return Err(Wrong::at(value, format!("{field} is named already")));
        }
        fields.push(field);
    }
    Ok(fields)
}

fn list<'v, 't>(value: &'v Value<'t>) -> Read<&'v [Value<'t>]> {
    let list = value.get_ref().as_array().filter(|list| list.len() <= limits::INDEXES);
    let wanted = || format!("indexes are a list, of {} at most, as in {INDEXES}", limits::INDEXES);
    list.map(|list| &**list).ok_or_else(|| Wrong::at(value, wanted()))
}

fn read_indexed(field: &Value<'_>) -> Read<FieldName> {
    let name = field.get_ref().as_str().filter(|name| *name != "id");
    let wanted = || format!("an index is by fields other than the id, as in {INDEXES}");
    let name = name.ok_or_else(|| Wrong::at(field, wanted()))?;
    FieldName::new(name).map_err(|error| wrong_name(field, &error))
}

fn read_fields(fields: &Value<'_>) -> Read<Vec<(FieldName, Policy)>> {
    let fields = table(fields, "fields", "[collections.tasks.fields]")?.iter();
    let fields = fields.filter_map(|(name, field)| {
        let name = read_field_name(name);
        name.and_then(|name| Ok(read_field(field)?.map(|policy| (name, policy)))).transpose()
    });
    fields.collect()
}

fn read_field_name<T: AsRef<str>>(name: &Spanned<T>) -> Read<FieldName> {
    match name.get_ref().as_ref() {
        "id" => Err(Wrong::at(
            name,
            "rows have the object's id under this name: give the field another one, as number or code",
        )),
        text => FieldName::new(text).map_err(|error| wrong_name(name, &error)),
    }
}

/// A field is its policy, or a table with it. `None`: it has that of its collection.
fn read_field(field: &Value<'_>) -> Read<Option<Policy>> {
    let Some(settings) = field.get_ref().as_table() else { return read_policy(field).map(Some) };
    let known =
        [["policy", checks::PATTERN, unique::UNIQUE, renames::WAS].as_slice(), &refs::SETTINGS, &shapes::SETTINGS]
            .concat();
    check_settings(settings, &known)?;
    if settings.is_empty() {
        return Err(Wrong::at(field, "a field needs a policy, a ref or a type: policy = \"last\""));
    }
    settings.get("policy").map(read_policy).transpose()
}

fn read_policy(value: &Value<'_>) -> Read<Policy> {
    read_word(value, "policy", Policy::ALL.map(|policy| (policy.name(), policy)))
}

fn read_update_after_delete(value: &Value<'_>) -> Read<UpdateAfterDelete> {
    read_word(value, "update_after_delete", UpdateAfterDelete::ALL.map(|rule| (rule.name(), rule)))
}

fn wrong_name<T>(name: &Spanned<T>, error: &NameError) -> Wrong {
    Wrong::at(name, error.to_string())
}

#[cfg(test)]
mod tests {
    use tapeline_core::name::StreamName;
    use tapeline_core::schema::{OnDelete, Reference};

    use super::*;

    fn collection(name: &str) -> Collection {
        Collection::new(name).unwrap()
    }

    fn field(name: &str) -> FieldName {
        FieldName::new(name).unwrap()
    }

    #[test]
    fn a_file_says_rules_of_collections_and_fields() {
        let text = "
            [collections.tasks]
            policy = 'reject'
            update_after_delete = 'revive'
            keep_events = true
            indexes = ['due date', ['done', 'title']]
            unique = [['done', 'title']]
            [collections.tasks.fields]
            title = 'ask'
            done = { policy = 'first', ref = 'states' }
            owner = { ref = 'people', unique = true, on_delete = 'set_null' }
            [collections.tasks.fields.'due date']
            policy = 'last'
            [collections.notes]
        ";
        let fields = [("done", Policy::First), ("due date", Policy::Last), ("title", Policy::Ask)];
        let tasks = Rules {
            policy: Policy::Reject,
            update_after_delete: UpdateAfterDelete::Revive,
            keep_events: true,
            indexes: vec![vec![field("due date")], vec![field("done"), field("title")]],
            fields: fields.into_iter().map(|(name, policy)| (field(name), policy)).collect(),
            unique: vec![vec![field("done"), field("title")], vec![field("owner")]],
            shapes: Vec::new(),
            refs: vec![
                Reference { field: field("done"), to: collection("states"), on_delete: None },
                Reference { field: field("owner"), to: collection("people"), on_delete: Some(OnDelete::SetNull) },
            ],
            renames: Vec::new(),
        };
        let expected = Schema::new([(collection("tasks"), tasks), (collection("notes"), Rules::default())]);
        assert_eq!(read_schema(text).map(|file| file.schema), Ok(expected));
    }

    #[test]
    fn a_file_says_which_events_stay() {
        let text = "
            [streams.'chat/*']
            retain = { events = 1_000 }
            [streams.'chat/support']
            retain = 'all'
            [streams.'*']
            retain = { days = 30 }
        ";
        let schema = read_schema(text).unwrap().schema;
        let retain = |name: &str| schema.retain(&StreamName::new(name).unwrap());
        assert_eq!(retain("chat/a"), Retain::Events(1_000));
        assert_eq!(retain("chat/support"), Retain::All);
        assert_eq!(retain("chat"), Retain::Days(30));
        assert_eq!(read_schema("").unwrap().schema.retain(&StreamName::new("a").unwrap()), Retain::All);
    }

    #[test]
    fn a_file_may_say_nothing() {
        for text in ["", "# nothing yet", "[collections]"] {
            let file = read_schema(text).unwrap();
            assert!(file.schema.is_empty() && file.authority.is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_what_would_be_right() {
        let cases = [
            ("[collections.a]\npolicy = ", (2, 10), "string"),
            ("colections = {}", (1, 1), "did you mean \"collections\"?"),
            ("[collections]\na = 1", (2, 5), "a table, as in [collections.tasks]"),
            ("[collections.a]\npolcy = 'last'", (2, 1), "did you mean \"policy\"?"),
            ("[collections.a]\nzzz = 'last'", (2, 1), "\"unique\", \"fields\", \"checks\" or \"rules\""),
            ("[collections.a]\nkeep_events = 'yes'", (2, 15), "true or false"),
            ("[collections.a]\nindexes = 'due'", (2, 11), "a list, of 16 at most"),
            ("[collections.a]\nindexes = ['due', ['id']]", (2, 20), "other than the id"),
            ("[collections.a]\nindexes = ['due', []]", (2, 19), "at least one field"),
            ("[collections.a]\nindexes = ['due', 'due']", (2, 19), "there is this index already"),
            ("[collections.a]\nindexes = [['due'], 'due']", (2, 21), "there is this index already"),
            ("[collections.a]\nindexes = [['due', 'due']]", (2, 20), "due is named already"),
            ("[collections.a]\nunique = [['row', 'row']]", (2, 19), "row is named already"),
            ("[collections.a.fields]\nid = 'ask'", (2, 1), "give the field another one"),
            ("[collections.a.fields]\nx = {type = 'int', min = 5, max = 1}", (2, 35), "max is less than min"),
            ("[collections.a.fields]\nx = {min_length = 5, max_length = 2}", (2, 35), "less than min_length"),
            ("[collections.a.fields]\nx = {type = 'int', one_of = [1, 'x']}", (2, 33), "it must be a whole number"),
            ("[collections.a.fields]\nx = {type = 'list', one_of = ['x']}", (2, 31), "it must be a list"),
            ("[collections.a.fields]\nx = {max = 3, one_of = [5]}", (2, 25), "it must be at most 3"),
            ("[collections.a.fields]\nx = {type = 'text', min = 5}", (2, 27), "min is of numbers"),
            ("[collections.a.fields]\nx = {type = 'bool', max_length = 5}", (2, 34), "max_length is of texts"),
            ("[streams.'a*b']\nretain = 'all'", (1, 10), "a * stands at the end"),
            ("[streams.a]", (1, 1), "needs to say what stays"),
            ("[streams.a]\nread = 'auth.sub == '", (2, 8), "expecting"),
            ("[streams.a]\nread = 'resource.a'", (2, 8), "it knows auth, stream"),
            ("[streams.a.rules.b]\nreed = 'true'", (2, 1), "did you mean \"read\"?"),
            ("[collections.a.rules]\nread = true", (2, 8), "a rule is a text"),
            ("[collections.a.rules]", (1, 1), "these are no rules"),
            ("[collections.a.rules.fields]\nb = 'size(new.b) > 3'", (2, 5), "it knows auth, stream, resource"),
            ("[streams.a]\nretain = 'some'", (2, 10), "{ days = 30 }"),
            ("[streams.a]\nretain = { event = 3 }", (2, 12), "did you mean \"events\"?"),
            ("[streams.a]\nretain = { events = 0 }", (2, 21), "a positive number"),
            ("[streams.a]\nretain = { days = 100000000000000 }", (2, 19), "a positive number, 4294967295 at most"),
            ("[streams.a]\nretain = { events = 1, days = 2 }", (2, 10), "\"all\","),
            ("[collections.a]\n  policy = 'lst'", (2, 12), "did you mean \"last\"?"),
            ("[collections.a]\npolicy = 'newest'", (2, 10), "\"last\", \"first\", \"reject\" or \"ask\""),
            ("[collections.a]\npolicy = 3", (2, 10), "no integer"),
            ("[collections.a]\nupdate_after_delete = 'drp'", (2, 23), "did you mean \"drop\"?"),
            ("[collections.a]\nfields = 'ask'", (2, 10), "[collections.tasks.fields]"),
            ("[collections.a.fields]\n'é' = {policy = 'x'}", (2, 17), "there is no policy \"x\""),
            ("[collections.a.fields]\nx = {}", (2, 5), "needs a policy, a ref or a type"),
            ("[collections.a.fields]\nx = {ref = ''}", (2, 12), "the collection name is empty"),
            ("[collections.a.fields]\nx = {ref = ['b']}", (2, 12), "ref names a collection"),
            ("[collections.a.fields]\nx = {ref = 'b', on_delete = 'casc'}", (2, 29), "\"cascade\" or \"set_null\""),
            ("[collections.a.fields]\nx = {on_delete = 'cascade'}", (2, 18), "to what it refers: ref"),
            (
                "[collections.a.fields]\nx = {ref = 'b', required = true, on_delete = 'set_null'}",
                (2, 46),
                "cannot become null",
            ),
            ("[collections.a.fields]\nx = {tipe = 'text'}", (2, 6), "did you mean \"type\"?"),
            ("[collections.a.fields]\nx = {type = 'string'}", (2, 13), "\"bytes\", \"list\" or \"map\""),
            ("[collections.a.fields]\nx = {min = 'a'}", (2, 12), "this is a number"),
            ("[collections.a.fields]\nx = {max_length = -1}", (2, 19), "0 or more"),
            ("[collections.a.fields]\nx = {pattern = '[a-'}", (2, 16), "unclosed character class"),
            ("[collections.a.fields]\nx = {pattern = 1}", (2, 16), "a pattern is a text"),
            ("[collections.a.fields]\nx = {unique = 1}", (2, 15), "true or false"),
            ("[collections.a]\nunique = ['b']", (2, 11), "lists of them, as in unique = [[\"row\", \"number\"]]"),
            ("[collections.a]\nchecks = 1", (2, 10), "checks are a list, of 64 at most"),
            ("[[collections.a.checks]]\nholds = 'true'", (1, 1), "and a message: message"),
            (
                "[[collections.a.checks]]\nholds = 'resource.a'\nmessage = 'no'",
                (2, 9),
                "it knows auth, stream, old, new",
            ),
            ("[[collections.a.checks]]\nholds = 'true'\nmessage = ''", (3, 11), "of up to 500 bytes"),
            ("[[collections.a.checks]]\nholds = 'true'\nmessage = 'no'\nfield = 1", (4, 9), "field names a field"),
            ("[collections.a.fields]\nx = {one_of = []}", (2, 15), "one_of is a list"),
            ("[collections.'']", (1, 14), "the collection name is empty"),
            ("[collections.a.fields]\n\"a\\u0007\" = 'ask'", (2, 1), "the field name has the character"),
            ("[collections.a]\n[collections.a]", (2, 14), "duplicate"),
        ];
        for (text, place, words) in cases {
            let error = read_schema(text).unwrap_err();
            assert_eq!((error.line, error.column), place, "{text}: {error}");
            assert!(error.what.contains(words), "{text}: {error}");
        }
    }
}
