//! Tokens as an attacker would make them, and as an issuer does: none of the first gets through, all of the others do.

mod changes;
mod files;
mod forged;
mod issuer;
mod keys;

use std::time::Duration;

use jsonwebtoken::Algorithm;
use keys::{Keys, NOW, at, claims, jwt};
use serde_json::json;
use tapeline_core::name::Subject;
use tapeline_core::value::Value;
use tapeline_server::auth::AuthError;

#[test]
fn a_good_token_says_who_somebody_is_in_each_algorithm() {
    let keys = Keys::new();
    for key in &keys.all {
        for kid in [Some(key.id), None] {
            let token = key.token(kid, &claims());
            let verified = keys.auth.verify(Some(&token), at(NOW)).unwrap_or_else(|error| panic!("{key:?}: {error}"));
            assert_eq!(verified.caller.subject, Some(Subject::new("ana").unwrap()));
            assert_eq!(verified.caller.claims.get("teams"), Some(&Value::List([Value::text("a")].into())));
            assert_eq!(verified.expires, Some(at(NOW + 60 + 30)));
            assert!(!verified.caller.is_trusted);
            assert_eq!(keys.auth.check(&verified, at(NOW)), Ok(()));
        }
    }
}

#[test]
fn clocks_may_be_apart_by_the_leeway_and_no_more() {
    let keys = Keys::new();
    let mut said = claims();
    said["nbf"] = json!(NOW);
    said["exp"] = json!(NOW + 60);
    let token = keys.all[0].token(None, &said);
    let at_second = |second| keys.auth.verify(Some(&token), at(second)).map(drop);
    assert_eq!(at_second(NOW - 31), Err(AuthError::NotYetValid));
    assert_eq!(at_second(NOW - 30), Ok(()));
    assert_eq!(at_second(NOW + 89), Ok(()));
    assert_eq!(at_second(NOW + 90), Err(AuthError::Expired));
    let verified = keys.auth.verify(Some(&token), at(NOW)).unwrap();
    let last = verified.expires.unwrap() - Duration::from_nanos(1);
    assert_eq!(keys.auth.check(&verified, last), Ok(()));
    assert_eq!(keys.auth.check(&verified, verified.expires.unwrap()), Err(AuthError::Expired));
}

#[test]
fn an_audience_may_be_one_of_several_and_times_may_have_parts_of_seconds() {
    let keys = Keys::new();
    let mut said = claims();
    said["aud"] = json!(["another", "tapeline"]);
    said["exp"] = json!(NOW as f64 + 60.5);
    let verified = keys.auth.verify(Some(&keys.all[0].token(None, &said)), at(NOW)).unwrap();
    assert_eq!(verified.expires, Some(at(NOW + 90)));
    said["exp"] = json!((1_u64 << 53) - 1);
    keys.auth.verify(Some(&keys.all[0].token(None, &said)), at(NOW)).unwrap();
}

#[test]
fn what_is_wrong_with_a_token_is_told() {
    let keys = Keys::new();
    let (hs, rs) = (keys.of(Algorithm::HS256), keys.of(Algorithm::RS256));
    let without = |name: &str| {
        let mut said = claims();
        said.as_object_mut().unwrap().remove(name);
        hs.token(None, &said)
    };
    let with = |name: &str, value: serde_json::Value| {
        let mut said = claims();
        said[name] = value;
        hs.token(None, &said)
    };
    let good = hs.token(None, &claims());
    let cases = [
        (String::new(), AuthError::Malformed("it is no JWT signed with HS256, RS256, ES256 or EdDSA")),
        ("a".repeat(8_193), AuthError::TooLong),
        (without("exp"), AuthError::NoExpiry),
        (without("sub"), AuthError::NoSubject),
        (with("sub", json!("a".repeat(129))), AuthError::NoSubject),
        (without("aud"), AuthError::WrongAudience),
        (with("aud", json!("tapelin")), AuthError::WrongAudience),
        (with("iss", json!("https://evil.example")), AuthError::WrongIssuer),
        (with("exp", json!("9999999999")), AuthError::Malformed("exp and nbf are numbers: seconds since 1970")),
        (hs.token(Some("nobody"), &claims()), AuthError::UnknownKey),
        (hs.token(Some(rs.id), &claims()), AuthError::WrongAlgorithm),
        (format!("{}{}", &good[..good.len() - 4], "AAAA"), AuthError::BadSignature),
        ("tapeline_backend_00".into(), AuthError::UnknownApiKey),
    ];
    for (token, error) in cases {
        assert_eq!(keys.auth.verify(Some(&token), at(NOW)).unwrap_err(), error, "{token}");
    }
    assert_eq!(keys.auth.verify(None, at(NOW)).unwrap_err(), AuthError::Missing);
}

#[test]
fn what_is_issued_for_development_is_taken() {
    let keys = Keys::new();
    for key in &keys.all {
        let said = json!({ "sub": "ben", "exp": NOW + 3_600, "admin": true });
        let private = (key.algorithm != Algorithm::HS256).then_some(key.private.as_bytes());
        let token = keys.auth.issue(said.as_object().unwrap().clone(), private, at(NOW)).unwrap();
        let verified = keys.auth.verify(Some(&token), at(NOW)).unwrap();
        assert_eq!(verified.caller.claims.get("admin"), Some(&Value::Bool(true)));
        assert_eq!(jwt::header(&token)["kid"], json!(key.id));
    }
    let stranger = keys::ed25519("stranger");
    let said = json!({ "sub": "ben", "exp": NOW + 3_600 }).as_object().unwrap().clone();
    let refused = keys.auth.issue(said.clone(), Some(stranger.private.as_bytes()), at(NOW)).unwrap_err();
    assert!(refused.to_string().contains("no key of the auth file"), "{refused}");
    let refused = keys.auth.issue(said, Some(b"no key"), at(NOW)).unwrap_err();
    assert!(refused.to_string().contains("PEM"), "{refused}");
}
