//! Signed URLs, and signatures in general.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as ProvideFuture;
use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use tokio::net::TcpListener;
use url::Url;
use waiterix_adapters_aws::s3::{S3BlobStore, S3Settings};
use waiterix_adapters_aws::sdk::AwsSettings;
use waiterix_backends::{Backend, given};
use waiterix_contract::ManualClock;
use waiterix_domain::blob_ref::Locations;
use waiterix_ports::blob::{UploadRequest, upload_headers};
use waiterix_ports::vars::Vars;
use waiterix_ports::{BlobStore as _, ErrorKind, PutBlob, SystemClock};

use crate::s3::fixture::{Buckets, browser, config, put};
use crate::s3::s3s_server::Server;

const MINUTES: Duration = Duration::from_secs(900);

fn upload(key: &str, size: Option<u64>) -> UploadRequest {
    let content_type = Some("image/png".to_owned());
    UploadRequest { key: key.to_owned(), content_type, size, max_size: 10_000_000, ttl: MINUTES }
}

fn query(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// A configuration that leads nowhere.
fn offline(region: &str) -> SdkConfig {
    let credentials =
        Credentials::new("an-access-key", "a-secret", Some("a-session".to_owned()), None, "test");
    SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

fn store(config: &SdkConfig, pairs: &[(&str, &str)]) -> (S3BlobStore, S3Settings) {
    let map = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut vars = Vars::new(&map);
    let settings = S3Settings::read(&mut vars);
    let _ = AwsSettings::read(&mut vars);
    assert_eq!(vars.problems(), []);
    (S3BlobStore::open(config, &settings, Arc::new(ManualClock::default())), settings)
}

/// **G031**: the region of the buckets reaches the signer and need not be the one of the other services.
#[tokio::test]
async fn the_region_of_the_buckets_is_signed_for() {
    for (own, signed) in [(Some("eu-west-3"), "eu-west-3"), (None, "us-east-1")] {
        let mut pairs = vec![("AWS_S3_BUCKET", "pictures"), ("AWS_REGION", "us-east-1")];
        pairs.extend(own.map(|region| ("AWS_S3_REGION", region)));
        let (store, _) = store(&offline("us-east-1"), &pairs);
        let url = store.presign_download("public/a b", MINUTES).await.unwrap();
        let scope = query(&url)["X-Amz-Credential"].clone();
        assert_eq!(scope, format!("an-access-key/20250131/{signed}/s3/aws4_request"));
        assert_eq!(url.path(), "/public/a%20b");
        assert!(url.host_str().unwrap().starts_with("pictures.s3."), "{url}");
        // B14 of the old system: credentials of a role come with a session.
        assert_eq!(query(&url)["X-Amz-Security-Token"], "a-session");
    }
}

#[tokio::test]
async fn the_signature_covers_type_length_and_that_it_must_be_new_and_no_checksum() {
    let (store, _) =
        store(&offline("us-east-1"), &[("AWS_S3_BUCKET", "pictures"), ("AWS_REGION", "us-east-1")]);
    let cases = [
        (upload("k", Some(3)), "content-length;content-type;host;if-none-match"),
        (upload("k", None), "content-type;host;if-none-match"),
        (UploadRequest { content_type: None, ..upload("k", None) }, "host;if-none-match"),
    ];
    for (request, headers) in cases {
        let url = store.presign_upload(&request).await.unwrap();
        assert_eq!(query(&url)["X-Amz-SignedHeaders"], headers);
        assert_eq!(query(&url)["X-Amz-Expires"], "900");
        assert_eq!(query(&url)["X-Amz-Date"], "20250131T090507Z", "by the clock that was passed in");
        assert_eq!(upload_headers(&url), [("if-none-match", "*")]);
        assert!(!url.as_str().to_lowercase().contains("checksum"), "{:?}", query(&url).keys());
    }
    let url = store.presign_download("k", MINUTES).await.unwrap();
    assert_eq!(query(&url)["X-Amz-SignedHeaders"], "host");
    assert!(!url.as_str().to_lowercase().contains("checksum"), "{:?}", query(&url).keys());
    assert!(upload_headers(&url).is_empty());
}

/// **U13** and **U16**: what is signed is recognised when it comes back.
#[tokio::test]
async fn a_signed_url_leads_back_to_its_reference() {
    for endpoint in [None, Some("http://localhost:9000"), Some("https://objects.example.org")] {
        let mut pairs = vec![("AWS_S3_BUCKET", "my.pictures"), ("AWS_REGION", "us-east-1")];
        pairs.extend(endpoint.map(|url| ("AWS_ENDPOINT_URL_S3", url)));
        let (store, settings) = store(&offline("us-east-1"), &pairs);
        let mut locations = Locations::default();
        settings.locate(&mut locations);
        for key in ["public/uploads/1", "a+b%20c//ä 😀", "?x=y&z#f"] {
            let url = store.presign_upload(&upload(key, None)).await.unwrap();
            let reference = waiterix_domain::blob_ref::BlobRef::new(key).unwrap();
            assert_eq!(locations.parse(url.as_str()).to_text(), Some(reference.to_string()), "{endpoint:?}");
            let mut bare = url.clone();
            bare.set_query(None);
            assert_eq!(locations.parse(bare.as_str()).to_text(), Some(reference.to_string()), "{endpoint:?}");
        }
    }
}

#[tokio::test]
async fn opening_and_signing_send_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let pairs = [("AWS_S3_BUCKET", "pictures"), ("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", &endpoint)];
    let (store, _) = store(&offline("us-east-1"), &pairs);
    store.presign_upload(&upload("k", Some(3))).await.unwrap();
    store.presign_download("k", MINUTES).await.unwrap();
    // Whoever had connected would be waiting to be accepted.
    let waited = tokio::time::timeout(Duration::from_millis(20), listener.accept()).await;
    assert!(waited.is_err(), "somebody connected");
}

#[tokio::test]
async fn what_cannot_be_signed_is_refused() {
    let (store, _) =
        store(&offline("us-east-1"), &[("AWS_S3_BUCKET", "pictures"), ("AWS_REGION", "us-east-1")]);
    let day = Duration::from_secs(86_400);
    for ttl in [Duration::ZERO, Duration::from_millis(999), day * 7 + Duration::from_secs(1)] {
        let refused = store.presign_download("k", ttl).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{ttl:?}");
        let refused = store.presign_upload(&UploadRequest { ttl, ..upload("k", None) }).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{ttl:?}");
    }
    store.presign_download("k", day * 7).await.unwrap();
    for request in [
        UploadRequest { size: Some(4), max_size: 3, ..upload("k", None) },
        UploadRequest { max_size: u64::MAX, ..upload("k", None) },
        UploadRequest { content_type: Some("image/png\r\nx: y".to_owned()), ..upload("k", None) },
        UploadRequest { content_type: Some(String::new()), ..upload("k", None) },
    ] {
        assert_eq!(store.presign_upload(&request).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

/// A provider that has nothing.
#[derive(Debug)]
struct Penniless;

impl ProvideCredentials for Penniless {
    fn provide_credentials<'a>(&'a self) -> ProvideFuture<'a>
    where
        Self: 'a,
    {
        ProvideFuture::ready(Err(CredentialsError::not_loaded("none here")))
    }
}

#[tokio::test]
async fn without_credentials_it_is_denied_and_not_an_outage() {
    let bare = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url("http://127.0.0.1:9")
        .build();
    let provider = SharedCredentialsProvider::new(Penniless);
    let penniless = bare.clone().into_builder().credentials_provider(provider).build();
    for config in [bare, penniless.clone()] {
        let store = S3BlobStore::open(&config, &S3Settings::of_bucket("pictures"), Arc::new(SystemClock));
        for refused in [
            store.presign_download("k", MINUTES).await.unwrap_err(),
            store.presign_upload(&upload("k", None)).await.unwrap_err(),
        ] {
            assert_eq!(refused.kind(), ErrorKind::Denied, "{refused}");
        }
    }
    let store = S3BlobStore::open(&penniless, &S3Settings::of_bucket("pictures"), Arc::new(SystemClock));
    for refused in [store.head("k").await.unwrap_err(), store.check().await.unwrap_err()] {
        assert_eq!(refused.kind(), ErrorKind::Denied, "{refused}");
    }
}

/// A browser that does not say that the object must be new is refused, on both servers, and nothing is stored.
#[tokio::test(flavor = "multi_thread")]
async fn every_signed_header_must_be_sent() {
    let second = Server::start().await;
    for server in given(Backend::Aws).into_iter().chain([second.url.clone()]) {
        let buckets = Buckets::make(&config(&server).await, 1).await;
        let store = buckets.store();
        let url = store.presign_upload(&upload("k", Some(3))).await.unwrap();
        let answer = browser().put(url.clone()).header("content-type", "image/png").body("abc");
        assert_eq!(answer.send().await.unwrap().status().as_u16(), 403);
        assert_eq!(store.head("k").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(put(&url, "image/png", "abc").await, 200);
        assert_eq!(put(&url, "image/png", "abd").await, 412, "it is not new any more");
    }
}

/// The clock that was passed in begins the lifetime: signed in the past, a URL is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_url_of_a_clock_that_is_slow_ends_early() {
    let Some(server) = given(Backend::Aws) else { return };
    let config = config(&server).await;
    let buckets = Buckets::make(&config, 1).await;
    let store = S3BlobStore::open(&config, &buckets.settings(), Arc::new(ManualClock::default()));
    let url = store.presign_upload(&upload("k", Some(3))).await.unwrap();
    assert_eq!(put(&url, "image/png", "abc").await, 403);
    assert_eq!(store.head("k").await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// Paths are signed as they are sent, also on a server that checks the signature of every request.
#[tokio::test(flavor = "multi_thread")]
async fn every_printable_character_survives_in_a_key() {
    let other = Server::start().await;
    let (aws, second) = (given(Backend::Aws).map(|url| (url, true)), (other.url.clone(), false));
    for (server, lists) in aws.into_iter().chain([second]) {
        let buckets = Buckets::make(&config(&server).await, 1).await;
        let store = buckets.store();
        let marks = (' '..='~').filter(|c| !c.is_ascii_alphanumeric() && *c != '/');
        let mut keys: Vec<String> = marks.map(|c| format!("a{c}b")).collect();
        keys.extend(["%2F", "%252F", "a+ %+", "ä😀", "%E0%A4%A", "a=b&c=d", "x.%2e"].map(str::to_owned));
        keys.sort();
        for key in &keys {
            store.put(key, PutBlob::new(key.clone())).await.unwrap();
            let url = store.presign_download(key, MINUTES).await.unwrap();
            assert_eq!(browser().get(url).send().await.unwrap().text().await.unwrap(), *key);
        }
        store.copy("a+b", "to+%20").await.unwrap();
        assert_eq!(store.head("to+%20").await.unwrap().size, 3);
        store.delete("to+%20").await.unwrap();
        // The second server says that it encodes keys in listings, and does not.
        if lists {
            let page = store.list("", None, 1000).await.unwrap();
            assert_eq!(page.keys.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), keys);
        }
        for key in &keys {
            store.delete(key).await.unwrap();
        }
    }
}
