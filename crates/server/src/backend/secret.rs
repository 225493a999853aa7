//! Signing what is posted, as <https://www.standardwebhooks.com> says: whoever has the secret knows that it comes from this
//! server, unchanged, and when it was sent.
//!
//! ```text
//! webhook-id          of this message, the same when it is sent again
//! webhook-timestamp   seconds since the epoch
//! webhook-signature   v1,BASE64 of HMAC-SHA256(secret, "ID.TIMESTAMP.BODY"); one for each secret, spaces between them
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret, decoded.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets of a file: while one is replaced by another, both sign.
const SECRETS: usize = 2;

/// How a secret is made.
pub(super) const EXAMPLE: &str =
    "a line, or two while one replaces the other, as echo whsec_$(openssl rand -base64 32) makes";

/// The secrets that sign.
#[derive(Clone)]
pub(super) struct Secrets(Vec<hmac::Key>);

impl Secrets {
    /// Reads a file of secrets. `None` where it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let secrets: Vec<_> = lines.map(read_secret).collect::<Option<_>>()?;
        (1..=SECRETS).contains(&secrets.len()).then_some(Self(secrets))
    }

    /// What stands in `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let signatures = self.0.iter().map(|secret| {
            let mut signed = hmac::Context::with_key(secret);
            [id, ".", &timestamp.to_string(), ".", body].iter().for_each(|part| signed.update(part.as_bytes()));
            format!("v1,{}", STANDARD.encode(signed.sign()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn read_secret(line: &str) -> Option<hmac::Key> {
    let secret = STANDARD.decode(line.strip_prefix(PREFIX)?).ok()?;
    BYTES.contains(&secret.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn what_is_signed_verifies_elsewhere() {
        let signed = |secrets: &str| {
            let body = "{\"test\": 2432232314}";
            Secrets::read(secrets).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
        };
        let of_one = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed(SECRET), of_one);
        assert!(
            signed(&format!("{SECRET}\n\nwhsec_{}\n", STANDARD.encode([7; 32]))).starts_with(&format!("{of_one} v1,"))
        );
    }

    #[test]
    fn what_is_no_secret_is_told() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        for wrong in ["", "secret", "whsec_", "whsec_!", &short, &[SECRET; 3].join("\n")] {
            assert!(Secrets::read(wrong).is_none(), "{wrong}");
        }
    }
}
