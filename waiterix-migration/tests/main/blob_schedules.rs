//! Random schedules of what users, other instances and relays do, with faults of both stores: nothing is lost, and nothing
//! comes back.

#![allow(clippy::print_stdout, reason = "a failed test is a panic, and its seed is shown")]

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use waiterix_migration::Phase;
use waiterix_ports::{BlobStore, Bytes, ErrorKind, PutBlob, Result, Visibility};

use crate::pair::Blobs;

const STEPS: usize = 120;
const SEEDS: u64 = 150;
const KEYS: u32 = 6;

async fn read(store: &dyn BlobStore, key: &str) -> Result<Option<String>> {
    match store.get(key, None).await {
        Ok(download) => {
            let bytes = download.body.try_collect::<Vec<Bytes>>().await?.concat();
            Ok(Some(String::from_utf8(bytes).unwrap()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What may be read of each key: one thing after a write that was confirmed, several after one whose outcome is not known.
type Told = BTreeMap<String, BTreeSet<Option<String>>>;

async fn schedule(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let moving = Blobs::new(Phase::ALL[dice.random_range(0..4)]).await;
    let mut told = Told::new();
    for number in 0..KEYS {
        let key = format!("k{number}");
        // Half of them are there before the move, in the old store.
        let before = (number % 2 == 0).then(|| format!("before {number}"));
        if let Some(before) = &before {
            moving.old.put(&key, PutBlob::new(before.clone())).await.unwrap();
        }
        told.insert(key, BTreeSet::from([before]));
    }
    for step in 0..STEPS {
        for wire in [&moving.old_wire, &moving.new_wire] {
            match dice.random_range(0..10) {
                0 => wire.cut(),
                1 => wire.swallow(),
                _ => wire.mend(),
            }
        }
        let key = format!("k{}", dice.random_range(0..KEYS));
        let may_be = told.get_mut(&key).unwrap();
        match dice.random_range(0..12) {
            0..3 => {
                let text = Some(format!("step {step}"));
                let mut blob = PutBlob::new(text.clone().unwrap());
                if dice.random_bool(0.5) {
                    blob.visibility = Visibility::Public;
                }
                match moving.mirror.put(&key, blob).await {
                    Ok(_) => *may_be = BTreeSet::from([text]),
                    Err(_) => drop(may_be.insert(text)),
                }
            }
            3..5 => match moving.mirror.delete(&key).await {
                Ok(()) => *may_be = BTreeSet::from([None]),
                Err(_) => drop(may_be.insert(None)),
            },
            5 => drop(moving.mirror.relay().await),
            6 => {
                moving.old_wire.mend();
                moving.new_wire.mend();
                assert_eq!(moving.mirror.relay().await.unwrap().failed, 0, "seed {seed}, step {step}");
                moving.switch.set(Phase::ALL[dice.random_range(0..4)]);
            }
            7 => {
                let _ = moving.mirror.set_access(&key, None, Visibility::Private).await;
            }
            _ => {
                if let Ok(found) = read(&*moving.mirror, &key).await {
                    assert!(
                        may_be.contains(&found),
                        "seed {seed}, step {step}, {key}: {found:?} of {may_be:?}"
                    );
                }
            }
        }
    }
    moving.old_wire.mend();
    moving.new_wire.mend();
    assert_eq!(moving.mirror.relay().await.unwrap().failed, 0, "seed {seed}");
    assert!(moving.journal.is_empty(), "seed {seed}");
    for (key, may_be) in told {
        let found = read(&*moving.mirror, &key).await.unwrap();
        assert!(may_be.contains(&found), "seed {seed}, {key}: {found:?} of {may_be:?}");
        moving.mirror.relay().await.unwrap();
        if found.is_none() {
            let left = (read(&*moving.old, &key).await.unwrap(), read(&*moving.new, &key).await.unwrap());
            assert_eq!(left, (None, None), "seed {seed}, {key}");
        }
        // What nobody wrote or read since the move began is where it was.
        if let (Ok(old), Ok(new)) = (moving.old.head(&key).await, moving.new.head(&key).await) {
            assert_eq!((old.etag, old.visibility), (new.etag, new.visibility), "seed {seed}, {key}: differs");
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_back() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        schedule(seed).await;
    }
}
