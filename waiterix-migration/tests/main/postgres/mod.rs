//! The move of rows between two PostgreSQL databases, with the service on them.

#![allow(clippy::print_stderr, reason = "a failed test is a panic, and its seed is shown")]

mod pair;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pair::{Pair, order};
use waiterix_adapters_local::memory::MemoryStore;
use waiterix_backends::{Backend, given};
use waiterix_contract::store::{differential, sample};
use waiterix_domain::{ChangeSet, CommitId, Counter, Row, Table};
use waiterix_migration::rows::{Ended, Found, Stop};
use waiterix_migration::{Leader, Mirroring};
use waiterix_ports::moving::{Hashing, Image, MovingKey, RowSide as _, Wanted};
use waiterix_ports::{Answer, KeyRange, Query, Store, SystemClock};

/// Guests order while all is copied, compared, given to the new side, given back and given again.
#[test]
fn no_request_fails_while_rows_move_there_and_back_and_there() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let pair = Pair::new(&server, Mirroring::Background).await;
        let mut first = ChangeSet::new(CommitId::new("first"));
        for number in 0..20 {
            first = first.insert_all(sample::house(&format!("house{number:02}")));
        }
        first = first.insert(Row::from(sample::user("u"))).insert(Row::from(sample::restaurant("r", "u")));
        pair.old.commit(&first).await.unwrap();

        let over = Arc::new(AtomicBool::new(false));
        let mut guests = Vec::new();
        for guest in 0..4 {
            let (store, over) = (pair.store.clone(), over.clone());
            guests.push(tokio::spawn(async move {
                let (mut done, mut slowest) = (BTreeSet::new(), Duration::ZERO);
                while !over.load(Ordering::SeqCst) {
                    let id = format!("o-{guest}-{:05}", done.len());
                    let began = tokio::time::Instant::now();
                    store.commit(&order(&id)).await.expect("no request fails");
                    slowest = slowest.max(began.elapsed());
                    let found = store.read(&Query::Order(id.as_str().into())).await.expect("no read fails");
                    assert_ne!(found, Answer::Rows(vec![]), "{id} was answered and is not there");
                    done.insert(id);
                    // Guests look at the menu in between.
                    for _ in 0..5 {
                        store.read(&Query::Menu("r".into())).await.expect("no read fails");
                    }
                }
                (done, slowest)
            }));
        }
        let copied = pair.process.copy_all().await;
        assert!(copied.rows >= 20 * Table::ALL.len() as u64, "{copied:?}");
        for to in [Leader::New, Leader::Old, Leader::New] {
            let report = pair.process.verifier(Hashing::Record).verify().await.unwrap();
            // The house is written with every order.
            assert!(report.is_clean() && report.busy().all(|key| key.id == "r"), "{report:?}");
            let ended = pair.process.cutover.run(to, Some(&report), &Stop::default()).await.unwrap();
            let Ended::Moved { paused, drained, .. } = ended else { panic!("{ended:?}") };
            eprintln!("to {}: paused for {paused:?}, {drained} keys in it", to.as_str());
        }
        over.store(true, Ordering::SeqCst);
        let mut all = BTreeSet::new();
        for guest in guests {
            let (done, slowest) = guest.await.unwrap();
            eprintln!("{} orders, the slowest took {slowest:?}", done.len());
            all.extend(done);
        }
        pair.process.drain().await;
        pair.assert_equal().await;
        let (mut there, mut range) = (BTreeSet::new(), KeyRange::default());
        loop {
            let page = pair.new.scan(Table::Orders, &range, 1_000).await.unwrap();
            let Some(last) = page.last() else { break };
            range.after = Some(last.key().to_owned());
            there.extend(page.iter().map(|row| row.key().to_owned()).filter(|id| id.starts_with("o-")));
        }
        assert!(there == all, "{} are there, and {} were answered", there.len(), all.len());
        let house = Query::Restaurant("r".into());
        let Answer::Rows(rows) = pair.new.read(&house).await.unwrap() else { panic!() };
        let Row::Restaurant(house) = &rows[0] else { panic!() };
        assert_eq!(house.ai_usage_count as usize, all.len(), "each was counted once");
        pair.end();
    });
}

/// Every kind of change follows, whoever leads.
#[test]
fn what_random_steps_leave_is_on_both_sides() {
    const SEED: u64 = 20_261_126;
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let pair = Pair::new(&server, Mirroring::Inline).await;
        pair.process.copy_all().await;
        eprintln!("seed {SEED}");
        let stores: [(&str, Arc<dyn Store>); 2] = [
            ("memory", Arc::new(MemoryStore::new(Arc::new(SystemClock)))),
            ("two databases", pair.store.clone()),
        ];
        let tally = differential::run(&stores, SEED, 400).await;
        assert!(tally.committed > 40 && tally.refused > 0, "{tally:?}");
        pair.process.drain().await;
        pair.assert_equal().await;
        let report = pair.process.verifier(Hashing::Text).verify().await.unwrap();
        assert!(report.is_clean(), "{report:?}");
        let ended = pair.process.cutover.run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
        assert!(matches!(ended, Ended::Moved { .. }), "{ended:?}");
        // What the new side knows of the commits of the old one.
        let set = ChangeSet::new(CommitId::new("after")).insert(Row::from(sample::user("after")));
        pair.store.commit(&set).await.unwrap();
        pair.process.drain().await;
        pair.assert_equal().await;
        pair.end();
    });
}

#[test]
fn what_is_wrong_is_named_by_its_columns_and_repaired() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let pair = Pair::new(&server, Mirroring::Background).await;
        let set = ChangeSet::new(CommitId::new("first"));
        pair.old.commit(&set.insert_all(sample::house("a")).insert_all(sample::house("b"))).await.unwrap();
        pair.process.copy_all().await;
        let key = |house: &str, table: Table| MovingKey {
            table: table.name().into(),
            id: sample::id(house, table),
        };
        let wrong = key("a", Table::Orders);
        let image =
            pair.old_side.images(std::slice::from_ref(&wrong)).await.unwrap().remove(0).image.unwrap();
        let mut row: serde_json::Value = serde_json::from_str(&image.0).unwrap();
        row["allergies"] = serde_json::Value::String("Secret note".to_owned());
        let missing = key("b", Table::Ratings);
        for wanted in [
            Wanted { key: wrong.clone(), image: Some(Image(row.to_string())) },
            Wanted { key: missing.clone(), image: None },
        ] {
            let held = pair.new_side.hold(100, std::slice::from_ref(&wanted.key)).await.unwrap();
            held.make(std::slice::from_ref(&wanted)).await.unwrap();
        }
        for hashing in [Hashing::Record, Hashing::Text] {
            let verifier = pair.process.verifier(hashing);
            let report = verifier.verify().await.unwrap();
            let found: Vec<_> =
                report.differences().map(|found| (found.key.clone(), found.found.clone())).collect();
            let columns = Found::Differs { columns: vec!["allergies".to_owned()] };
            assert_eq!(found, [(wrong.clone(), columns), (missing.clone(), Found::Missing)]);
            assert!(!format!("{report:?}").contains("Secret"));
            if hashing == Hashing::Text {
                assert!(verifier.repair(&report).await.unwrap().is_clean());
            }
        }
        pair.assert_equal().await;
        pair.end();
    });
}

/// A table is read in pieces, in the order in which its rows lie; and that changes while it is read.
#[test]
fn rows_that_move_and_tables_that_are_rewritten_while_they_are_compared_are_no_difference() {
    const ROUNDS: usize = 4;
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let pair = Pair::new(&server, Mirroring::Background).await;
        let mut guest = pair.psql(Leader::Old).await;
        guest
            .run("INSERT INTO users (id) SELECT 'u' || n FROM generate_series(1, 4000) n; ANALYZE users")
            .await
            .unwrap();
        pair.process.copy_all().await;
        let spoilt = ["u77", "u2500"];
        let mut vandal = pair.psql(Leader::New).await;
        vandal
            .run(
                "SET waiterix.converging = '100'; DELETE FROM users WHERE id = 'u77'; \
                 UPDATE users SET last_name = 'x' WHERE id = 'u2500'",
            )
            .await
            .unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let writing = tokio::spawn({
            let over = over.clone();
            async move {
                for turn in 0.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    // Each is written anew at the end of the table, or in a gap.
                    let moved = format!(
                        "UPDATE users SET first_name = 'n{turn}' WHERE id <> ALL ('{{u77,u2500}}') \
                         AND hashtext(id) % 100 = {}",
                        turn % 100
                    );
                    guest.run(&moved).await.unwrap();
                }
            }
        });
        let mut rewritten = 0;
        for round in 0..ROUNDS {
            let verifier = pair.process.verifier(Hashing::Record);
            let rewriting = async {
                for database in if round % 2 == 0 { vec![] } else { vec![Leader::Old, Leader::New] } {
                    pair.psql(database).await.run("VACUUM FULL users").await.unwrap();
                    rewritten += 1;
                }
            };
            let (report, ()) = tokio::join!(verifier.verify(), rewriting);
            let report = report.unwrap();
            let found: Vec<_> = report.differences().map(|found| &*found.key.id).collect();
            assert!(found.iter().all(|id| spoilt.contains(id)) && found.len() == 2, "{found:?}");
            assert_eq!(report.tables.iter().map(|table| table.restless).sum::<u64>(), 0);
        }
        assert_eq!(rewritten, ROUNDS);
        over.store(true, Ordering::SeqCst);
        writing.await.unwrap();
        let verifier = pair.process.verifier(Hashing::Record);
        let report = verifier.verify().await.unwrap();
        assert!(verifier.repair(&report).await.unwrap().is_clean());
        pair.process.drain().await;
        pair.assert_equal().await;
        pair.end();
    });
}

#[test]
fn an_ambiguous_outcome_and_a_repeat_after_the_flip_count_once() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let pair = Pair::new(&server, Mirroring::Inline).await;
        let set = ChangeSet::new(CommitId::new("first"));
        let set = set.insert(Row::from(sample::user("u"))).insert(Row::from(sample::restaurant("r", "u")));
        pair.old.commit(&set).await.unwrap();
        pair.process.copy_all().await;
        // Done on the old side, and nobody heard of it.
        let counted = ChangeSet::new(CommitId::new("counted")).add(Counter::RestaurantAiUsage, "r", 1);
        pair.old.commit(&counted).await.unwrap();
        pair.process.drain().await;
        let report = pair.process.verifier(Hashing::Record).verify().await.unwrap();
        let ended = pair.process.cutover.run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
        assert!(matches!(ended, Ended::Moved { .. }), "{ended:?}");
        pair.store.commit(&counted).await.unwrap();
        let Answer::Rows(rows) = pair.new.read(&Query::Restaurant("r".into())).await.unwrap() else {
            panic!()
        };
        let Row::Restaurant(house) = &rows[0] else { panic!() };
        assert_eq!(house.ai_usage_count, 1);
        pair.process.drain().await;
        pair.assert_equal().await;
        pair.end();
    });
}
