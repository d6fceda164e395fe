//! Google's published signatures: `storage/v1/v4_signatures.json` of <https://github.com/googleapis/conformance-tests>
//! (Apache-2.0), of which `v4_signatures.json` here has a few cases as they are, and the key that goes with them, which
//! Google published for this and which opens nothing.

use serde::Deserialize;
use waiterix_domain::Secret;

use super::*;

const FILE: &str = include_str!("v4_signatures.json");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    client_email: String,
    /// PKCS #8 in base64.
    private_key: String,
    #[serde(rename = "signingV4Tests")]
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    description: String,
    bucket: String,
    object: String,
    method: String,
    expiration: String,
    timestamp: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    expected_url: String,
}

/// The key as a file of Google's console.
pub(in super::super) fn key_file() -> String {
    let file: File = serde_json::from_str(FILE).unwrap();
    let kind = "PRIVATE KEY";
    let pem = format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", file.private_key);
    serde_json::json!({
        "type": "service_account",
        "client_email": file.client_email,
        "private_key": pem,
        "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string()
}

#[test]
fn signatures_are_those_that_google_published() {
    let account = ServiceAccount::parse("test", &Secret::new(key_file())).unwrap();
    let cases = serde_json::from_str::<File>(FILE).unwrap().cases;
    assert!(cases.len() >= 5);
    for case in cases {
        let place = LegacyObject { bucket: case.bucket, object: case.object };
        // Tests may keep what they made up for good.
        let headers = case.headers.into_iter().map(|(name, value)| {
            let name: &'static str = Box::leak(name.to_lowercase().into_boxed_str());
            (name, value)
        });
        let grant = Grant {
            method: match case.method.as_str() {
                "GET" => "GET",
                "PUT" => "PUT",
                "POST" => "POST",
                other => panic!("{other}"),
            },
            base: "https://storage.googleapis.com",
            place: &place,
            headers: headers.collect(),
            ttl: Duration::from_secs(case.expiration.parse().unwrap()),
            now: Timestamp::parse(&case.timestamp).unwrap(),
        };
        let url = signed("test", &account, &grant).unwrap();
        assert_eq!(url.as_str(), case.expected_url, "{}", case.description);
    }
}
