//! An issuer that publishes its keys and changes them.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tapeline_server::auth::{AuthError, Authenticator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::keys::{Key, NOW, TOKENS, at, claims, ed25519, p256, secret};

/// What an issuer answers, and how often it was asked.
#[derive(Default)]
struct Issuer {
    answer: Mutex<String>,
    asked: Mutex<usize>,
}

impl Issuer {
    /// Starts one. Answers with its address.
    async fn start(keys: &[Value]) -> (Arc<Self>, String) {
        let issuer = Arc::new(Self::default());
        issuer.publish(keys);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(issuer.clone().serve(listener));
        (issuer, address)
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((mut socket, _)) = listener.accept().await {
            *self.asked.lock().unwrap() += 1;
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            let body = self.answer.lock().unwrap().clone();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // Who is sent too much hangs up.
            let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
        }
    }

    fn publish(&self, keys: &[Value]) {
        self.say(json!({ "keys": keys }).to_string());
    }

    fn say(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }
}

async fn believer(address: &str) -> Arc<Authenticator> {
    let text = format!("{TOKENS}jwks_url = '{address}'\n");
    let auth = Arc::new(Authenticator::read(&text, std::path::Path::new(".")).unwrap());
    let mut changes = auth.changes();
    auth.keep_up();
    // The files are read at the first look and the keys are fetched at once, in whatever order.
    changes.changed().await.unwrap();
    changes.changed().await.unwrap();
    auth
}

fn show(auth: &Authenticator, key: &Key) -> Result<(), AuthError> {
    auth.verify(Some(&key.token(Some(key.id), &claims())), at(NOW)).map(drop)
}

#[tokio::test(start_paused = true)]
async fn an_issuers_keys_are_fetched_and_those_it_has_next_as_well() {
    let (old, new) = (ed25519("old"), p256("new"));
    let (issuer, address) = Issuer::start(&[old.jwk()]).await;
    let auth = believer(&address).await;
    let of_old = auth.verify(Some(&old.token(Some("old"), &claims())), at(NOW)).unwrap();

    issuer.publish(&[new.jwk()]);
    let mut changes = auth.changes();
    assert_eq!(show(&auth, &new), Err(AuthError::KeyNotFetched));
    assert!(AuthError::KeyNotFetched.is_retryable());
    changes.changed().await.unwrap();
    assert_eq!(show(&auth, &new), Ok(()));
    assert_eq!(auth.check(&of_old, at(NOW)), Err(AuthError::UnknownKey));
}

#[tokio::test(start_paused = true)]
async fn whatever_strangers_show_the_issuer_is_left_in_peace() {
    let key = ed25519("key");
    let (issuer, address) = Issuer::start(&[key.jwk()]).await;
    let auth = believer(&address).await;
    let mut changes = auth.changes();
    let asked = *issuer.asked.lock().unwrap();
    for _ in 0..100 {
        assert_eq!(show(&auth, &ed25519("stranger")), Err(AuthError::KeyNotFetched));
    }
    changes.changed().await.unwrap();
    assert_eq!(*issuer.asked.lock().unwrap(), asked + 1);
    assert_eq!(show(&auth, &key), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_an_issuer_says_that_is_no_key_changes_nothing() {
    let key = ed25519("key");
    let (issuer, address) = Issuer::start(&[key.jwk()]).await;
    let auth = believer(&address).await;
    let huge = json!({ "keys": [{ "kty": "x", "x": "x".repeat(1 << 20) }] }).to_string();
    for nonsense in ["", "{", "[]", "{\"keys\":3}", "{\"keys\":[]}", "{\"keys\":[{}, 3, {\"kty\":\"OKP\"}]}", &huge] {
        issuer.say(nonsense.to_owned());
        let asked = *issuer.asked.lock().unwrap();
        assert_eq!(show(&auth, &ed25519("stranger")), Err(AuthError::KeyNotFetched));
        while *issuer.asked.lock().unwrap() < asked + 2 {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        assert_eq!(show(&auth, &key), Ok(()), "{nonsense}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_an_issuer_publishes_is_no_key() {
    let (secret, key) = (secret("oct", "0123456789abcdef0123456789abcdef"), ed25519("key"));
    let encrypts = {
        let mut jwk = p256("enc").jwk();
        jwk["use"] = json!("enc");
        jwk
    };
    let (_issuer, address) = Issuer::start(&[json!({ "kty": "new" }), secret.jwk(), encrypts, key.jwk()]).await;
    let auth = believer(&address).await;
    assert_eq!(show(&auth, &key), Ok(()));
    assert_eq!(show(&auth, &secret), Err(AuthError::KeyNotFetched));
}
