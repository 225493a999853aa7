//! Tokens, keys and auth files as an operator meets them.

mod support;

use std::process::Output;

use serde_json::{Value, json};
use support::{Server, tapeline};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const AUTH: &str =
    "[tokens]\naudience = 'tapeline'\n[[tokens.keys]]\nid = 'dev'\nalgorithm = 'HS256'\nsecret_file = 'secret.txt'\n";

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("secret.txt"), format!("{SECRET}\n")).expect("written");
    std::fs::write(directory.path().join("auth.toml"), AUTH).expect("written");
    directory
}

fn token(directory: &tempfile::TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = tapeline();
    command.args(["token", "--auth"]).arg(directory.path().join("auth.toml")).args(arguments);
    told(command.output().expect("the binary runs"))
}

fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_token_says_what_it_was_told_to() {
    let directory = directory();
    let (code, text, errors) = token(
        &directory,
        &["--sub", "ana", "--claim", "teams=[\"a\"]", "--claim", "role=admin", "--for", "2h", "--json"],
    );
    assert_eq!(code, Some(0), "{errors}");
    let made: Value = serde_json::from_str(&text).expect("JSON");
    let auth = tapeline_server::auth::Authenticator::open(&directory.path().join("auth.toml")).expect("an auth file");
    let verified = auth.verify(made["token"].as_str(), std::time::SystemTime::now()).expect("taken");
    assert_eq!(verified.caller.subject.expect("somebody").as_str(), "ana");
    let said = |name: &str| tapeline_core::codec::json::value_to_json(verified.caller.claims.get(name).expect(name));
    assert_eq!([said("teams"), said("role"), said("aud")], ["[\"a\"]", "\"admin\"", "\"tapeline\""]);
    assert_eq!(said("exp"), made["expires"].to_string());
}

#[test]
fn what_cannot_be_a_token_is_told() {
    let directory = directory();
    for (arguments, code, words) in [
        (&["--sub", "ana", "--for", "2 weeks"][..], 2, "as in 90s, 15m"),
        (&["--sub", "ana", "--claim", "admin"], 2, "name=value"),
        (&["--sub", ""], 2, "empty"),
        (&["--sub", "ana", "--key-file", "nowhere.pem"], 1, "nowhere.pem"),
        (&["--sub", "ana", "--claim", "exp=1"], 1, "expired"),
    ] {
        let (found, _, errors) = token(&directory, arguments);
        assert!(found == Some(code) && errors.contains(words), "{arguments:?}: {errors}");
    }
    std::fs::write(directory.path().join("auth.toml"), "[tokens]\n").expect("written");
    let (code, _, errors) = token(&directory, &["--sub", "ana"]);
    assert!(code == Some(1) && errors.contains("--key-file"), "{errors}");
}

#[test]
fn a_key_comes_with_what_the_auth_file_has_of_it() {
    let (code, text, _) = told(tapeline().args(["key", "backend"]).output().expect("the binary runs"));
    assert_eq!(code, Some(0));
    let (key, table) = text.split_once("\n\n").expect("a key and a table");
    let directory = tempfile::tempdir().expect("a directory");
    let auth = tapeline_server::auth::Authenticator::read(table, directory.path()).expect("an auth file");
    let verified = auth.verify(Some(key), std::time::SystemTime::now()).expect("taken");
    assert!(verified.caller.is_trusted && verified.expires.is_none());
    let (code, text, _) = told(tapeline().args(["key", "backend", "--json"]).output().expect("the binary runs"));
    let made: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &made["name"]), (Some(0), &json!("backend")));
    let (code, _, errors) = told(tapeline().args(["key", "a b"]).output().expect("the binary runs"));
    assert!(code == Some(2) && errors.contains("letters, digits"), "{errors}");
}

#[test]
fn a_server_starts_with_a_good_auth_file_alone() {
    let mut server = Server::start();
    server.kill();
    let directory = directory();
    let auth = directory.path().join("auth.toml");
    std::fs::write(&auth, "[tokens]\nisuer = 'x'\n").expect("written");
    let (code, _, errors) = told(server.command().arg("--auth").arg(&auth).output().expect("the binary runs"));
    assert_eq!(code, Some(1));
    assert!(errors.contains("auth.toml: line 2, column 1") && errors.contains("\"issuer\""), "{errors}");
    std::fs::write(&auth, AUTH).expect("written");
    server.restart_with(&["--auth", auth.to_str().expect("a plain name")]);
    assert!(server.stop());
    let (code, _, errors) = told(server.command().args(["--tls-cert", "cert.pem"]).output().expect("the binary runs"));
    assert!(code == Some(2) && errors.contains("go together"), "{errors}");
}
