//! What the contract of `BlobStore` does not say about this adapter.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt as _;
use futures_util::stream;
use tempfile::TempDir;
use url::Url;
use waiterix_contract::ManualClock;
use waiterix_domain::Secret;
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{BlobStore, Bytes, Error, ErrorKind, PutBlob, PutMode, Retry, Visibility};

use super::bodies::PIECE_BYTES;
use super::{FolderBlobStore, scratch};

async fn open(dir: &Path) -> FolderBlobStore {
    let base = Url::parse("http://127.0.0.1:8080").unwrap();
    let signer = UrlSigner::new(base, Secret::new("secret"));
    FolderBlobStore::open(dir, signer, Arc::new(ManualClock::default())).await.unwrap()
}

async fn put(store: &FolderBlobStore, key: &str, bytes: &'static str) {
    store.put(key, PutBlob::new(bytes)).await.unwrap();
}

async fn read(store: &FolderBlobStore, key: &str) -> Result<String, ErrorKind> {
    let mut download = store.get(key, None).await.map_err(|error| error.kind())?;
    let mut bytes = Vec::new();
    while let Some(piece) = download.body.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| error.kind())?);
    }
    Ok(String::from_utf8(bytes).unwrap())
}

/// Every body of a folder.
fn bodies(dir: &Path) -> Vec<PathBuf> {
    let shards = fs::read_dir(dir.join("bodies")).unwrap();
    shards
        .flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect()
}

#[tokio::test]
async fn objects_are_there_after_a_restart_with_all_that_is_known_about_them() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let mut blob = PutBlob::new("\u{89}PNG");
    blob.owner = Some("user".into());
    blob.visibility = Visibility::Public;
    blob.cache_control = Some("public, max-age=60".to_owned());
    let meta = store.put("public/uploads/1", blob).await.unwrap();
    drop(store);
    let store = open(dir.path()).await;
    assert_eq!(store.head("public/uploads/1").await.unwrap(), meta);
    assert_eq!(read(&store, "public/uploads/1").await.unwrap(), "\u{89}PNG");
}

#[tokio::test]
async fn what_a_crash_left_behind_is_removed_at_the_next_start_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    put(&store, "kept", "kept").await;
    let kept = bodies(dir.path());
    drop(store);
    let left_over = kept[0].with_file_name("abcdefghijklmnopqrstuvwx");
    fs::write(&left_over, "half of an obj").unwrap();
    let foreign = kept[0].with_file_name("README.txt");
    fs::write(&foreign, "not ours").unwrap();
    let store = open(dir.path()).await;
    assert!(!left_over.exists());
    assert!(foreign.exists());
    assert_eq!(read(&store, "kept").await.unwrap(), "kept");
}

#[tokio::test]
async fn a_start_does_not_remove_what_another_process_is_writing() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let (send, receive) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = stream::unfold(receive, |mut receive| async {
        receive.recv().await.map(|bytes| (Ok::<_, Error>(bytes), receive))
    });
    let mut blob = PutBlob::new("");
    blob.body = Box::pin(body);
    blob.size = None;
    let writer = tokio::spawn(async move { store.put("slow", blob).await });
    // Two pieces are taken out of a channel of one only after the body was made.
    for _ in 0..3 {
        send.send(Bytes::from_static(b"piece ")).await.unwrap();
    }
    assert_eq!(bodies(dir.path()).len(), 1);
    let other = open(dir.path()).await;
    assert_eq!(bodies(dir.path()).len(), 1);
    drop(send);
    writer.await.unwrap().unwrap();
    assert_eq!(read(&other, "slow").await.unwrap(), "piece piece piece ");
}

#[tokio::test]
async fn failed_refused_and_abandoned_puts_leave_no_file() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    put(&store, "taken", "old").await;
    let mut broken = PutBlob::new("");
    broken.size = None;
    broken.body = Box::pin(stream::iter([
        Ok(Bytes::from_static(b"half")),
        Err(Error::new(ErrorKind::Unavailable, "upload")),
    ]));
    assert_eq!(store.put("taken", broken).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let mut long = PutBlob::new("too long");
    long.size = None;
    long.max_size = 3;
    assert_eq!(store.put("taken", long).await.unwrap_err().kind(), ErrorKind::Invalid);
    let mut other = PutBlob::new("new");
    other.mode = PutMode::IfMatch("\"other\"".to_owned());
    assert_eq!(store.put("taken", other).await.unwrap_err().kind(), ErrorKind::Conflict);
    let mut endless = PutBlob::new("");
    endless.size = None;
    endless.body = Box::pin(stream::once(async { Ok(Bytes::from_static(b"x")) }).chain(stream::pending()));
    let put = tokio::spawn({
        let store = store.clone();
        async move { store.put("abandoned", endless).await }
    });
    waiterix_contract::eventually(std::time::Duration::from_secs(10), "a second body", || async {
        bodies(dir.path()).len() == 2
    })
    .await;
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    waiterix_contract::eventually(std::time::Duration::from_secs(10), "the first body alone", || async {
        bodies(dir.path()).len() == 1
    })
    .await;
    assert_eq!(read(&store, "taken").await.unwrap(), "old");
}

#[tokio::test]
async fn replaced_and_deleted_objects_leave_no_file_unless_a_copy_shares_it() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    put(&store, "a", "one").await;
    store.copy("a", "b").await.unwrap();
    assert_eq!(bodies(dir.path()).len(), 1);
    put(&store, "a", "two").await;
    assert_eq!(bodies(dir.path()).len(), 2);
    assert_eq!(read(&store, "b").await.unwrap(), "one");
    store.copy("a", "b").await.unwrap();
    assert_eq!(bodies(dir.path()).len(), 1);
    store.delete("a").await.unwrap();
    assert_eq!(read(&store, "b").await.unwrap(), "two");
    store.copy("b", "b").await.unwrap();
    assert_eq!(read(&store, "b").await.unwrap(), "two");
    store.delete("b").await.unwrap();
    assert!(bodies(dir.path()).is_empty());
}

#[tokio::test]
async fn keys_that_file_systems_confuse_are_different_objects() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let long = "k/".repeat(512);
    let keys = [
        "a",
        "A",
        "a/",
        "a/b",
        "a//b",
        "a/b/",
        "CON",
        "con.txt",
        "NUL",
        "a.",
        "a ",
        " a",
        "é",
        "e\u{301}",
        "C:\\x",
        "a\\..\\b",
        "%2e%2e/x",
        "...",
        "..a/b",
        "~",
        "*?<>|\"",
        "\u{10FFFF}",
        "index.db",
        &long,
    ];
    for key in keys {
        store.put(key, PutBlob::new(key.to_owned())).await.unwrap();
    }
    for key in keys {
        assert_eq!(read(&store, key).await.as_deref(), Ok(key));
    }
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let page = store.list("", None, 1000).await.unwrap();
    assert_eq!(page.keys.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), sorted);
}

#[tokio::test]
async fn no_key_and_no_forged_index_leads_out_of_the_folder() {
    let outer = TempDir::new().unwrap();
    let dir = outer.path().join("store");
    let store = open(&dir).await;
    let secret = outer.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let absolute = secret.to_str().unwrap().to_owned();
    for key in
        ["../secret", "..", ".", "a/../../secret", "a/./b", "/etc/passwd", &absolute, "", "a\0b", "a\nb"]
    {
        let put = store.put(key, PutBlob::new("overwritten")).await;
        assert_eq!(put.unwrap_err().kind(), ErrorKind::Invalid, "{key:?}");
        assert_eq!(read(&store, key).await, Err(ErrorKind::NotFound), "{key:?}");
        store.delete(key).await.unwrap();
    }
    put(&store, "object", "object").await;
    for forged in ["../secret", "00/../../../secret", &absolute, "00/../../../../../../../etc/passwd"] {
        sqlx::query("UPDATE object SET body = ?1").bind(forged).execute(store.index.writer()).await.unwrap();
        assert!(read(&store, "object").await.is_err(), "{forged}");
    }
    store.delete("object").await.unwrap();
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creates_through_two_stores_on_one_folder_exactly_one_wins() {
    let dir = TempDir::new().unwrap();
    // Opening at the same time is a race of its own.
    let (one, two) = tokio::join!(open(dir.path()), open(dir.path()));
    for round in 0..5 {
        let mut puts = tokio::task::JoinSet::new();
        for number in 0..8 {
            let store = if number % 2 == 0 { one.clone() } else { two.clone() };
            puts.spawn(async move {
                let mut blob = PutBlob::new(format!("{number}"));
                blob.mode = PutMode::Create;
                store.put(&format!("race/{round}"), blob).await.map(|_| number)
            });
        }
        let mut winners = Vec::new();
        for result in puts.join_all().await {
            match result {
                Ok(number) => winners.push(number),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
            }
        }
        assert_eq!(winners.len(), 1);
        let stored = read(&two, &format!("race/{round}")).await.unwrap();
        assert_eq!(stored, winners[0].to_string());
    }
    assert_eq!(bodies(dir.path()).len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_miss_an_object_that_is_replaced_all_the_time() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let text = |number: u32| number.to_string().repeat(1000);
    store.put("k", PutBlob::new(text(0))).await.unwrap();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0..40 {
                store.put("k", PutBlob::new(text(number))).await.unwrap();
            }
        }
    });
    let mut reads = 0;
    while !writer.is_finished() || reads == 0 {
        let read = read(&store, "k").await.unwrap();
        let number: String = read[..read.len() / 1000].to_owned();
        assert_eq!(read, number.repeat(1000));
        reads += 1;
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn an_object_of_two_hundred_megabytes_is_never_held_in_memory() {
    const PIECE: usize = 64 * 1024;
    const PIECES: u64 = 3200;
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let bodies_dir = dir.path().to_owned();
    let mut blob = PutBlob::new("");
    blob.size = Some(PIECES * PIECE as u64);
    blob.body = Box::pin(stream::iter(0..PIECES).map(move |number| {
        let taken = counter.fetch_add(1, Ordering::Relaxed) * PIECE as u64;
        if number % 400 == 399 {
            let written = bodies(&bodies_dir)[0].metadata().unwrap().len();
            assert!(taken - written <= (PIECE_BYTES + PIECE) as u64, "{taken} taken, {written} written");
        }
        Ok(Bytes::from(vec![number as u8; PIECE]))
    }));
    store.put("big", blob).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), PIECES);
    let mut download = store.get("big", None).await.unwrap();
    let mut size = 0;
    while let Some(piece) = download.body.next().await {
        let piece = piece.unwrap();
        assert!(piece.len() <= PIECE_BYTES);
        size += piece.len() as u64;
    }
    assert_eq!(size, PIECES * PIECE as u64);
}

#[tokio::test]
async fn a_body_that_was_cut_off_or_lost_is_corrupt_and_not_served() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    put(&store, "k", "0123456789").await;
    let body = bodies(dir.path()).remove(0);
    fs::write(&body, "01234").unwrap();
    assert_eq!(store.get("k", None).await.unwrap_err().kind(), ErrorKind::Corrupt);
    fs::remove_file(&body).unwrap();
    let error = store.get("k", None).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Corrupt, Retry::No));
}

#[tokio::test]
async fn a_hundred_thousand_objects_are_listed_by_a_walk_of_the_index() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
         INSERT INTO object SELECT CAST(printf('uploads/%06d', i) AS BLOB), 'none', 1, 'x/y', NULL, '\"e\"', 0,
         NULL, 0 FROM n",
    )
    .execute(store.index.writer())
    .await
    .unwrap();
    let plan: Vec<(i64, i64, i64, String)> =
        sqlx::query_as("EXPLAIN QUERY PLAN SELECT key, size FROM object WHERE key >= x'' AND key < x'FF' ORDER BY key LIMIT 3")
            .fetch_all(store.index.writer())
            .await
            .unwrap();
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].3.starts_with("SEARCH object USING PRIMARY KEY"), "{plan:?}");
    let page = store.list("uploads/0999", None, 60).await.unwrap();
    assert_eq!((page.keys.len(), page.next.as_deref()), (60, Some("uploads/099960")));
    let last = store.list("uploads/0999", page.next.as_deref(), 60).await.unwrap();
    assert_eq!((last.keys.len(), last.next), (40, None));
}

#[cfg(unix)]
#[tokio::test]
async fn files_and_folders_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = TempDir::new().unwrap();
    let dir = outer.path().join("store");
    let store = open(&dir).await;
    put(&store, "k", "x").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let body = bodies(&dir).remove(0);
    assert_eq!(mode(body.parent().unwrap()), 0o700);
    assert_eq!(mode(&body), 0o600);
    for file in fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_folder_of_a_newer_version_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    sqlx::query("PRAGMA user_version = 2").execute(store.index.writer()).await.unwrap();
    drop(store);
    let signer = UrlSigner::new(Url::parse("http://127.0.0.1").unwrap(), Secret::new("secret"));
    let again = FolderBlobStore::open(dir.path(), signer, Arc::new(ManualClock::default())).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn values_that_are_no_headers_are_refused() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    for bad in ["", "text/html\r\nSet-Cookie: a=b", "é"] {
        let mut blob = PutBlob::new("x");
        blob.content_type = Some(bad.to_owned());
        assert_eq!(store.put("k", blob).await.unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        let mut blob = PutBlob::new("x");
        blob.cache_control = Some(bad.to_owned());
        assert_eq!(store.put("k", blob).await.unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
    }
}

#[test]
fn a_file_being_written_is_not_left_over_until_its_writer_is_gone() {
    let dir = TempDir::new().unwrap();
    let mut file = scratch::create(dir.path()).unwrap();
    let path = file.path().to_owned();
    assert!(scratch::lock_left_over(&path).unwrap().is_none());
    file.disable_cleanup(true);
    drop(file);
    assert!(scratch::lock_left_over(&path).unwrap().is_some());
    assert!(scratch::lock_left_over(&dir.path().join("none")).unwrap().is_none());
}
