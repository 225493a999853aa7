//! The backend file: whom a server asks and tells, as an operator writes it, in TOML.
//!
//! ```toml
//! [[validators]]
//! name = "stock"
//! url = "https://shop.example.com/validate"
//! secret_file = "stock.secret"       # echo whsec_$(openssl rand -base64 32)
//! streams = ["shops/*"]              # all, where it does not say
//! collections = ["orders"]           # all, where it does not say
//! unreachable = "wait"               # or "pass": events are recorded without its word
//! timeout_seconds = 2                # of each of three tries; 5 at most
//!
//! [[receivers]]
//! name = "mail"
//! url = "https://shop.example.com/events"
//! secret_file = "mail.secret"
//! streams = ["shops/*"]              # all, where it does not say
//! begin = "start"                    # or "now"
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tapeline_core::name::Collection;
use tapeline_core::retention::{PatternError, StreamPattern};
use toml::Spanned;
use toml::de::{DeArray, DeTable};

use super::endpoint::Endpoint;
use super::receivers::{Begin, Receiver};
use super::secret::{self, Secrets};
use super::webhook::Webhook;
use super::{Backend, Unreachable, Validation};
use crate::address::Address;
use crate::files::{FileError, read_bounded, read_file};
use crate::limits;
use tapeline_authority::toml_file::{
    Read, Value, Wrong, check_settings, read_text, read_toml, read_word, table, tables,
};

const VALIDATORS: &str = "[[validators]]";
const RECEIVERS: &str = "[[receivers]]";

pub(super) fn read(path: &Path) -> Result<Backend, FileError> {
    let text = read_file(path, limits::BACKEND_FILE_BYTES)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    Ok(read_toml(&text, |root| read_root(root, directory))?)
}

fn read_root(root: &DeTable<'_>, directory: &Path) -> Read<Backend> {
    check_settings(root, &["validators", "receivers"])?;
    let validators = root.get("validators").map(|all| tables(all, VALIDATORS, limits::VALIDATORS)).transpose()?;
    let receivers = root.get("receivers").map(|all| tables(all, RECEIVERS, limits::RECEIVERS)).transpose()?;
    Ok(Backend {
        validators: read_each("validator", validators, |place| read_validator(place, directory), |it| &it.name)?,
        receivers: read_each("receiver", receivers, |place| read_receiver(place, directory), |it| &it.name)?,
    })
}

/// Reads tables that have names, each another one.
fn read_each<T>(
    what: &str,
    tables: Option<&DeArray<'_>>,
    read: impl Fn(&Value<'_>) -> Read<T>,
    name: impl Fn(&T) -> &String,
) -> Read<Vec<T>> {
    let mut all: Vec<T> = Vec::new();
    for place in tables.into_iter().flat_map(|tables| tables.iter()) {
        let one = read(place)?;
        if all.iter().any(|other| name(other) == name(&one)) {
            return Err(Wrong::at(place, format!("another {what} has this name")));
        }
        all.push(one);
    }
    Ok(all)
}

fn read_receiver(place: &Value<'_>, directory: &Path) -> Read<Receiver> {
    let settings = table(place, "a receiver", RECEIVERS)?;
    check_settings(settings, &["name", "url", "secret_file", "streams", "begin"])?;
    Ok(Receiver {
        name: read_name(place, settings)?,
        streams: read_streams(settings)?,
        begin: settings.get("begin").map(read_begin).transpose()?.unwrap_or_default(),
        endpoint: read_endpoint(place, settings, directory, limits::RECEIVER_WITHIN)?,
    })
}

fn read_begin(value: &Value<'_>) -> Read<Begin> {
    read_word(value, "place to begin", [("start", Begin::Start), ("now", Begin::Now)])
}

fn read_validator(place: &Value<'_>, directory: &Path) -> Read<Validation> {
    let settings = table(place, "a validator", VALIDATORS)?;
    const KNOWN: [&str; 7] = ["name", "url", "secret_file", "streams", "collections", "unreachable", "timeout_seconds"];
    check_settings(settings, &KNOWN)?;
    let within = settings.get("timeout_seconds").map(read_timeout).transpose()?.unwrap_or(limits::VALIDATOR_WITHIN);
    let name = read_name(place, settings)?;
    let endpoint = read_endpoint(place, settings, directory, within)?;
    let unreachable = settings.get("unreachable").map(read_unreachable).transpose()?.unwrap_or_default();
    Ok(Validation {
        streams: read_streams(settings)?,
        collections: settings.get("collections").map(read_collections).transpose()?.unwrap_or_default(),
        unreachable,
        validator: Arc::new(Webhook { name: name.clone(), endpoint }),
        name,
    })
}

fn read_unreachable(value: &Value<'_>) -> Read<Unreachable> {
    read_word(value, "way to go on", [("wait", Unreachable::Wait), ("pass", Unreachable::Pass)])
}

fn read_timeout(value: &Value<'_>) -> Read<Duration> {
    let most = limits::VALIDATOR_WITHIN_MOST.as_secs();
    let number = value.get_ref().as_integer().and_then(|it| u64::from_str_radix(it.as_str(), it.radix()).ok());
    let seconds = number.filter(|seconds| (1..=most).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| Wrong::at(value, format!("this is a number of seconds, 1 to {most}")))
}

fn read_name(place: &Value<'_>, settings: &DeTable<'_>) -> Read<String> {
    let name = needed(place, settings, "name", "name = \"stock\"")?;
    let text = read_text(name)?;
    let is_name = text.len() <= limits::BACKEND_NAME_BYTES
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let wanted = || Wrong::at(name, format!("this is up to {} letters, digits and -", limits::BACKEND_NAME_BYTES));
    is_name.then(|| text.into()).ok_or_else(wanted)
}

fn read_endpoint(place: &Value<'_>, settings: &DeTable<'_>, directory: &Path, within: Duration) -> Read<Endpoint> {
    let url = needed(place, settings, "url", "url = \"https://shop.example.com/validate\"")?;
    let wanted = "this is an https:// address; http:// is for this machine alone";
    let address = Address::parse(read_text(url)?).ok_or_else(|| Wrong::at(url, wanted))?;
    let file =
        needed(place, settings, "secret_file", "secret_file = \"stock.secret\", which has what posts are signed with")?;
    let path = directory.join(read_text(file)?);
    let bytes = read_bounded(&path, limits::KEY_FILE_BYTES);
    let bytes = bytes.map_err(|error| Wrong::at(file, format!("{} cannot be read: {error}", path.display())))?;
    let secrets = std::str::from_utf8(&bytes).ok().and_then(Secrets::read);
    let secrets = secrets.ok_or_else(|| Wrong::at(file, format!("a secret is {}", secret::EXAMPLE)))?;
    Ok(Endpoint::new(address, secrets, within))
}

fn read_streams(settings: &DeTable<'_>) -> Read<Vec<StreamPattern>> {
    let Some(streams) = settings.get("streams") else { return Ok(Vec::new()) };
    let pattern = |text: &str| text.parse().map_err(|error: PatternError| error.to_string());
    read_list(streams, "[\"shops/*\"]", pattern)
}

fn read_collections(collections: &Value<'_>) -> Read<Vec<Collection>> {
    read_list(collections, "[\"orders\"]", |text| Collection::new(text).map_err(|error| error.to_string()))
}

/// Reads a list that has something.
fn read_list<T>(value: &Value<'_>, example: &str, read: impl Fn(&str) -> Result<T, String>) -> Read<Vec<T>> {
    let list = value.get_ref().as_array().filter(|list| (1..=limits::BACKEND_NAMES).contains(&list.len()));
    let wanted = || Wrong::at(value, format!("this is a list, of 1 to {}, as in {example}", limits::BACKEND_NAMES));
    let items = list.ok_or_else(wanted)?.iter();
    items.map(|item| read(read_text(item)?).map_err(|what| Wrong::at(item, what))).collect()
}

fn needed<'v, 't, T>(place: &Spanned<T>, settings: &'v DeTable<'t>, name: &str, example: &str) -> Read<&'v Value<'t>> {
    settings.get(name).ok_or_else(|| Wrong::at(place, format!("this needs {example}")))
}
