//! Pages in CBOR, and what belongs to them: subscriptions, and fillings that were cut off.

use super::frame::{Entries, kind};
use super::op::read_key;
use super::server_frame::read_digest;
use super::value::read_value;
use super::{CodecError, Reader, Writer, read_array, read_null, read_tuple, wrong};
use crate::frame::{End, Filling, Item, Page, Progress, Subscription};
use crate::hash::{Chain, KeyHash};
use crate::name::Key;
use crate::numbers::{QueryNumber, Seq};
use crate::value::Value;

const HEAD: u64 = 2;
const FROM: u64 = 3;
const TO: u64 = 4;
const FRESH: u64 = 5;
const QUERY: u64 = 6;
const ITEMS: u64 = 7;
const GONE: u64 = 8;
const AFTER: u64 = 9;
const END: u64 = 10;
const PROGRESS: u64 = 11;
const CHAIN: u64 = 12;
const GONE_UNNAMED: u64 = 13;

impl Writer {
    pub(super) fn page(&mut self, page: &Page) -> &mut Self {
        let optional = [
            page.fresh,
            page.query.is_some(),
            !page.gone.is_empty(),
            !page.gone_unnamed.is_empty(),
            page.after.is_some(),
            page.end.is_some(),
            page.progress.is_some(),
        ];
        self.frame(kind::PAGE, 6 + optional.into_iter().map(u64::from).sum::<u64>()).channel(page.channel);
        self.uint(HEAD).uint(page.head.0).uint(FROM).uint(page.from.0).uint(TO).uint(page.to.0);
        self.entry_if_so(FRESH, page.fresh).entry_if(QUERY, page.query.map(|query| query.0.into()));
        let items = self.uint(ITEMS).array(page.items.len() as u64);
        page.items.iter().fold(items, Self::item);
        if !page.gone.is_empty() {
            let gone = self.uint(GONE).array(page.gone.len() as u64);
            page.gone.iter().fold(gone, |gone, key| gone.array(2).key(key));
        }
        if let Some(after) = &page.after {
            self.uint(AFTER).array(2).key(after);
        }
        if let Some(end) = &page.end {
            self.uint(END).end(end);
        }
        if let Some(progress) = &page.progress {
            self.uint(PROGRESS).progress(progress);
        }
        self.uint(CHAIN).uint(page.chain.0);
        if !page.gone_unnamed.is_empty() {
            let gone = self.uint(GONE_UNNAMED).array(page.gone_unnamed.len() as u64);
            page.gone_unnamed.iter().fold(gone, |gone, hash| gone.uint(hash.0));
        }
        self
    }

    /// `[collection, id, whole, entry]`
    fn item(&mut self, item: &Item) -> &mut Self {
        self.array(4).key(&item.key).bool(item.whole).bytes(&item.entry)
    }

    /// `[digest | null, purge]`
    fn end(&mut self, end: &End) -> &mut Self {
        self.array(2);
        match end.digest {
            Some(digest) => self.bits(digest.0),
            None => self.null(),
        };
        self.bool(end.purge)
    }

    /// `[objects, of, bytes]`
    pub(crate) fn progress(&mut self, progress: &Progress) -> &mut Self {
        self.array(3).uint(progress.objects).uint(progress.of).uint(progress.bytes)
    }

    /// `[to, latest, chain, [collection, id]]`
    pub(crate) fn filling(&mut self, filling: &Filling) -> &mut Self {
        let Filling { to, latest, chain, after } = filling;
        self.array(4).uint(to.0).uint(latest.0).uint(chain.0).array(2).key(after)
    }

    /// `[number, query, ready]`
    pub(crate) fn subscription(&mut self, subscription: &Subscription) -> &mut Self {
        self.array(3).uint(subscription.number.0.into()).value(&subscription.query).bool(subscription.ready)
    }
}

pub(super) fn read_page(entries: &Entries<'_>) -> Result<Page, Box<CodecError>> {
    let items = |reader: &mut _| read_array(reader, "items in one page", usize::MAX, read_item);
    let gone = |reader: &mut _| read_array(reader, "keys that are gone", usize::MAX, read_whole_key);
    let hash = |reader: &mut Reader<'_>| Ok(KeyHash(reader.u64()?));
    let gone_unnamed = |reader: &mut _| read_array(reader, "keys that are gone", usize::MAX, hash);
    Ok(Page {
        channel: entries.channel()?,
        head: Seq(entries.count(HEAD, "head")?),
        from: Seq(entries.count(FROM, "from")?),
        to: Seq(entries.count(TO, "to")?),
        chain: Chain(entries.need(CHAIN, "chain", Reader::u64)?),
        fresh: entries.is_so(FRESH)?,
        query: entries.get(QUERY, Reader::u32)?.map(QueryNumber),
        items: entries.get(ITEMS, items)?.unwrap_or_default(),
        gone: entries.get(GONE, gone)?.unwrap_or_default(),
        gone_unnamed: entries.get(GONE_UNNAMED, gone_unnamed)?.unwrap_or_default(),
        after: entries.get(AFTER, read_whole_key)?,
        end: entries.get(END, read_end)?,
        progress: entries.get(PROGRESS, read_progress)?,
    })
}

fn read_item(reader: &mut Reader<'_>) -> Result<Item, Box<CodecError>> {
    read_tuple(reader, 4, "an item")?;
    Ok(Item { key: read_key(reader)?, whole: read_bool(reader)?, entry: reader.bytes()?.to_vec() })
}

fn read_whole_key(reader: &mut Reader<'_>) -> Result<Key, Box<CodecError>> {
    read_tuple(reader, 2, "a key")?;
    read_key(reader)
}

fn read_end(reader: &mut Reader<'_>) -> Result<End, Box<CodecError>> {
    read_tuple(reader, 2, "the end of a filling")?;
    let digest = if read_null(reader)? { None } else { Some(read_digest(reader)?) };
    Ok(End { digest, purge: read_bool(reader)? })
}

pub(crate) fn read_progress(reader: &mut Reader<'_>) -> Result<Progress, Box<CodecError>> {
    read_tuple(reader, 3, "progress")?;
    Ok(Progress { objects: reader.count()?, of: reader.count()?, bytes: reader.count()? })
}

pub(crate) fn read_filling(reader: &mut Reader<'_>) -> Result<Filling, Box<CodecError>> {
    read_tuple(reader, 4, "a filling")?;
    let (to, latest) = (Seq(reader.count()?), Seq(reader.count()?));
    Ok(Filling { to, latest, chain: Chain(reader.u64()?), after: read_whole_key(reader)? })
}

pub(crate) fn read_subscription(reader: &mut Reader<'_>) -> Result<Subscription, Box<CodecError>> {
    read_tuple(reader, 3, "a subscription")?;
    Ok(Subscription { number: QueryNumber(reader.u32()?), query: read_value(reader)?, ready: read_bool(reader)? })
}

fn read_bool(reader: &mut Reader<'_>) -> Result<bool, Box<CodecError>> {
    match read_value(reader)? {
        Value::Bool(truth) => Ok(truth),
        _ => Err(wrong("no truth value where one is expected")),
    }
}
