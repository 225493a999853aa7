//! Accounts of the demonstration: whoever says a name is signed in under it, with a token of a secret that is made anew each
//! time. What a real app has in its place is whoever signs its people in.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use tapeline_server::Page;
use tapeline_server::auth::{Authenticator, new_api_key};

use crate::failure::Failure;

/// Where a page asks for a token: the rest of the path is a name.
const TOKENS: &str = "/lists/token/";
/// How long one is good, in seconds: short, so that one sees it renewed.
const SECONDS: u64 = 300;

/// Who is who, with tokens of a new secret. Who shows none is nobody in particular, for whom the rules have a word, too.
pub(super) fn open(directory: &Path) -> Result<Arc<Authenticator>, Failure> {
    let secret = new_api_key("demo").map_err(Failure::failed)?.key;
    let file = directory.join("demo-secret");
    let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&file, secret));
    written.map_err(|error| Failure::File { place: file.display().to_string(), error })?;
    let text =
        "[tokens]\noptional = true\n[[tokens.keys]]\nid = 'demo'\nalgorithm = 'HS256'\nsecret_file = 'demo-secret'";
    Authenticator::read(text, directory).map(Arc::new).map_err(Failure::failed)
}

/// Signs in whoever a path names.
pub(super) fn sign_in(auth: &Authenticator, path: &str) -> Option<Page> {
    let name = percent_decode_str(path.strip_prefix(TOKENS)?).decode_utf8().ok()?;
    let now = SystemTime::now();
    let expires = now.duration_since(UNIX_EPOCH).ok()?.as_secs() + SECONDS;
    let claims = [("sub".to_owned(), Value::from(name.as_ref())), ("exp".to_owned(), expires.into())];
    let token = auth.issue(Map::from_iter(claims), None, now).ok()?;
    let headers = vec![("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")];
    Some(Page { body: token.into_bytes().into(), gzipped: None, headers })
}
