//! `key`: an API key for a server, and what the auth file has of it.

use serde_json::json;
use tapeline_server::auth::{NewKeyError, new_api_key};

use crate::failure::Failure;
use crate::output;

/// Prints a new key.
pub fn run(name: &str, json: bool) -> Result<(), Failure> {
    let made = new_api_key(name).map_err(|error| match error {
        NewKeyError::Name(_) => Failure::Usage(error.to_string()),
        NewKeyError::Randomness(_) => Failure::failed(error),
    })?;
    if json {
        return output::line(json!({ "name": name, "key": made.key, "hash": made.hash }));
    }
    output::line(format!("{}\n\n# for the auth file:", made.key))?;
    output::line(format!("[[keys]]\nname = {name:?}\nhash = {:?}\nsubject = {name:?}\ntrusted = true", made.hash))?;
    eprintln!("tapeline: the key is shown this once; the auth file has only its hash");
    Ok(())
}
