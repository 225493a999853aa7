//! `token`: a token for development, signed as an auth file has it verified.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::auth;
use crate::arguments::Token;
use crate::failure::Failure;
use crate::output;

/// Prints a token.
pub fn run(token: &Token, json: bool) -> Result<(), Failure> {
    let auth = auth::read(&token.auth)?;
    let key = token
        .key_file
        .as_ref()
        .map(|path| std::fs::read(path).map_err(|error| Failure::File { place: path.display().to_string(), error }));
    let now = SystemTime::now();
    let expires = seconds(now) + token.lifetime.as_secs();
    let made = auth.issue(claims(token, expires)?, key.transpose()?.as_deref(), now).map_err(Failure::failed)?;
    match json {
        true => output::line(json!({ "token": made, "expires": expires })),
        false => output::line(made),
    }
}

fn claims(token: &Token, expires: u64) -> Result<Map<String, Value>, Failure> {
    let mut claims = Map::new();
    for claim in &token.claims {
        let wanted = || Failure::Usage(format!("{claim} is no claim: write it as name=value, with JSON or text"));
        let (name, value) = claim.split_once('=').ok_or_else(wanted)?;
        // What is no JSON is a text: nobody wants to quote quotes.
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        claims.insert(name.to_owned(), value);
    }
    claims.insert("sub".into(), token.subject.as_str().into());
    claims.entry("exp").or_insert_with(|| expires.into());
    Ok(claims)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
