//! Which bucket holds what, and who reads it.

use std::sync::Arc;

use aws_sdk_s3::Client;
use url::Url;
use waiterix_adapters_aws::s3::{AudioFormat, Layout, S3BlobStore, S3Settings, Transcription};
use waiterix_backends::{Backend, given};
use waiterix_ports::{BlobStore as _, Bytes, Clock as _, ErrorKind, PutBlob, SystemClock, Visibility};

use crate::s3::fixture::{Buckets, browser, bucket_name, client, config};

async fn holds(client: &Client, bucket: &str, key: &str) -> bool {
    client.head_object().bucket(bucket).key(key).send().await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_below_public_are_in_the_public_bucket_and_no_others() {
    let Some(server) = given(Backend::Aws) else { return };
    let config = config(&server).await;
    let (buckets, client) = (Buckets::make(&config, 2).await, client(&config));
    let store = buckets.store();
    for (key, public) in [
        ("public/a", true),
        ("public//", true),
        ("public", false),
        ("publi", false),
        ("Public/a", false),
        ("a/public/b", false),
    ] {
        store.put(key, PutBlob { visibility: Visibility::Public, ..PutBlob::new("x") }).await.unwrap();
        assert_eq!(holds(&client, buckets.name(0), key).await, public, "{key}");
        assert_eq!(holds(&client, buckets.name(1), key).await, !public, "{key}");
    }
    store.copy("public", "public/b").await.unwrap();
    store.copy("public/a", "b").await.unwrap();
    assert!(holds(&client, buckets.name(0), "public/b").await && holds(&client, buckets.name(1), "b").await);
    store.delete("public/b").await.unwrap();
    assert!(!holds(&client, buckets.name(0), "public/b").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_in_the_wrong_bucket_is_not_there() {
    let Some(server) = given(Backend::Aws) else { return };
    let config = config(&server).await;
    let (buckets, client) = (Buckets::make(&config, 2).await, client(&config));
    let store = buckets.store();
    for (bucket, key) in [(0, "private/x"), (1, "public/x"), (1, "public/y")] {
        let call =
            client.put_object().bucket(buckets.name(bucket)).key(key).body(Bytes::from_static(b"x").into());
        call.send().await.unwrap();
        assert_eq!(store.head(key).await.unwrap_err().kind(), ErrorKind::NotFound, "{key}");
    }
    let mut keys = ["a", "p", "public", "public/a", "public/b", "public0", "publicity", "z"];
    for key in keys {
        store.put(key, PutBlob::new("x")).await.unwrap();
    }
    keys.sort_unstable();
    for prefix in ["", "p", "public", "public/", "public/a", "public0", "publici"] {
        let expected: Vec<&str> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
        for limit in [1, 2, 3, 1000] {
            let (mut found, mut from) = (Vec::new(), None);
            loop {
                let page = store.list(prefix, from.as_deref(), limit).await.unwrap();
                found.extend(page.keys.into_iter().map(|(key, _)| key));
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{prefix:?} by pages of {limit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_proves_every_bucket_and_the_credentials() {
    let Some(server) = given(Backend::Aws) else { return };
    let config = config(&server).await;
    let buckets = Buckets::make(&config, 2).await;
    buckets.store().check().await.unwrap();
    let mut settings = buckets.settings();
    settings.layout = Layout::Two { public: buckets.name(0).to_owned(), private: bucket_name() };
    let store = S3BlobStore::open(&config, &settings, Arc::new(SystemClock));
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::NotFound);
    // A bucket that is not there is an outage and not a missing object.
    assert_eq!(store.get("k", None).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.list("", None, 10).await.unwrap_err().kind(), ErrorKind::Unavailable);
    // The account of another caller has no rights here.
    let stranger = aws_sdk_s3::config::Credentials::new("480013000999", "test", None, None, "test");
    let config = config
        .into_builder()
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(stranger))
        .build();
    let store = S3BlobStore::open(&config, &buckets.settings(), Arc::new(SystemClock));
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(store.head("k").await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(store.put("k", PutBlob::new("x")).await.unwrap_err().kind(), ErrorKind::Denied);
}

/// Recordings and transcripts live in a bucket of their own and are deleted once they were read.
#[tokio::test(flavor = "multi_thread")]
async fn a_transcription_is_cleared_away() {
    let Some(server) = given(Backend::Aws) else { return };
    let config = config(&server).await;
    let buckets = Buckets::make(&config, 2).await;
    let mut settings = S3Settings::of_bucket(buckets.name(0));
    settings.transcribe_bucket = Some(buckets.name(1).to_owned());
    let store = S3BlobStore::open(&config, &settings.transcription().unwrap(), Arc::new(SystemClock));
    for (was_read, left) in [(true, 0), (false, 1)] {
        let keys = Transcription::new(SystemClock.now(), u64::from(was_read), AudioFormat::Webm);
        for key in [&keys.recording, &keys.transcript] {
            store.put(key, PutBlob::new("x")).await.unwrap();
            assert!(holds(&client(&config), buckets.name(1), key).await);
        }
        keys.clear(&store, was_read).await.unwrap();
        assert_eq!(store.list("", None, 10).await.unwrap().keys.len(), left, "{was_read}");
    }
}

/// **G027**: with the policy of `docs/decisions/0013-objects-in-s3.md` anyone reads what is below `public/`, and nobody
/// without a signature anything else, whether the layout is one bucket or two.
#[tokio::test(flavor = "multi_thread")]
async fn anonymous_readers_reach_public_objects_only() {
    let Some(server) = given(Backend::Aws) else { return };
    let config = config(&server).await;
    for count in [1, 2] {
        let (buckets, client) = (Buckets::make(&config, count).await, client(&config));
        let store = buckets.store();
        let open = buckets.name(0);
        client.delete_public_access_block().bucket(open).send().await.unwrap();
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{open}/public/*"}}]}}"#
        );
        client.put_bucket_policy().bucket(open).policy(policy).send().await.unwrap();
        for key in ["public/a", "private/a"] {
            store.put(key, PutBlob::new(key)).await.unwrap();
        }
        for (bucket, key, statuses) in [
            (open, "public/a", &[200][..]),
            (buckets.name(count - 1), "private/a", &[403]),
            // Without the right to list, AWS does not tell what is missing.
            (open, "public/absent", &[403, 404]),
            (open, "", &[403]),
        ] {
            let url: Url = server.join(&format!("{bucket}/{key}")).unwrap();
            let answer = browser().get(url).send().await.unwrap();
            let status = answer.status().as_u16();
            assert!(statuses.contains(&status), "{key:?} in {count} buckets: {status}");
        }
    }
}
