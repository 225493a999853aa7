//! What changes while a server runs: keys that come and go, people who are locked out, API keys.

use std::path::Path;

use tapeline_core::name::Subject;
use tapeline_core::value::Value;
use tapeline_server::auth::{AuthError, Authenticator, new_api_key};

use super::keys::{Key, NOW, TOKENS, at, claims, ed25519, p256};

struct Files {
    directory: tempfile::TempDir,
    auth: Authenticator,
}

impl Files {
    fn new(text: impl FnOnce(&Path) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let text = text(directory.path());
        std::fs::write(directory.path().join("auth.toml"), text).unwrap();
        let auth = Authenticator::open(&directory.path().join("auth.toml")).unwrap();
        assert!(!auth.look_again().unwrap());
        Self { directory, auth }
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.directory.path().join(file), text).unwrap();
    }

    fn verify(&self, shown: &str) -> Result<(), AuthError> {
        self.auth.verify(Some(shown), at(NOW)).map(drop)
    }
}

#[test]
fn keys_come_and_go_while_the_server_runs() {
    let (old, new) = (ed25519("old"), p256("new"));
    let files = Files::new(|directory| format!("{TOKENS}{}", old.write_to(directory)));
    let token = |key: &Key| key.token(Some(key.id), &claims());
    let of_old = files.auth.verify(Some(&token(&old)), at(NOW)).unwrap();
    assert_eq!(files.verify(&token(&new)), Err(AuthError::UnknownKey));

    let changes = files.auth.changes();
    let directory = files.directory.path();
    files.write("auth.toml", &format!("{TOKENS}{}{}", old.write_to(directory), new.write_to(directory)));
    assert!(files.auth.look_again().unwrap() && changes.has_changed().unwrap());
    assert_eq!((files.verify(&token(&old)), files.verify(&token(&new))), (Ok(()), Ok(())));
    assert_eq!(files.auth.check(&of_old, at(NOW)), Ok(()));

    files.write("auth.toml", &format!("{TOKENS}{}", new.write_to(directory)));
    assert!(files.auth.look_again().unwrap());
    assert_eq!((files.verify(&token(&old)), files.verify(&token(&new))), (Err(AuthError::UnknownKey), Ok(())));
    assert_eq!(files.auth.check(&of_old, at(NOW)), Err(AuthError::UnknownKey));
}

#[test]
fn another_key_under_the_same_id_is_another_key() {
    let (key, other) = (ed25519("key"), ed25519("key"));
    let files = Files::new(|directory| format!("{TOKENS}{}", key.write_to(directory)));
    let verified = files.auth.verify(Some(&key.token(None, &claims())), at(NOW)).unwrap();
    other.write_to(files.directory.path());
    assert!(files.auth.look_again().unwrap());
    assert_eq!(files.auth.check(&verified, at(NOW)), Err(AuthError::UnknownKey));
    assert_eq!(files.verify(&key.token(None, &claims())), Err(AuthError::BadSignature));
    assert_eq!(files.verify(&other.token(None, &claims())), Ok(()));
}

#[test]
fn what_is_revoked_is_over_at_once_and_a_replay_does_not_help() {
    let key = ed25519("key");
    let files = Files::new(|directory| {
        std::fs::write(directory.join("revoked.txt"), "# nobody yet\n").unwrap();
        format!("{TOKENS}revoked_file = 'revoked.txt'\n{}", key.write_to(directory))
    });
    let mut bens = claims();
    (bens["sub"], bens["jti"]) = ("ben".into(), "2".into());
    let (anas, bens) = (key.token(None, &claims()), key.token(None, &bens));
    let [ana, ben] = [&anas, &bens].map(|token| files.auth.verify(Some(token), at(NOW)).unwrap());
    for (line, of_ana, of_ben) in
        [("jti 1", Err(AuthError::Revoked), Ok(())), ("sub ben", Ok(()), Err(AuthError::Revoked)), ("", Ok(()), Ok(()))]
    {
        let changes = files.auth.changes();
        files.write("revoked.txt", &format!("# {line} since today\n{line}\n"));
        assert!(files.auth.look_again().unwrap() && changes.has_changed().unwrap());
        assert_eq!((files.auth.check(&ana, at(NOW)), files.verify(&anas)), (of_ana.clone(), of_ana), "{line}");
        assert_eq!((files.auth.check(&ben, at(NOW)), files.verify(&bens)), (of_ben.clone(), of_ben), "{line}");
    }
}

#[test]
fn a_server_shows_an_api_key_of_which_only_the_hash_is_kept() {
    let (made, another) = (new_api_key("backend").unwrap(), new_api_key("backend").unwrap());
    let table = |hash: &str| {
        format!(
            "[tokens]\nrevoked_file = 'revoked.txt'\n[[keys]]\nname = 'backend'\nhash = '{hash}'\nsubject = 'backend'\n\
             claims = {{ role = 'server', level = 3 }}\ntrusted = true\n"
        )
    };
    let files = Files::new(|directory| {
        std::fs::write(directory.join("revoked.txt"), "").unwrap();
        table(&made.hash)
    });
    let verified = files.auth.verify(Some(&made.key), at(NOW)).unwrap();
    assert_eq!((verified.expires, verified.caller.is_trusted), (None, true));
    assert_eq!(verified.caller.subject, Some(Subject::new("backend").unwrap()));
    assert_eq!(verified.caller.claims.get("level"), Some(&Value::Int(3)));
    assert!(!table(&made.hash).contains(made.key.rsplit('_').next().unwrap()));
    for wrong in [&another.key, &made.key[..made.key.len() - 1], &made.key.replace("backend", "front")] {
        assert_eq!(files.verify(wrong), Err(AuthError::UnknownApiKey), "{wrong}");
    }

    files.write("revoked.txt", "key backend");
    assert!(files.auth.look_again().unwrap());
    assert_eq!(files.auth.check(&verified, at(NOW)), Err(AuthError::Revoked));
    files.write("revoked.txt", "");
    files.write("auth.toml", &table(&another.hash));
    assert!(files.auth.look_again().unwrap());
    assert_eq!(files.auth.check(&verified, at(NOW)), Err(AuthError::UnknownApiKey));
    assert_eq!((files.verify(&made.key), files.verify(&another.key)), (Err(AuthError::UnknownApiKey), Ok(())));
}

#[test]
fn files_that_cannot_be_read_are_looked_at_as_well() {
    let (key, new) = (ed25519("key"), p256("new"));
    let files = Files::new(|directory| format!("{TOKENS}{}", key.write_to(directory)));
    let token = key.token(None, &claims());
    let directory = files.directory.path();
    let of_new = new.write_to(directory);
    let hidden = directory.join("hidden");
    let named = of_new.split('\'').find(|word| word.ends_with(".pem")).unwrap();
    std::fs::rename(directory.join(named), &hidden).unwrap();
    files.write("auth.toml", &format!("{TOKENS}revoked_file = 'revoked.txt'\n{}{of_new}", key.write_to(directory)));
    files.auth.look_again().unwrap_err();
    assert!(!files.auth.look_again().unwrap(), "it is told once");
    std::fs::rename(&hidden, directory.join(named)).unwrap();
    files.auth.look_again().unwrap_err();
    assert_eq!(files.verify(&token), Ok(()));
    files.write("revoked.txt", "jti 1\n");
    assert!(files.auth.look_again().unwrap());
    assert_eq!(files.verify(&token), Err(AuthError::Revoked));
}

#[test]
fn a_file_that_became_wrong_changes_nothing() {
    let key = ed25519("key");
    let files = Files::new(|directory| format!("{TOKENS}{}", key.write_to(directory)));
    let changes = files.auth.changes();
    files.write("auth.toml", "[tokens]\nkys = 1\n");
    let error = files.auth.look_again().unwrap_err();
    assert!(error.to_string().contains("line 2, column 1"), "{error}");
    assert!(!changes.has_changed().unwrap());
    assert_eq!(files.verify(&key.token(None, &claims())), Ok(()));
    assert!(!files.auth.look_again().unwrap(), "it is told once");
}
