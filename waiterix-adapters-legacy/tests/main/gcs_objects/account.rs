//! A service account: the key that Google published with its test data, and what checks signatures made with it. The
//! checking is by another library than the signing.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// See `src/gcs/presign/golden.rs` for where it comes from.
const PUBLISHED: &str = include_str!("../../../src/gcs/presign/v4_signatures.json");

fn published() -> Value {
    serde_json::from_str(PUBLISHED).unwrap()
}

fn pem() -> String {
    let kind = "PRIVATE KEY";
    let key = published()["privateKey"].as_str().unwrap().to_owned();
    format!("-----BEGIN {kind}-----\n{key}\n-----END {kind}-----\n")
}

pub(crate) fn email() -> String {
    published()["clientEmail"].as_str().unwrap().to_owned()
}

/// The key as Google's console gives it out, with the address where tokens are.
pub(crate) fn key_file(token_url: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = json!({
        "type": "service_account",
        "private_key_id": "ffffffff",
        "client_email": email(),
        "private_key": pem(),
        "token_uri": token_url,
    });
    std::fs::write(file.path(), text.to_string()).unwrap();
    file
}

fn private_key() -> RsaPrivateKey {
    RsaPrivateKey::from_pkcs8_pem(&pem()).unwrap()
}

/// RSASSA-PKCS1-v1_5 with SHA-256, in hexadecimal digits.
pub(crate) fn sign(message: &str) -> String {
    let scheme = Pkcs1v15Sign::new::<Sha256>();
    let signature = private_key().sign(scheme, &Sha256::digest(message)).unwrap();
    signature.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether such a signature is right.
pub(crate) fn verifies(message: &str, signature: &str) -> bool {
    let bytes: Option<Vec<u8>> = (0..signature.len() / 2)
        .map(|place| u8::from_str_radix(signature.get(place * 2..place * 2 + 2)?, 16).ok())
        .collect();
    let key = RsaPublicKey::from(&private_key());
    signature.len().is_multiple_of(2)
        && bytes.is_some_and(|bytes| {
            key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), &bytes).is_ok()
        })
}

/// Whether an assertion is one of the account, for whoever gives out tokens at this address, and good now.
pub(crate) fn asserts(assertion: &str, audience: &str, now_seconds: i64) -> bool {
    let key = RsaPublicKey::from(&private_key());
    let key = DecodingKey::from_rsa_raw_components(&key.n().to_bytes_be(), &key.e().to_bytes_be());
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[audience]);
    rules.set_issuer(&[email()]);
    // By the clock of the test.
    rules.validate_exp = false;
    jsonwebtoken::decode::<Value>(assertion, &key, &rules).is_ok_and(|token| {
        let claim = |name: &str| token.claims[name].as_i64().unwrap();
        claim("iat") <= now_seconds
            && now_seconds < claim("exp")
            && claim("exp") - claim("iat") <= 3600
            && token.claims["scope"] == "https://www.googleapis.com/auth/devstorage.full_control"
    })
}
