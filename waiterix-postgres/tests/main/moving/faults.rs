//! Lost answers, silent servers and killed connections: nothing is half done, and doing it again is harmless.

use std::time::Duration;

use waiterix_backends::proxy::{Mode as Network, Proxy};
use waiterix_backends::{Backend, given, postgres};
use waiterix_contract::eventually;
use waiterix_ports::moving::{Claiming, Mode, RowSide};
use waiterix_ports::{ErrorKind, Retry};
use waiterix_postgres::moving::PostgresSide;
use waiterix_postgres::testing::Scratch;

use crate::common::ROWS;
use crate::moving::sides::{MIRROR, OPEN, SOON, Side, TABLES, assert_equal, copy, key, pair, reached};

/// How long a statement may take in these tests.
const LIMIT: Duration = Duration::from_secs(1);

/// The way to a side through a network that fails.
async fn behind_proxy(side: &Side) -> (Proxy, PostgresSide) {
    let proxy = Proxy::to(&given(Backend::Postgres).unwrap()).await.unwrap();
    let reached = reached(&proxy.url(&side.scratch.url()), |settings| {
        settings.statement_timeout = LIMIT;
        settings.connect_timeout = LIMIT;
    });
    // It has a connection, and knows the tables.
    reached.images(&[key("users", "u1")]).await.unwrap();
    (proxy, reached)
}

#[test]
fn a_standing_replaced_before_the_connection_broke_is_found_replaced() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        let (proxy, reached) = behind_proxy(&side).await;
        proxy.cut_on("COMMIT\0");
        let error = reached.shift(OPEN, Mode::Announced, 1, SOON).await.unwrap_err();
        assert!(proxy.has_cut());
        assert_eq!(
            (error.kind(), error.retry_advice()),
            (ErrorKind::Unavailable, Retry::Ambiguous),
            "{error}"
        );
        assert!(reached.shift(OPEN, Mode::Announced, 1, SOON).await.unwrap());
        assert_eq!(side.side.standing().await.unwrap().unwrap().turn, 2, "once");
    });
}

#[test]
fn keys_made_equal_before_the_connection_broke_are_equal_and_dirty_still() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        let (proxy, reached) = behind_proxy(&follower).await;
        let behind = Side { side: reached, scratch: follower.scratch };
        proxy.cut_on("COMMIT\0");
        let error = behind.follow(&leader.side, 1).await.unwrap_err();
        assert!(proxy.has_cut());
        assert_eq!(
            (error.kind(), error.retry_advice()),
            (ErrorKind::Unavailable, Retry::Ambiguous),
            "{error}"
        );
        assert_equal(&leader, &behind).await;
        let dirty = async || leader.side.backlog().await.unwrap().entries;
        assert!(dirty().await > 20);
        // The claim was dropped with its connection; when the server has noticed, everything is anybody's again.
        eventually(SOON, "all is made equal", || async {
            behind.follow(&leader.side, 1).await.unwrap();
            dirty().await == 0
        })
        .await;
        assert_equal(&leader, &behind).await;
    });
}

#[test]
fn entries_forgotten_before_the_connection_broke_are_gone_and_nobody_needs_to_know() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        let (proxy, reached) = behind_proxy(&leader).await;
        proxy.cut_on("DELETE FROM waiterix_migration.journal");
        let error = follower.follow(&reached, 1).await.unwrap_err();
        assert!(proxy.has_cut());
        assert_eq!(
            (error.kind(), error.retry_advice()),
            (ErrorKind::Unavailable, Retry::Ambiguous),
            "{error}"
        );
        assert_equal(&leader, &follower).await;
        follower.follow(&reached, 1).await.unwrap();
        assert_eq!(leader.side.backlog().await.unwrap().entries, 0);
    });
}

#[test]
fn a_range_whose_connection_breaks_is_written_wholly_or_not_at_all() {
    waiterix_contract::run(|| async {
        for (needle, is_done) in [("COPY public", false), ("COMMIT\0", true)] {
            let Some((leader, follower)) = pair().await else { return };
            let (proxy, reached) = behind_proxy(&follower).await;
            let range = leader.side.cut("users", 1_000).await.unwrap().remove(0);
            let parcel = leader.side.copy_out("users", &range).await.unwrap();
            proxy.cut_on(needle);
            let error = reached.copy_in(1, "users", &range, parcel).await.unwrap_err();
            assert!(proxy.has_cut());
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            let there = follower.rows("users").await.len();
            assert_eq!(
                (there, follower.side.copied("users").await.unwrap().len()),
                if is_done { (3, 1) } else { (0, 0) }
            );
            let behind = Side { side: reached, scratch: follower.scratch };
            copy(&leader, &behind, "users", 1_000).await;
            assert_eq!(behind.rows("users").await, leader.rows("users").await);
        }
    });
}

#[test]
fn a_server_that_falls_silent_is_waited_for_no_longer_than_is_said() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        let (proxy, reached) = behind_proxy(&side).await;
        proxy.set(Network::Hold);
        let begin = std::time::Instant::now();
        let error = reached.claim(&Claiming::Oldest(1)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error}");
        assert!(begin.elapsed() < LIMIT * 8, "{:?}", begin.elapsed());
        proxy.set(Network::Pass);
        eventually(SOON, "it goes on", || async { reached.claim(&Claiming::Oldest(1)).await.is_ok() }).await;
    });
}

#[test]
fn what_was_put_aside_is_made_again_whenever_it_was_broken_off() {
    waiterix_contract::run(|| async {
        // Cut at the first of each kind, and at the very end.
        for needle in [
            "DROP CONSTRAINT",
            "ENABLE ALWAYS TRIGGER waiterix_note",
            "PRIMARY KEY",
            "CREATE UNIQUE INDEX",
            "FOREIGN KEY",
            "VALIDATE CONSTRAINT",
            "ANALYZE",
        ] {
            let Some(side) = Side::standing(MIRROR).await else { return };
            let before = crate::common::catalog(&side.scratch.url()).await;
            let (proxy, reached) = behind_proxy(&side).await;
            proxy.cut_on(needle);
            let broken_off = async {
                reached.before_copy().await?;
                reached.after_copy().await
            };
            let error = broken_off.await.unwrap_err();
            assert!(proxy.has_cut(), "{needle}");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{needle}: {error}");
            let unnoted =
                "SELECT count(*) FROM pg_trigger WHERE tgname = 'waiterix_note' AND tgenabled = 'D'";
            match needle {
                "ENABLE ALWAYS TRIGGER waiterix_note" => assert!(side.count(unnoted).await > 0),
                _ => assert_eq!(side.count(unnoted).await, 0, "{needle}: no key is there before its noting"),
            }
            // Whoever begins anew may begin with either.
            if needle == "VALIDATE CONSTRAINT" {
                side.side.before_copy().await.unwrap();
            }
            side.side.after_copy().await.unwrap();
            assert_eq!(crate::common::catalog(&side.scratch.url()).await, before, "{needle}");
            assert_eq!(side.count("SELECT count(*) FROM waiterix_migration.put_aside").await, 0);
        }
    });
}

#[test]
fn of_two_connections_that_make_indexes_the_loss_of_one_ends_the_other_and_the_rest_is_made_later() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(MIRROR).await else { return };
        let before = crate::common::catalog(&side.scratch.url()).await;
        side.side.before_copy().await.unwrap();
        // One of them waits for somebody who writes; the other goes on.
        let mut writer = side.psql().await;
        crate::common::execute(&mut writer, "BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE").await;
        let losing = async {
            let waits =
                "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let count = format!("SELECT count(*) {waits}");
            eventually(SOON, "one of them waits", || async { side.count(&count).await > 0 }).await;
            side.run(&format!("SELECT pg_terminate_backend(pid) {waits} ORDER BY query_start LIMIT 1")).await;
            crate::common::execute(&mut writer, "COMMIT").await;
        };
        let (made, ()) = tokio::join!(side.side.after_copy(), losing);
        let error = made.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let left =
            side.count("SELECT count(*) FROM waiterix_migration.put_aside WHERE kind = 'reference'").await;
        assert!(left > 0, "nothing is begun after a failure");
        side.side.after_copy().await.unwrap();
        assert_eq!(crate::common::catalog(&side.scratch.url()).await, before);
        assert_eq!(side.count("SELECT count(*) FROM waiterix_migration.put_aside").await, 0);
    });
}

fn signal(name: &str, pid: i64) {
    let sent = std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Nobody makes rows equal before the keys are there, so from then on nothing of the copy may be forgotten.
#[test]
fn what_was_copied_survives_a_killed_server_as_soon_as_its_keys_are_there() {
    waiterix_contract::run(|| async {
        let Some(from) = Side::standing(OPEN).await else { return };
        from.run(ROWS).await;
        // Nobody but a commit that asks for it brings the log to the disk.
        let settings = ["wal_writer_delay = '10s'", "bgwriter_lru_maxpages = 0", "autovacuum = off"];
        let settings = settings.map(str::to_owned).to_vec();
        let options = postgres::Options { durable: true, settings, ..postgres::Options::default() };
        let mut server = postgres::start(&options).unwrap();
        let scratch = Scratch::migrated(&server.url().clone()).await.unwrap();
        let to = Side { side: reached(&scratch.url(), |_| {}), scratch };
        to.side.install(MIRROR).await.unwrap();
        to.side.before_copy().await.unwrap();
        let writer =
            to.count("SELECT pid::bigint FROM pg_stat_activity WHERE backend_type = 'walwriter'").await;
        // Stopped while it writes, it would keep everybody from writing the log.
        let sleeps = "SELECT count(*) FROM pg_stat_activity \
                      WHERE backend_type = 'walwriter' AND wait_event = 'WalWriterMain'";
        eventually(SOON, "it is stopped while it sleeps", || async {
            signal("STOP", writer);
            let is_asleep = to.count(sleeps).await == 1;
            if !is_asleep {
                signal("CONT", writer);
            }
            is_asleep
        })
        .await;
        for table in TABLES {
            copy(&from, &to, table, 10).await;
        }
        to.side.after_copy().await.unwrap();
        server.kill();
        signal("KILL", writer);
        server.start_again().unwrap();
        for table in TABLES {
            let copied = to.side.copied(table).await.unwrap();
            assert!(
                from.side.cut(table, 10).await.unwrap().iter().all(|range| copied.contains(range)),
                "{table}"
            );
            assert_eq!(to.rows(table).await, from.rows(table).await, "{table}");
        }
    });
}
