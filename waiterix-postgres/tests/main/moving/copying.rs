//! Copying tables.

use waiterix_ports::moving::{Parcel, RowSide};
use waiterix_ports::{Bytes, ErrorKind, KeyRange, Violation};

use crate::common::catalog;
use crate::moving::making::AWKWARD;
use crate::moving::sides::{Side, TABLES, assert_equal, copy, empty_pair, key, pair};

/// Many users, whose rows lie in the order of their numbers, which is not that of their keys.
const USERS: &str = "INSERT INTO users (id, first_name) SELECT md5(n::text), repeat(n::text, 20) FROM generate_series(1, 4000) n";

/// One that leads and has many users, as its planner knows, and one that follows and is about to be copied to.
async fn with_users() -> Option<(Side, Side)> {
    let (leader, follower) = empty_pair().await?;
    leader.run(USERS).await;
    leader.run("ANALYZE users").await;
    follower.side.before_copy().await.unwrap();
    Some((leader, follower))
}

#[test]
fn every_row_of_every_table_is_copied_as_it_is_and_everything_put_aside_is_made_again() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        leader.run(AWKWARD).await;
        let before = catalog(&follower.scratch.url()).await;
        follower.side.before_copy().await.unwrap();
        let bare = catalog(&follower.scratch.url()).await;
        assert!(bare.len() < before.len() - 60, "{} of {}", bare.len(), before.len());
        let disabled =
            bare.iter().filter(|line| line.starts_with("trigger waiterix_note of") && line.ends_with(", D"));
        assert_eq!(disabled.count(), TABLES.len(), "no row of a copy asks whether it is noted");
        assert_eq!(follower.side.survey().await.unwrap().unguarded, Vec::<String>::new());
        follower.side.before_copy().await.unwrap();
        assert_eq!(catalog(&follower.scratch.url()).await, bare, "once more changes nothing");
        assert_eq!(
            follower.side.uninstall().await.unwrap_err().kind(),
            ErrorKind::Conflict,
            "nothing is lost"
        );
        for table in TABLES {
            copy(&leader, &follower, table, 1_000).await;
        }
        follower.side.after_copy().await.unwrap();
        assert_eq!(catalog(&follower.scratch.url()).await, before);
        assert_equal(&leader, &follower).await;
        follower.side.after_copy().await.unwrap();
        assert!(follower.noted().await.is_empty());
        // And what is noted is made equal, which it is.
        follower.follow(&leader.side, 1).await.unwrap();
        assert_equal(&leader, &follower).await;
        follower.side.uninstall().await.unwrap();
    });
}

#[test]
fn a_copy_goes_on_where_it_was_broken_off() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = with_users().await else { return };
        let cut = leader.side.cut("users", 700).await.unwrap();
        assert_eq!(cut.len(), 6);
        // It grows meanwhile, and is cut as before.
        leader
            .run("INSERT INTO users (id) SELECT 'late ' || n FROM generate_series(1, 4000) n; ANALYZE users")
            .await;
        assert_eq!(leader.side.cut("users", 700).await.unwrap(), cut);
        for range in &cut[2..4] {
            let parcel = leader.side.copy_out("users", range).await.unwrap();
            assert!(parcel.leaf.rows > 600 && parcel.leaf.rows < 800, "{parcel:?}");
            follower.side.copy_in(1, "users", range, parcel.clone()).await.unwrap();
            // Nobody heard the answer.
            follower.side.copy_in(1, "users", range, parcel).await.unwrap();
        }
        let mut copied = follower.side.copied("users").await.unwrap();
        copied.sort_by(|one, other| one.after.cmp(&other.after));
        assert_eq!(copied, cut[2..4]);
        copy(&leader, &follower, "users", 700).await;
        follower.side.after_copy().await.unwrap();
        assert_equal(&leader, &follower).await;
    });
}

#[test]
fn several_first_ranges_at_once_are_all_taken() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = with_users().await else { return };
        let cut = leader.side.cut("users", 1_000).await.unwrap();
        assert_eq!(cut.len(), 4);
        assert_eq!(leader.side.cut("users", 10).await.unwrap(), cut, "whatever size is asked for later");
        // Each of them twice, because an answer may be lost.
        waiterix_contract::race::at_once(8, |number| {
            let (from, to, range) = (leader.side.clone(), follower.side.clone(), cut[number % 4].clone());
            async move {
                let parcel = from.copy_out("users", &range).await.unwrap();
                to.copy_in(1, "users", &range, parcel).await.unwrap();
            }
        })
        .await;
        follower.side.after_copy().await.unwrap();
        assert_equal(&leader, &follower).await;
    });
}

/// Rows that are gone leave room behind, and who comes later finds it.
#[test]
fn what_is_written_far_before_the_end_of_a_table_is_compared_as_well() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = with_users().await else { return };
        let cut = leader.side.cut("users", 1_000).await.unwrap();
        for (place, range) in cut.iter().enumerate() {
            let parcel = leader.side.copy_out("users", range).await.unwrap();
            follower.side.copy_in(1, "users", range, parcel).await.unwrap();
            let converging = "SELECT set_config('waiterix.converging', '1', false)";
            if place == 0 {
                // Smaller than those that are copied, so that none of these finds room between them.
                let large = "INSERT INTO users (id, last_name) SELECT 'gone ' || n, repeat('x', 60) FROM generate_series(1, 80000) n";
                follower.run(&format!("{converging}; {large}")).await;
            } else if place == 1 {
                follower.run(&format!("{converging}; DELETE FROM users WHERE id LIKE 'gone %'")).await;
                follower.run("VACUUM users").await;
            }
        }
        let newest = "SELECT min((ctid::text::point)[0])::bigint FROM users WHERE xmin::text::bigint = \
            (SELECT max(xmin::text::bigint) FROM users)";
        let end = follower.count("SELECT pg_relation_size('users') / 8192").await;
        assert!(end - follower.count(newest).await > 1_200, "it is not far from the end: {end}");
        follower.side.after_copy().await.unwrap();
        assert_equal(&leader, &follower).await;
    });
}

/// Rows are written while they are copied, so that some are read twice and some not at all.
#[test]
fn what_is_written_while_it_is_copied_ends_as_it_was_written_last() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = with_users().await else { return };
        leader.run("DELETE FROM waiterix_migration.journal").await;
        let cut = leader.side.cut("users", 1_000).await.unwrap();
        assert!(cut.len() > 3);
        let mut parcels = Vec::new();
        for (place, range) in cut.iter().enumerate() {
            parcels.push(leader.side.copy_out("users", range).await.unwrap());
            // Behind the copy and before it: older states of these are under way, deleted ones as well.
            leader
                .run(
                    &format!(
                        "UPDATE users SET last_name = '{place}' WHERE ascii(id) % 16 = {place}; \
                 DELETE FROM users WHERE id LIKE '{place}{place}%'; \
                 INSERT INTO users (id) VALUES ('new {place}'); VACUUM users"
                    )
                    .replace("VACUUM users", ""),
                )
                .await;
        }
        let read: u64 = parcels.iter().map(|parcel| parcel.leaf.rows).sum();
        let there = leader.count("SELECT count(*) FROM users").await;
        assert!(read > u64::try_from(there).unwrap(), "{read} rows were read, {there} are there");
        for (range, parcel) in cut.iter().zip(parcels) {
            follower.side.copy_in(1, "users", range, parcel).await.unwrap();
        }
        let hold = follower.side.hold(1, &[key("users", "x")]).await.unwrap();
        let too_early = hold
            .make(&[crate::moving::sides::wanted("users", "x", Some(r#"{"id":"x","accepted_terms":"f"}"#))])
            .await;
        assert_eq!(
            too_early.unwrap_err().kind(),
            ErrorKind::Unavailable,
            "without its key nothing is made equal"
        );
        follower.side.after_copy().await.unwrap();
        while leader.side.backlog().await.unwrap().entries > 0 {
            follower.follow(&leader.side, 1).await.unwrap();
        }
        assert_equal(&leader, &follower).await;
    });
}

#[test]
fn a_table_rewritten_while_it_is_copied_is_made_equal_key_by_key() {
    waiterix_contract::run(|| async {
        for rewriting in [
            "VACUUM FULL users",
            "TRUNCATE users CASCADE",
            "BEGIN; CREATE TEMP TABLE kept AS SELECT * FROM users; TRUNCATE users CASCADE; INSERT INTO users SELECT * FROM kept; COMMIT",
        ] {
            let Some((leader, follower)) = with_users().await else { return };
            leader.run("DELETE FROM waiterix_migration.journal").await;
            let cut = leader.side.cut("users", 2_000).await.unwrap();
            for (place, range) in cut.iter().enumerate() {
                if place == 1 {
                    leader.run(rewriting).await;
                }
                let parcel = leader.side.copy_out("users", range).await.unwrap();
                assert_eq!(parcel.leaf.rows > 0, place == 0, "{rewriting}: {place}");
                follower.side.copy_in(1, "users", range, parcel).await.unwrap();
            }
            follower.side.after_copy().await.unwrap();
            while leader.side.backlog().await.unwrap().entries > 0 {
                follower.follow(&leader.side, 1).await.unwrap();
            }
            assert_equal(&leader, &follower).await;
        }
    });
}

#[test]
fn what_arrives_otherwise_than_it_was_read_is_corrupt_and_leaves_nothing() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = empty_pair().await else { return };
        leader.run("INSERT INTO users (id, first_name) VALUES ('a', 'Ann'), ('b', 'Bea')").await;
        let range = leader.side.cut("users", 1_000).await.unwrap().remove(0);
        let good = leader.side.copy_out("users", &range).await.unwrap();
        let flipped = |from: &[u8], to: &[u8]| {
            let at = good.data.windows(from.len()).position(|bytes| bytes == from).unwrap();
            let mut data = good.data.to_vec();
            data[at..at + to.len()].copy_from_slice(to);
            Parcel { data: Bytes::from(data), ..good.clone() }
        };
        let mut counted = good.clone();
        counted.leaf.rows += 1;
        let mut hashed = good.clone();
        hashed.leaf.sum ^= 1;
        for bad in [flipped(b"Ann", b"Anm"), flipped(b"Bea", b"BEA"), counted, hashed] {
            let error = follower.side.copy_in(1, "users", &range, bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(follower.side.copied("users").await.unwrap().is_empty());
        }
        // What is no copy at all is refused by the server, and the next one is taken.
        let cut_off = Parcel { data: good.data.slice(..good.data.len() - 3), ..good.clone() };
        follower.side.copy_in(1, "users", &range, cut_off).await.unwrap_err();
        follower.side.copy_in(1, "users", &range, good).await.unwrap();
        assert_equal(&leader, &follower).await;
    });
}

#[test]
fn a_table_with_rows_that_nobody_copied_is_a_conflict() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        follower.run("SET waiterix.converging = '1'; INSERT INTO users (id) VALUES ('seed')").await;
        let range = leader.side.cut("users", 1_000).await.unwrap().remove(0);
        let parcel = leader.side.copy_out("users", &range).await.unwrap();
        let error = follower.side.copy_in(1, "users", &range, parcel).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(follower.rows("users").await.len(), 1);
    });
}

#[test]
fn a_copy_of_an_older_epoch_or_into_a_side_that_leads_is_refused() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        let range = leader.side.cut("users", 1_000).await.unwrap().remove(0);
        let parcel = leader.side.copy_out("users", &range).await.unwrap();
        for (side, epoch) in [(&follower, 0), (&follower, 2), (&leader, 1)] {
            let error = side.side.copy_in(epoch, "users", &range, parcel.clone()).await.unwrap_err();
            assert_eq!(error.violation(), Some(&Violation::NotLeading), "{error}");
        }
        let before = catalog(&leader.scratch.url()).await;
        let error = leader.side.before_copy().await.unwrap_err();
        assert_eq!(error.violation(), Some(&Violation::NotLeading), "{error}");
        assert_eq!(catalog(&leader.scratch.url()).await, before, "a side that leads keeps its indexes");
    });
}

#[test]
fn a_range_of_keys_is_copied_as_well() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        let all = KeyRange::default();
        let parcel = leader.side.copy_out("users", &all).await.unwrap();
        assert_eq!(parcel.leaf.rows, 3);
        let some = KeyRange { after: Some("u1".to_owned()), up_to: Some("u2".to_owned()) };
        assert_eq!(leader.side.copy_out("users", &some).await.unwrap().leaf.rows, 1);
        follower.side.copy_in(1, "users", &all, parcel).await.unwrap();
        assert_eq!(follower.side.copied("users").await.unwrap(), [all]);
        assert_eq!(leader.rows("users").await, follower.rows("users").await);
    });
}

/// Tables are copied at different moments, so a child may be there without its parent, and a value twice.
#[test]
fn what_rows_break_is_named_and_made_when_they_do_no_longer() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        let before = catalog(&follower.scratch.url()).await;
        follower.side.before_copy().await.unwrap();
        leader.run("DELETE FROM waiterix_migration.journal").await;
        copy(&leader, &follower, "users", 1_000).await;
        leader.run("INSERT INTO users (id) VALUES ('u9'); INSERT INTO restaurants (id, user_id, name) VALUES ('r9', 'u9', '')").await;
        for table in &TABLES[1..] {
            copy(&leader, &follower, table, 1_000).await;
        }
        follower
            .run(
                "SET waiterix.converging = '1'; UPDATE users SET email = 'owner@example.org' WHERE id = 'u2'",
            )
            .await;
        let error = follower.side.after_copy().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let told = error.to_string();
        assert!(
            told.contains("users_email_unique") && told.contains("restaurants_user_id_users_id_fk"),
            "{told}"
        );
        assert!(!told.contains("example.org"), "{told}");
        leader.side.mark(&[key("users", "u2")]).await.unwrap();
        follower.follow(&leader.side, 1).await.unwrap();
        follower.side.after_copy().await.unwrap();
        assert_eq!(catalog(&follower.scratch.url()).await, before);
        assert_equal(&leader, &follower).await;
    });
}

/// An instance that read the catalog while foreign keys were put aside believes it for a while.
#[test]
fn whoever_looked_during_the_copy_takes_nothing_along_after_it() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        follower.side.before_copy().await.unwrap();
        for table in TABLES {
            copy(&leader, &follower, table, 1_000).await;
        }
        let stale = crate::moving::sides::reached(&follower.scratch.url(), |_| {});
        stale.images(&[key("users", "u1")]).await.unwrap();
        follower.side.after_copy().await.unwrap();
        let stale = Side { side: stale, scratch: follower.scratch };
        stale.follow(&leader.side, 1).await.unwrap();
        // What must be unique is vacated, and nobody's children go with it.
        leader
            .run("UPDATE users SET email = NULL WHERE id = 'u1'; UPDATE users SET email = 'owner@example.org' WHERE id = 'u2'")
            .await;
        stale.follow(&leader.side, 1).await.unwrap();
        assert_equal(&leader, &stale).await;
        // And what is not known to go does not go.
        leader
            .run("UPDATE menu_items SET restaurant_id = 'r2' WHERE id = 'm1'; DELETE FROM restaurants WHERE id = 'r1'")
            .await;
        let gone = [crate::moving::sides::wanted("restaurants", "r1", None)];
        let hold = stale.side.hold(1, &[key("restaurants", "r1")]).await.unwrap();
        assert_eq!(hold.make(&gone).await.unwrap_err().violation(), Some(&Violation::ForeignKey));
        stale.follow(&leader.side, 1).await.unwrap();
        assert_equal(&leader, &stale).await;
    });
}
