//! Auth files that are wrong: where, and what would be right.

use tapeline_server::auth::Authenticator;

use super::keys::{ed25519, p256, rsa};

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_would_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let ed = ed25519("ed");
    write("ed.pem", &ed.public);
    write("private.pem", &ed.private);
    write("rs.pem", &rsa("rs").public);
    write("es.pem", &p256("es").public);
    write("short.txt", "0123456789abcdef0123456789abcde\n");
    write("noise.txt", "sub ana\nben\n");
    let key = |settings: &str| format!("[[tokens.keys]]\n{settings}");
    let api_key = |settings: &str| format!("[[keys]]\n{settings}");
    let twice = "id = 'a'\nalgorithm = 'EdDSA'\npublic_key_file = 'ed.pem'\n";
    let hash = format!("name = 'a'\nhash = 'sha256:{}'\n", "0f".repeat(32));
    let cases = [
        ("[token]\n".into(), "line 1, column 2: there is no setting \"token\" here: it is \"tokens\" or \"keys\""),
        ("[tokens]\naudience = 3".into(), "line 2, column 12: this is a text"),
        ("[tokens]\nleeway_seconds = 601".into(), "line 2, column 18: this is a number of seconds, 600 at most"),
        ("[tokens]\njwks_url = 'http://id.example.com/'".into(), "line 2, column 12: this is an https:// address"),
        ("[tokens]\nkeys = 3".into(), "line 2, column 8: these are tables, 16 at most"),
        (key("algorithm = 'EdDSA'"), "line 1, column 1: a key needs id = "),
        (key("id = 'a'\nalgorithm = 'none'"), "line 3, column 13: there is no algorithm \"none\""),
        (key("id = 'a'\nalgorithm = 'RS265'"), "did you mean \"RS256\"?"),
        (key("id = 'a'\nalgorithm = 'EdDSA'"), "a key needs public_key_file = "),
        (
            key("id = 'a'\nalgorithm = 'HS256'\npublic_key_file = 'ed.pem'"),
            "column 19: a key of this algorithm is in a secret_file",
        ),
        (key("id = 'a'\nalgorithm = 'EdDSA'\npublic_key_file = 'no.pem'"), "line 4, column 19: "),
        (key("id = 'a'\nalgorithm = 'EdDSA'\npublic_key_file = 'private.pem'"), "this is a private key"),
        (key("id = 'a'\nalgorithm = 'EdDSA'\npublic_key_file = 'rs.pem'"), "this is no public Ed25519 key"),
        (key("id = 'a'\nalgorithm = 'RS256'\npublic_key_file = 'es.pem'"), "this is no public RSA key"),
        (key("id = 'a'\nalgorithm = 'ES256'\npublic_key_file = 'ed.pem'"), "this is no public key on P-256"),
        (key("id = 'a'\nalgorithm = 'HS256'\nsecret_file = 'short.txt'"), "a secret has at least 32 bytes"),
        (format!("{}{}", key(twice), key(twice)), "line 6, column 6: another key has this id"),
        ("[tokens]\nrevoked_file = 'noise.txt'".into(), "noise.txt, line 2: a line is sub NAME"),
        ("[tokens]\nrevoked_file = 'no.txt'".into(), "no.txt: "),
        (api_key("name = 'a'"), "a key needs hash = "),
        (api_key("name = 'a'\nhash = 'sha256:00'"), "line 3, column 8: this is sha256: and 64 hexadecimal digits"),
        (api_key(&hash.replace("'a'", "'a_b'")), "line 2, column 8: a key's name is up to 64 letters"),
        (api_key(&format!("{hash}subject = ''")), "line 4, column 11: "),
        (api_key(&format!("{hash}trusted = 1")), "true or false"),
        (api_key(&format!("{hash}claims = {{ since = 2026-01-01 }}")), "line 4, column 20: a claim is a text"),
        (format!("{}{}", api_key(&hash), api_key(&hash)), "line 5, column 8: another key has this name"),
    ];
    for (text, words) in cases {
        let error = Authenticator::read(&text, directory.path()).unwrap_err().to_string();
        assert!(error.contains(words), "{text}\n{error}");
    }
}

#[test]
fn a_file_that_says_nothing_lets_nobody_in() {
    let auth = Authenticator::read("", std::path::Path::new(".")).unwrap();
    let token = ed25519("ed").token(None, &super::claims());
    assert!(auth.verify(Some(&token), super::at(super::NOW)).is_err());
}
