//! The cryptography that tokens are verified and made with: that of `ring`, which TLS uses as well. What `jsonwebtoken`
//! brings of its own is either much slower or another library in C that takes minutes to compile.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(RingSigner(*algorithm, key.clone()))),
    verifier_factory: |algorithm, key| Ok(Box::new(RingVerifier(*algorithm, key.clone()))),
    // They make JWKs, which is done nowhere here.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has tokens verified with it, in a process that has not chosen another one.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

struct RingVerifier(Algorithm, DecodingKey);

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let Self(algorithm, key) = self;
        let is_right = match (algorithm, key.kind()) {
            (Algorithm::HS256, DecodingKeyKind::SecretOrDer(secret)) => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature)
            }
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (algorithm, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(verification(*algorithm)?, key).verify(message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        is_right.map_err(|_| signature::Error::new())
    }
}

fn verification(algorithm: Algorithm) -> Result<&'static dyn VerificationAlgorithm, signature::Error> {
    match algorithm {
        Algorithm::RS256 => Ok(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::ES256 => Ok(&ECDSA_P256_SHA256_FIXED),
        Algorithm::EdDSA => Ok(&ED25519),
        _ => Err(signature::Error::new()),
    }
}

struct RingSigner(Algorithm, EncodingKey);

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let Self(algorithm, key) = self;
        sign(*algorithm, key.as_bytes(), message).map_err(signature::Error::from_source)
    }
}

fn sign(algorithm: Algorithm, key: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
    let random = SystemRandom::new();
    match algorithm {
        Algorithm::HS256 => Ok(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().into()),
        Algorithm::EdDSA => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map_err(|_| ErrorKind::InvalidEddsaKey)?;
            Ok(pair.sign(message).as_ref().into())
        }
        Algorithm::ES256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random);
            let signed = pair.map_err(|_| ErrorKind::InvalidEcdsaKey)?.sign(&random, message);
            Ok(signed.map_err(|_| ErrorKind::InvalidEcdsaKey)?.as_ref().into())
        }
        Algorithm::RS256 => {
            let wrong = |error: String| Error::from(ErrorKind::InvalidRsaKey(error));
            let pair = RsaKeyPair::from_der(key).map_err(|error| wrong(error.to_string()))?;
            let mut signed = vec![0; pair.public().modulus_len()];
            let done = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signed);
            done.map_err(|error| wrong(error.to_string()))?;
            Ok(signed)
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}
