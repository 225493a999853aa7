//! A thousand tokens as an attacker would make them, drawn from a seed.

use std::time::Instant;

use fastrand::Rng;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::keys::{Key, Keys, NOW, at, claims, ed25519, jwt, p256, secret};

const TOKENS: usize = 1_000;

type Forge = fn(&mut Rng, &Keys, &Key) -> String;

/// What is tried, by the name that the documentation has for it.
const ATTACKS: [(&str, Forge); 21] = [
    ("a bit flipped", flip_a_bit),
    ("cut off", cut_off),
    ("no algorithm", no_algorithm),
    ("another algorithm named", another_algorithm_named),
    ("the public key as a secret", public_key_as_secret),
    ("a stranger's key", strangers_key),
    ("a stranger's key in the header", strangers_key_in_header),
    ("another key's id", another_keys_id),
    ("an unknown id", unknown_id),
    ("a signature of zeros", signature_of_zeros),
    ("claims exchanged", claims_exchanged),
    ("expired", expired),
    ("not yet valid", not_yet_valid),
    ("for another audience", for_another_audience),
    ("of another issuer", of_another_issuer),
    ("for nobody", for_nobody),
    ("times that are none", times_that_are_none),
    ("a claim twice", a_claim_twice),
    ("nested deep", nested_deep),
    ("oversized", oversized),
    ("noise", noise),
];

#[test]
fn none_of_a_thousand_forged_tokens_gets_through() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let keys = Keys::new();
    let mut slowest = (0.0, "");
    for turn in 0..TOKENS {
        let (attack, forge) = ATTACKS[turn % ATTACKS.len()];
        let key = &keys.all[rng.usize(..keys.all.len())];
        let token = forge(&mut rng, &keys, key);
        let began = Instant::now();
        let verified = keys.auth.verify(Some(&token), at(NOW));
        let took = began.elapsed().as_secs_f64();
        assert!(verified.is_err(), "seed {seed}: {attack} ({key:?}): {token}");
        if took > slowest.0 {
            slowest = (took, attack);
        }
    }
    println!("the slowest took {:.0} µs to refuse: {}", slowest.0 * 1e6, slowest.1);
}

fn good(key: &Key) -> String {
    key.token(Some(key.id), &claims())
}

fn with(key: &Key, name: &str, value: Value) -> String {
    let mut said = claims();
    said[name] = value;
    key.token(Some(key.id), &said)
}

fn some_id<'k>(rng: &mut Rng, key: &'k Key) -> Option<&'k str> {
    rng.bool().then_some(key.id)
}

fn header(algorithm: &str, kid: Option<&str>) -> String {
    match kid {
        Some(kid) => json!({ "typ": "JWT", "alg": algorithm, "kid": kid }).to_string(),
        None => json!({ "typ": "JWT", "alg": algorithm }).to_string(),
    }
}

fn flip_a_bit(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let mut parts: Vec<Vec<u8>> = good(key).split('.').map(|part| part.as_bytes().to_vec()).collect();
    let part = &mut parts[rng.usize(..3)];
    let place = rng.usize(..part.len());
    part[place] ^= 1 << rng.u32(..7);
    String::from_utf8_lossy(&parts.join(&b'.')).into_owned()
}

fn cut_off(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let token = good(key);
    token[..rng.usize(..token.len())].to_owned()
}

fn no_algorithm(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let none = *rng.choice(&["none", "None", "nOnE", "", "null"]).unwrap();
    let message =
        [header(none, some_id(rng, key)), claims().to_string()].map(|part| jwt::encode(part.as_bytes())).join(".");
    let signature = if rng.bool() { String::new() } else { good(key).rsplit('.').next().unwrap().to_owned() };
    format!("{message}.{signature}")
}

fn another_algorithm_named(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let others = ["HS256", "HS384", "HS512", "RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA", "HS257"];
    let others: Vec<&str> = others.into_iter().filter(|other| *other != key.name()).collect();
    key.sign(&header(rng.choice(&others).unwrap(), some_id(rng, key)), &claims().to_string())
}

fn public_key_as_secret(rng: &mut Rng, keys: &Keys, _: &Key) -> String {
    let key = &keys.all[rng.usize(1..keys.all.len())];
    let public = match rng.u8(..3) {
        0 => key.public.clone().into_bytes(),
        1 => key.public.trim_end().as_bytes().to_vec(),
        _ if key.raw.is_empty() => key.public.clone().into_bytes(),
        _ => key.raw.clone(),
    };
    let secret = EncodingKey::from_secret(&public).unwrap();
    jwt::sign(&header("HS256", some_id(rng, key)), &claims().to_string(), &secret, Algorithm::HS256)
}

fn stranger(algorithm: Algorithm) -> Key {
    match algorithm {
        Algorithm::HS256 => secret("stranger", "a secret that is none of the server's"),
        Algorithm::ES256 => p256("stranger"),
        _ => ed25519("stranger"),
    }
}

fn strangers_key(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    stranger(key.algorithm).token(some_id(rng, key), &claims())
}

fn strangers_key_in_header(_: &mut Rng, _: &Keys, key: &Key) -> String {
    let stranger = stranger(key.algorithm);
    let header = json!({ "alg": stranger.name(), "kid": key.id, "jwk": stranger.jwk(), "jku": "https://evil.example" });
    stranger.sign(&header.to_string(), &claims().to_string())
}

fn another_keys_id(rng: &mut Rng, keys: &Keys, key: &Key) -> String {
    let others: Vec<&Key> = keys.all.iter().filter(|other| other.id != key.id).collect();
    key.token(Some(rng.choice(&others).unwrap().id), &claims())
}

fn unknown_id(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let ids = ["", "../../etc/passwd", "ED", "' or '1'='1", "es\0"];
    key.token(Some(rng.choice(&ids).unwrap()), &claims())
}

fn signature_of_zeros(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let token = good(key);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let bytes = rng.choice(&[0, 32, 64, 256, signature.len()]).copied().unwrap();
    format!("{message}.{}", jwt::encode(&vec![0; bytes]))
}

fn claims_exchanged(_: &mut Rng, _: &Keys, key: &Key) -> String {
    let mut others = claims();
    others["sub"] = json!("root");
    let others = key.token(Some(key.id), &others);
    let (mine, token) = (others.split('.').nth(1).unwrap(), good(key));
    let parts: Vec<&str> = token.split('.').collect();
    format!("{}.{mine}.{}", parts[0], parts[2])
}

fn expired(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    with(key, "exp", json!(NOW - 30 - rng.u64(..NOW - 30)))
}

fn not_yet_valid(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    with(key, "nbf", json!(NOW + 31 + rng.u64(..1 << 40)))
}

fn for_another_audience(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let others =
        [json!("tapeline2"), json!("Tapeline"), json!(""), json!([]), json!(["a", "b"]), json!([["tapeline"]])];
    with(key, "aud", rng.choice(&others).unwrap().clone())
}

fn of_another_issuer(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let others = [
        json!("https://id.example.com/"),
        json!("http://id.example.com"),
        json!(["https://id.example.com"]),
        json!(null),
    ];
    with(key, "iss", rng.choice(&others).unwrap().clone())
}

fn for_nobody(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let nobody = [json!(null), json!(""), json!(7), json!(["ana"]), json!("a".repeat(129)), json!("an\u{0}a")];
    with(key, "sub", rng.choice(&nobody).unwrap().clone())
}

fn times_that_are_none(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let none = [json!("tomorrow"), json!([NOW + 60]), json!({}), json!(true), json!(-1), json!(-1e300), json!(0)];
    with(key, "exp", rng.choice(&none).unwrap().clone())
}

fn a_claim_twice(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let good = claims().to_string();
    let more =
        *rng.choice(&[r#""sub":"root""#, r#""exp":9999999999"#, r#""teams":["b"]"#, r#""teams":["a"]"#]).unwrap();
    let said = match rng.bool() {
        true => format!("{{{more},{}", &good[1..]),
        false => format!("{},{more}}}", &good[..good.len() - 1]),
    };
    key.sign(&header(&key.name(), Some(key.id)), &said)
}

fn nested_deep(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let depth = rng.usize(40..2_000);
    let (open, close) = if rng.bool() { ("[", "]") } else { ("{\"a\":", "}") };
    let inside = format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let good = claims().to_string();
    key.sign(&header(&key.name(), Some(key.id)), &format!("{},\"deep\":{inside}}}", &good[..good.len() - 1]))
}

fn oversized(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    with(key, "more", json!("x".repeat(rng.usize(6_100..200_000))))
}

fn noise(rng: &mut Rng, _: &Keys, key: &Key) -> String {
    let token = good(key);
    let random: String = (0..rng.usize(..300)).map(|_| rng.char('\u{1}'..'\u{3000}')).collect();
    match rng.u8(..6) {
        0 => random,
        1 => format!("{token}.{}", token.rsplit('.').next().unwrap()),
        2 => format!("{token} "),
        3 => format!("Bearer {token}"),
        4 => format!("tapeline_{token}"),
        _ => ["", ".", "..", "...", "tapeline_", "tapeline__"][rng.usize(..6)].to_owned(),
    }
}
