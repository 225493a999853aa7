//! The auth file: who may connect, as an operator writes it, in TOML.
//!
//! ```toml
//! [tokens]
//! audience = "tapeline"              # must be among a token's aud, where it stands here
//! issuer = "https://id.example.com"
//! leeway_seconds = 30                # how far clocks may be apart
//! jwks_url = "https://id.example.com/.well-known/jwks.json"
//! revoked_file = "revoked.txt"
//! optional = false                   # true: who shows nothing is let in, and the rules say what they may
//!
//! [[tokens.keys]]
//! id = "2026-11"                     # the kid by which tokens name it
//! algorithm = "EdDSA"                # HS256, RS256, ES256 or EdDSA
//! public_key_file = "ed.pem"         # or secret_file, for HS256
//!
//! [[keys]]                           # API keys, for servers
//! name = "backend"
//! hash = "sha256:…"                  # made by `tapeline key backend`
//! subject = "backend"
//! claims = { role = "server" }
//! trusted = true                     # no rule holds for it
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use tapeline_core::caller::Caller;
use tapeline_core::name::Subject;
use toml::Spanned;
use toml::de::DeTable;

use super::api_key::{self, ApiKey, Hash};
use super::claims::Expected;
use super::keys::{ALGORITHMS, Key, SECRET_BYTES};
use super::values::read_claims;
use crate::address::Address;
use crate::files::{FileError, read_bounded};
use crate::limits;
use tapeline_authority::toml_file::{
    Read, Value, Wrong, check_settings, read_flag, read_text, read_toml, read_word, table, tables,
};

/// What an auth file says, with the keys of the files that it names.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Whether who shows nothing is let in, as nobody in particular.
    pub(super) optional: bool,
    pub(super) expected: Expected,
    pub(super) keys: Vec<Key>,
    pub(super) jwks: Option<Address>,
    pub(super) revoked_file: Option<PathBuf>,
    pub(super) api_keys: Vec<Arc<ApiKey>>,
}

impl Settings {
    /// Reads an auth file. What it names is found from `directory`.
    pub(super) fn read(text: &str, directory: &Path) -> Result<Self, FileError> {
        Ok(read_toml(text, |root| read_root(root, directory))?)
    }
}

/// The files that an auth file names, as far as it can be read.
pub(super) fn named_files(text: &str, directory: &Path) -> Vec<PathBuf> {
    let (root, _) = DeTable::parse_recoverable(text);
    let Some(tokens) = root.get_ref().get("tokens").and_then(|tokens| tokens.get_ref().as_table()) else {
        return Vec::new();
    };
    let keys = tokens.get("keys").and_then(|keys| keys.get_ref().as_array()).into_iter().flat_map(|keys| keys.iter());
    let of_keys = keys.filter_map(|key| key.get_ref().as_table());
    let of_keys = of_keys.flat_map(|key| [key.get("public_key_file"), key.get("secret_file")]);
    let named = of_keys.chain([tokens.get("revoked_file")]).flatten().filter_map(|name| name.get_ref().as_str());
    named.map(|name| directory.join(name)).collect()
}

fn read_root(root: &DeTable<'_>, directory: &Path) -> Read<Settings> {
    check_settings(root, &["tokens", "keys"])?;
    let tokens = root.get("tokens").map(|tokens| read_tokens(tokens, directory)).transpose()?.unwrap_or_default();
    let api_keys = root.get("keys").map(read_api_keys).transpose()?.unwrap_or_default();
    Ok(Settings { api_keys, ..tokens })
}

fn read_tokens(tokens: &Value<'_>, directory: &Path) -> Read<Settings> {
    let tokens = table(tokens, "tokens", "[tokens]")?;
    check_settings(tokens, &["audience", "issuer", "leeway_seconds", "jwks_url", "revoked_file", "optional", "keys"])?;
    let text_of = |name| tokens.get(name).map(read_text).transpose();
    let expected = Expected {
        audience: text_of("audience")?.map(Into::into),
        issuer: text_of("issuer")?.map(Into::into),
        leeway: tokens.get("leeway_seconds").map(read_leeway).transpose()?.unwrap_or(limits::LEEWAY),
    };
    let keys = tokens.get("keys").map(|keys| read_keys(keys, directory)).transpose()?.unwrap_or_default();
    let revoked_file = text_of("revoked_file")?.map(|name| directory.join(name));
    let jwks = tokens.get("jwks_url").map(read_address).transpose()?;
    let optional = tokens.get("optional").map(read_flag).transpose()?.unwrap_or_default();
    Ok(Settings { optional, expected, keys, jwks, revoked_file, api_keys: Vec::new() })
}

fn read_leeway(value: &Value<'_>) -> Read<Duration> {
    let seconds =
        value.get_ref().as_integer().and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
    let leeway = seconds.map(Duration::from_secs).filter(|leeway| *leeway <= limits::LEEWAY_MOST);
    let most = limits::LEEWAY_MOST.as_secs();
    leeway.ok_or_else(|| Wrong::at(value, format!("this is a number of seconds, {most} at most")))
}

fn read_address(value: &Value<'_>) -> Read<Address> {
    let wanted = "this is an https:// address; http:// is for this machine alone";
    Address::parse(read_text(value)?).ok_or_else(|| Wrong::at(value, wanted))
}

fn read_keys(keys: &Value<'_>, directory: &Path) -> Read<Vec<Key>> {
    let mut read: Vec<Key> = Vec::new();
    for key in tables(keys, "[[tokens.keys]]", limits::TOKEN_KEYS)?.iter() {
        let settings = table(key, "a key", "[[tokens.keys]]")?;
        check_settings(settings, &["id", "algorithm", "public_key_file", "secret_file"])?;
        let id = needed(key, settings, "id", "id = \"2026-11\", the kid by which tokens name it")?;
        let algorithm = needed(key, settings, "algorithm", "algorithm = \"EdDSA\"")?;
        let algorithm = read_word(algorithm, "algorithm", ALGORITHMS)?;
        if read.iter().any(|other| other.id.as_deref() == id.get_ref().as_str()) {
            return Err(Wrong::at(id, "another key has this id"));
        }
        read.push(read_key(key, settings, read_text(id)?, algorithm, directory)?);
    }
    Ok(read)
}

fn read_key(key: &Value<'_>, settings: &DeTable<'_>, id: &str, algorithm: Algorithm, directory: &Path) -> Read<Key> {
    let (name, other, example) = match algorithm {
        Algorithm::HS256 => ("secret_file", "public_key_file", "secret_file = \"secret.txt\" for HS256"),
        _ => ("public_key_file", "secret_file", "public_key_file = \"key.pem\" for its algorithm"),
    };
    if let Some(other) = settings.get(other) {
        return Err(Wrong::at(other, format!("a key of this algorithm is in a {name}")));
    }
    let file = needed(key, settings, name, example)?;
    let path = directory.join(read_text(file)?);
    let bytes = read_bounded(&path, limits::KEY_FILE_BYTES);
    let bytes = bytes.map_err(|error| Wrong::at(file, format!("{} cannot be read: {error}", path.display())))?;
    if algorithm != Algorithm::HS256 && bytes.windows(PRIVATE.len()).any(|part| part == PRIVATE) {
        return Err(Wrong::at(
            file,
            "this is a private key: the server verifies with the public one, and is safer without",
        ));
    }
    Key::read(id, algorithm, bytes.trim_ascii_end()).ok_or_else(|| Wrong::at(file, what_a_key_is(algorithm)))
}

/// Stands in the first line of a private key.
const PRIVATE: &[u8] = b"PRIVATE KEY";

fn what_a_key_is(algorithm: Algorithm) -> String {
    match algorithm {
        Algorithm::HS256 => {
            format!("a secret has at least {SECRET_BYTES} bytes, as openssl rand -hex {SECRET_BYTES} makes")
        }
        Algorithm::RS256 => "this is no public RSA key in a PEM file".into(),
        Algorithm::ES256 => "this is no public key on P-256 in a PEM file".into(),
        _ => "this is no public Ed25519 key in a PEM file".into(),
    }
}

fn read_api_keys(keys: &Value<'_>) -> Read<Vec<Arc<ApiKey>>> {
    let mut read: Vec<Arc<ApiKey>> = Vec::new();
    for key in tables(keys, "[[keys]]", limits::API_KEYS)?.iter() {
        let settings = table(key, "a key", "[[keys]]")?;
        check_settings(settings, &["name", "hash", "subject", "claims", "trusted"])?;
        let name = needed(key, settings, "name", "name = \"backend\"")?;
        if read.iter().any(|other| name.get_ref().as_str() == Some(&other.name)) {
            return Err(Wrong::at(name, "another key has this name"));
        }
        read.push(Arc::new(read_api_key(key, settings, name)?));
    }
    Ok(read)
}

fn read_api_key(key: &Value<'_>, settings: &DeTable<'_>, name: &Value<'_>) -> Read<ApiKey> {
    let hash = needed(key, settings, "hash", "hash = \"sha256:…\", made by tapeline key NAME")?;
    let name_text = read_text(name)?;
    if !api_key::is_name(name_text) {
        return Err(Wrong::at(name, "a key's name is up to 64 letters, digits and -"));
    }
    let wanted = "this is sha256: and 64 hexadecimal digits, made by tapeline key NAME";
    let hash = Hash::parse(read_text(hash)?).ok_or_else(|| Wrong::at(hash, wanted))?;
    let subject = settings.get("subject").map(read_subject).transpose()?;
    let claims = settings.get("claims").map(read_claims).transpose()?.unwrap_or_default();
    let is_trusted = settings.get("trusted").map(read_flag).transpose()?.unwrap_or_default();
    Ok(ApiKey { name: name_text.into(), hash, caller: Caller { subject, claims, is_trusted } })
}

fn read_subject(value: &Value<'_>) -> Read<Subject> {
    Subject::new(read_text(value)?).map_err(|error| Wrong::at(value, error.to_string()))
}

fn needed<'v, 't, T>(place: &Spanned<T>, settings: &'v DeTable<'t>, name: &str, example: &str) -> Read<&'v Value<'t>> {
    settings.get(name).ok_or_else(|| Wrong::at(place, format!("a key needs {example}")))
}
