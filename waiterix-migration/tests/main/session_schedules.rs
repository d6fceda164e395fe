//! Random schedules of what users and relays do, with faults of both stores: nothing is lost, and nothing comes back.

#![allow(clippy::print_stdout, reason = "a failed test is a panic, and its seed is shown")]

use std::collections::{HashMap, HashSet};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Map, json};
use waiterix_migration::Phase;
use waiterix_ports::{Clock as _, Session, SessionId, SessionStore as _};

use crate::pair::Sessions;

const STEPS: usize = 120;
const SEEDS: u64 = 150;

fn id(number: usize) -> SessionId {
    SessionId::new(format!("session-number-{number:03}"))
}

/// What a user was told.
#[derive(Default)]
struct Told {
    /// Created, and never asked to end.
    live: HashSet<usize>,
    /// Asked to end, and that was confirmed.
    ended: HashSet<usize>,
    /// The last step that an update confirmed.
    steps: HashMap<usize, u64>,
}

async fn schedule(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let moving = Sessions::new(Phase::ALL[dice.random_range(0..4)]);
    let (mut told, mut next) = (Told::default(), 0);
    for step in 0..STEPS {
        for wire in [&moving.old_wire, &moving.new_wire] {
            match dice.random_range(0..10) {
                0 => wire.cut(),
                1 => wire.swallow(),
                _ => wire.mend(),
            }
        }
        let number = dice.random_range(0..next.max(1));
        // What does not exist yet is not ended: ids are drawn, and nobody knows one before it is used.
        let what = if next == 0 { 0 } else { dice.random_range(0..12) };
        match what {
            0..3 => {
                let now = moving.clock.now();
                let session = Session {
                    id: id(next),
                    user_id: Some("anna".into()),
                    email: None,
                    created_at: now,
                    last_activity: now,
                    expires_at: now.plus_seconds(86_400),
                    extra: Map::new(),
                };
                if moving.mirror.create(&session).await.is_ok() {
                    told.live.insert(next);
                }
                next += 1;
            }
            3..5 => {
                told.live.remove(&number);
                if moving.mirror.delete(&id(number)).await.is_ok() {
                    told.ended.insert(number);
                }
            }
            5..7 => {
                if let Ok(Some(mut read)) = moving.mirror.load(&id(number)).await {
                    read.session.extra.insert("step".to_owned(), json!(step));
                    told.steps.remove(&number);
                    if moving.mirror.update(&read.session, &read.revision).await.is_ok() {
                        told.steps.insert(number, step as u64);
                    }
                }
            }
            7 => {
                let now = moving.clock.now();
                let _ = moving.mirror.touch(&id(number), now, now.plus_seconds(86_400)).await;
            }
            8 => {
                let _ = moving.mirror.relay().await;
            }
            9 => {
                // A change of the leader: nobody writes, and the journal is empty.
                moving.old_wire.mend();
                moving.new_wire.mend();
                assert_eq!(moving.mirror.relay().await.unwrap().failed, 0, "seed {seed}, step {step}");
                moving.switch.set(Phase::ALL[dice.random_range(0..4)]);
            }
            _ => match moving.mirror.load(&id(number)).await {
                Ok(Some(_)) => assert!(!told.ended.contains(&number), "seed {seed}, step {step}: came back"),
                Ok(None) => assert!(!told.live.contains(&number), "seed {seed}, step {step}: lost"),
                Err(_) => {}
            },
        }
    }
    moving.old_wire.mend();
    moving.new_wire.mend();
    assert_eq!(moving.mirror.relay().await.unwrap().failed, 0, "seed {seed}");
    assert!(moving.journal.is_empty(), "seed {seed}");
    for number in 0..next {
        let (old, new) = (moving.old.load(&id(number)).await, moving.new.load(&id(number)).await);
        let (old, new) = (old.unwrap().map(|old| old.session), new.unwrap().map(|new| new.session));
        assert_eq!(old, new, "seed {seed}, session {number}: the sides differ when all is quiet");
        assert!(old.is_some() || !told.live.contains(&number), "seed {seed}, session {number}: lost");
        assert!(old.is_none() || !told.ended.contains(&number), "seed {seed}, session {number}: came back");
        if let (Some(session), Some(step)) = (old, told.steps.get(&number)) {
            assert_eq!(session.extra.get("step"), Some(&json!(step)), "seed {seed}, session {number}");
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
