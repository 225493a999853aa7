//! Pages in JSON, and what belongs to them: subscriptions, and fillings that were cut off.
//!
//! An object is spelled so that a person can read it: its fields as they are, its versions as `[seq, client]` or
//! `[seq, client, seq of the other]`, of a field only where they are not the object's own.

use std::sync::Arc;

use super::members::Members;
use super::op::{read_client, read_fields, read_place};
use super::tree::Json;
use super::value::read_value;
use super::{CodecError, Writer};
use crate::codec::cbor::{decode_entry, encode_entry};
use crate::frame::{End, ErrorCode, ErrorFrame, Filling, Item, Page, Progress, Subscription};
use crate::hash::{Chain, Digest, KeyHash};
use crate::limits;
use crate::name::{FieldName, Key, Subject};
use crate::numbers::{Millis, QueryNumber, Seq};
use crate::object::{Conflict, Entry, Field, Object, Stamp, Version};
use crate::op::FieldMap;

impl Writer {
    /// Objects are stored as CBOR. Where one of them cannot be read, the client is told so in place of all.
    pub(super) fn page_or_error(&mut self, page: &Page) {
        match page.items.iter().map(read_entry).collect::<Result<Vec<_>, _>>() {
            Ok(objects) => self.frame("page", |frame| frame.page(page, &objects)),
            Err(error) => self.frame("error", |frame| frame.error(&unreadable(page, &error))),
        }
    }

    fn page(&mut self, page: &Page, objects: &[Arc<Object>]) {
        self.channel(page.channel).key("head").uint(page.head.0).key("from").uint(page.from.0);
        self.key("to").uint(page.to.0).key("chain").hex_64(page.chain.0).member_if_so("fresh", page.fresh);
        if let Some(query) = page.query {
            self.key("query").uint(query.0.into());
        }
        self.key("items").list_of(page.items.iter().zip(objects), |list, (item, object)| list.item(item, object));
        if !page.gone.is_empty() {
            self.key("gone").list_of(&page.gone, |list, key| list.place(key, None));
        }
        if !page.gone_unnamed.is_empty() {
            self.key("gone_unnamed").list_of(&page.gone_unnamed, |list, hash| list.hex_64(hash.0));
        }
        if let Some(after) = &page.after {
            self.key("after").place(after, None);
        }
        if let Some(end) = &page.end {
            self.key("end").object(|object| object.end(end));
        }
        if let Some(Progress { objects, of, bytes }) = page.progress {
            self.key("progress").object(|object| {
                object.key("objects").uint(objects).key("of").uint(of).key("bytes").uint(bytes);
            });
        }
    }

    fn item(&mut self, item: &Item, object: &Object) -> &mut Self {
        self.object(|list| {
            list.key("object").place(&item.key, None).member_if_so("whole", item.whole);
            list.key("created").stamp(object.created()).key("version").version(object.version());
            list.key("fields").values(object.values().map(|(name, value)| (name.as_str(), value)));
            list.field_versions(object);
            if !object.members().is_empty() {
                list.key("members").list_of(object.members(), |list, (field, versions)| {
                    list.object(|set| {
                        set.key("field")
                            .text(field.as_str())
                            .key("versions")
                            .list_of(versions, |list, version| list.version(*version));
                    })
                });
            }
            if !object.conflicts().is_empty() {
                list.key("conflicts").list_of(object.conflicts(), Self::conflict);
            }
        })
    }

    /// The versions of those fields that do not have the object's own.
    fn field_versions(&mut self, object: &Object) {
        if object.fields().all(|(_, field)| field.version == object.version()) {
            return;
        }
        self.key("versions").object(|versions| {
            for (name, field) in object.fields().filter(|(_, field)| field.version != object.version()) {
                versions.key(name.as_str()).version(field.version);
            }
        });
    }

    fn stamp(&mut self, stamp: Stamp) -> &mut Self {
        self.version(Version::first(stamp))
    }

    fn version(&mut self, Version { last, other }: Version) -> &mut Self {
        self.list(|list| {
            list.uint(last.seq.0).client(last.client);
            if let Some(other) = other {
                list.uint(other.0);
            }
        })
    }

    fn conflict(&mut self, conflict: &Conflict) -> &mut Self {
        self.object(|object| {
            object.key("field").text(conflict.field.as_str()).key("value").value(&conflict.value);
            object.key("stamp").stamp(conflict.stamp).key("at").uint(conflict.at.0);
            if let Some(actor) = &conflict.actor {
                object.key("actor").text(actor.as_str());
            }
        })
    }

    fn end(&mut self, end: &End) {
        if let Some(digest) = end.digest {
            self.key("digest").hex_128(digest.0);
        }
        self.member_if_so("purge", end.purge);
    }

    pub(super) fn subscription(&mut self, subscription: &Subscription) -> &mut Self {
        self.object(|object| {
            object.key("number").uint(subscription.number.0.into()).key("query").value(&subscription.query);
            object.member_if_so("ready", subscription.ready);
        })
    }
}

fn read_entry(item: &Item) -> Result<Arc<Object>, CodecError> {
    let missing = CodecError::Missing { what: "an item", part: "live object" };
    decode_entry(&item.entry)?.live().cloned().ok_or(missing)
}

fn unreadable(page: &Page, error: &CodecError) -> ErrorFrame {
    ErrorFrame {
        channel: Some(page.channel),
        code: ErrorCode::Internal,
        message: format!("an object at {} cannot be read: {error}", page.to),
        n: None,
        retry: None,
    }
}

pub(super) fn read_page(mut frame: Members) -> Result<Page, CodecError> {
    let items = |json: Json| json.list_of("items in one page", usize::MAX, read_item);
    let gone = |json: Json| json.list_of("keys that are gone", usize::MAX, read_key);
    let hash = |json: Json| Ok(KeyHash(json.hex_64("a hash")?));
    let gone_unnamed = |json: Json| json.list_of("keys that are gone", usize::MAX, hash);
    let query = frame.has("query").then(|| frame.small("query")).transpose()?;
    Ok(Page {
        channel: frame.channel()?,
        head: Seq(frame.count("head")?),
        from: Seq(frame.count("from")?),
        to: Seq(frame.count("to")?),
        chain: Chain(frame.need("chain")?.hex_64("chain")?),
        fresh: frame.is_so("fresh"),
        query: query.map(QueryNumber),
        items: frame.read_if_any("items", items)?.unwrap_or_default(),
        gone: frame.read_if_any("gone", gone)?.unwrap_or_default(),
        gone_unnamed: frame.read_if_any("gone_unnamed", gone_unnamed)?.unwrap_or_default(),
        after: frame.read_if_any("after", read_key)?,
        end: frame.read_if_any("end", read_end)?,
        progress: frame.read_if_any("progress", read_progress)?,
    })
}

fn read_key(json: Json) -> Result<Key, CodecError> {
    read_place(json, "a key").map(|(key, _)| key)
}

/// Writes the object again as it is stored.
fn read_item(json: Json) -> Result<Item, CodecError> {
    let mut item = Members::of(json, "an item")?;
    let (key, whole) = (read_key(item.need("object")?)?, item.is_so("whole"));
    let (created, version) = (read_version(item.need("created")?)?.last, read_version(item.need("version")?)?);
    let versions = item.read_if_any("versions", |json| read_named(json, read_version))?.unwrap_or_default();
    let values = FieldMap::new(read_fields(item.need("fields")?, "fields", |value| value)?)?;
    CodecError::check_count("fields of one object", values.len(), limits::OBJECT_FIELDS)?;
    let fields = values.iter().map(|(name, value)| {
        let own = versions.iter().find(|(named, _)| named == name).map_or(version, |(_, version)| *version);
        (name, Field { value, version: own })
    });
    let members = |json: Json| json.list_of("sets of one object", limits::OBJECT_FIELDS, read_members);
    let conflicts = |json: Json| json.list_of("conflicts of one object", limits::CONFLICTS, read_conflict);
    let object = Object::of(created, version, fields.collect()).with(
        item.read_if_any("members", members)?.unwrap_or_default(),
        item.read_if_any("conflicts", conflicts)?.unwrap_or_default(),
    );
    Ok(Item { key, whole, entry: encode_entry(&Entry::Live(Arc::new(object))) })
}

/// Reads something for each of some fields.
fn read_named<T>(json: Json, read: impl Fn(Json) -> Result<T, CodecError>) -> Result<Vec<(FieldName, T)>, CodecError> {
    json.map("fields")?.into_iter().map(|(name, json)| Ok((FieldName::new(name)?, read(json)?))).collect()
}

fn read_members(json: Json) -> Result<(FieldName, Vec<Version>), CodecError> {
    let mut set = Members::of(json, "a set")?;
    let versions = set.need("versions")?.list_of("members of a set", usize::MAX, read_version)?;
    Ok((FieldName::new(set.text("field")?)?, versions))
}

fn read_version(json: Json) -> Result<Version, CodecError> {
    let missing = || CodecError::Json("a version is [seq, client] or [seq, client, seq]".into());
    let mut parts = json.list("a version")?.into_iter();
    let seq = Seq(parts.next().ok_or_else(missing)?.count("seq")?);
    let client = read_client(parts.next().ok_or_else(missing)?)?;
    let other = parts.next().map(|json| json.count("seq")).transpose()?.map(Seq);
    Ok(Version { last: Stamp { seq, client }, other })
}

fn read_conflict(json: Json) -> Result<Conflict, CodecError> {
    let mut conflict = Members::of(json, "a conflict")?;
    Ok(Conflict {
        field: FieldName::new(conflict.text("field")?)?,
        value: read_value(conflict.need("value")?)?,
        stamp: read_version(conflict.need("stamp")?)?.last,
        at: Millis(conflict.count("at")?),
        actor: conflict.text_if_any("actor")?.map(Subject::new).transpose()?,
    })
}

fn read_end(json: Json) -> Result<End, CodecError> {
    let mut end = Members::of(json, "the end of a filling")?;
    Ok(End { digest: end.read_if_any("digest", |json| json.hex_128("digest"))?.map(Digest), purge: end.is_so("purge") })
}

fn read_progress(json: Json) -> Result<Progress, CodecError> {
    let mut progress = Members::of(json, "progress")?;
    let mut count = |part| Ok::<_, CodecError>(progress.count_if_any(part)?.unwrap_or_default());
    Ok(Progress { objects: count("objects")?, of: count("of")?, bytes: count("bytes")? })
}

pub(super) fn read_filling(json: Json) -> Result<Filling, CodecError> {
    let mut filling = Members::of(json, "a filling")?;
    Ok(Filling {
        to: Seq(filling.count("to")?),
        latest: Seq(filling.count("latest")?),
        chain: Chain(filling.need("chain")?.hex_64("chain")?),
        after: read_key(filling.need("after")?)?,
    })
}

pub(super) fn read_subscription(json: Json) -> Result<Subscription, CodecError> {
    let mut subscription = Members::of(json, "a subscription")?;
    Ok(Subscription {
        number: QueryNumber(subscription.small("number")?),
        query: read_value(subscription.need("query")?)?,
        ready: subscription.is_so("ready"),
    })
}
