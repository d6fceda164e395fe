//! Counting and hashing what is there.

use waiterix_ports::moving::{Hashing, Leaf, RowHash, RowSide, Shares};
use waiterix_ports::{ErrorKind, KeyRange};

use crate::moving::making::AWKWARD;
use crate::moving::sides::{MIRROR, OPEN, Side, TABLES, copy, pair};

const BOTH: [Hashing; 2] = [Hashing::Record, Hashing::Text];

fn range(after: Option<&str>, up_to: Option<&str>) -> KeyRange {
    KeyRange { after: after.map(str::to_owned), up_to: up_to.map(str::to_owned) }
}

fn summed(hashes: impl Iterator<Item = u64>) -> Leaf {
    hashes.fold(Leaf::default(), |leaf, hash| Leaf {
        rows: leaf.rows + 1,
        hash: leaf.hash ^ hash,
        sum: leaf.sum.wrapping_add(hash),
    })
}

async fn whole(side: &Side, table: &str, hashing: Hashing) -> Leaf {
    side.side.leaves(table, &KeyRange::default(), Shares::WHOLE, hashing).await.unwrap()[0]
}

async fn rows(side: &Side, table: &str, range: KeyRange, hashing: Hashing) -> Vec<RowHash> {
    let mut rows = side.side.hashes(table, &range, Shares::WHOLE, &[0], hashing).await.unwrap();
    rows.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    rows
}

/// How many rows are in each of these ranges.
async fn counted(side: &Side, table: &str, ranges: &[KeyRange]) -> Vec<u64> {
    let mut counted = Vec::new();
    for range in ranges {
        let leaves = side.side.leaves(table, range, Shares::WHOLE, Hashing::Text).await.unwrap();
        counted.push(leaves[0].rows);
    }
    counted
}

#[test]
fn a_leaf_is_the_sum_of_its_rows_whatever_the_range() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        let keys = [
            "",
            "a",
            "ab",
            "a b",
            "B",
            "b",
            "é",
            "e\u{301}",
            "z",
            "Z",
            "10",
            "9",
            "_",
            "~",
            "\\'",
            "☕",
            "𝄞",
            "a\u{1}",
            "a\u{1}\u{1}",
        ];
        for key in keys {
            let key = key.replace('\\', "\\\\").replace('\'', "\\'");
            side.run(&format!("INSERT INTO users (id) VALUES (E'{key}')")).await;
        }
        for hashing in BOTH {
            let all = rows(&side, "users", KeyRange::default(), hashing).await;
            let mut sorted = keys.map(str::to_owned);
            sorted.sort_unstable();
            assert_eq!(
                all.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
                sorted,
                "in the order of bytes"
            );
            let bounds: Vec<Option<&str>> =
                keys.iter().copied().map(Some).chain([None, Some("a\0b"), Some("m")]).collect();
            let ranges = bounds.iter().flat_map(|after| bounds.iter().map(|up_to| range(*after, *up_to)));
            for range in ranges {
                // No key has a U+0000.
                let bound = |key: &String| key.split('\0').next().unwrap().to_owned();
                let inside: Vec<RowHash> = all
                    .iter()
                    .filter(|row| {
                        range.after.as_ref().is_none_or(|after| row.id > bound(after))
                            && range.up_to.as_ref().is_none_or(|up_to| row.id <= bound(up_to))
                    })
                    .cloned()
                    .collect();
                let leaf = side.side.leaves("users", &range, Shares::WHOLE, hashing).await.unwrap();
                assert_eq!(leaf, [summed(inside.iter().map(|row| row.hash))], "{range:?}");
                assert_eq!(rows(&side, "users", range, hashing).await, inside);
            }
        }
    });
}

#[test]
fn every_key_is_in_one_share_and_in_the_same_on_both_sides() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        leader.run("INSERT INTO users (id) SELECT md5(n::text) FROM generate_series(1, 5000) n").await;
        follower.side.before_copy().await.unwrap();
        copy(&leader, &follower, "users", 700).await;
        follower.side.after_copy().await.unwrap();
        let users = whole(&leader, "users", Hashing::Text).await.rows;
        for all in [KeyRange::default(), range(Some("4"), Some("c"))] {
            let shares = Shares::of(5_000, 100);
            assert_eq!(shares.count(), 64);
            for hashing in BOTH {
                let leaves = leader.side.leaves("users", &all, shares, hashing).await.unwrap();
                assert_eq!(leaves, follower.side.leaves("users", &all, shares, hashing).await.unwrap());
                assert_eq!(leaves.len(), 64);
                let mut sum = 0;
                for (number, leaf) in (0_u32..).zip(&leaves) {
                    let of_it = leader.side.hashes("users", &all, shares, &[number], hashing).await.unwrap();
                    assert_eq!(*leaf, summed(of_it.iter().map(|row| row.hash)), "share {number}");
                    assert!(leaf.rows > 5, "keys lie evenly: {leaf:?}");
                    sum += leaf.rows;
                }
                assert_eq!(sum, rows(&leader, "users", all.clone(), hashing).await.len() as u64);
                assert_eq!(sum == users, all == KeyRange::default());
                let two = leader.side.hashes("users", &all, shares, &[3, 60], hashing).await.unwrap();
                assert_eq!(two.len() as u64, leaves[3].rows + leaves[60].rows);
                assert!(leader.side.hashes("users", &all, shares, &[], hashing).await.unwrap().is_empty());
            }
        }
    });
}

#[test]
fn stretches_hold_every_row_once_and_mean_nothing_once_the_table_is_rewritten() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        side.run("INSERT INTO users (id) SELECT md5(n::text) FROM generate_series(1, 5000) n").await;
        // Gaps, so that a rewritten table lies elsewhere.
        side.run("DELETE FROM users WHERE id < '8'").await;
        let shares = Shares::of(5_000, 1_000);
        for hashing in BOTH {
            let whole = side.side.leaves("users", &KeyRange::default(), shares, hashing).await.unwrap();
            for bytes in [8_192, 100_000, 1 << 30] {
                let stretches = side.side.stretches("users", bytes).await.unwrap();
                assert_eq!(stretches.len() > 1, bytes < 1 << 30, "{}", stretches.len());
                let (mut sum, mut keys) = (vec![Leaf::default(); whole.len()], Vec::new());
                for range in &stretches {
                    let leaves = side.side.leaves("users", range, shares, hashing).await.unwrap();
                    sum.iter_mut().zip(leaves).for_each(|(sum, leaf)| *sum = sum.and(leaf));
                    keys.extend(side.side.hashes("users", range, shares, &[2], hashing).await.unwrap());
                }
                assert_eq!(sum, whole, "{bytes}");
                keys.sort_unstable_by(|one, other| one.id.cmp(&other.id));
                keys.dedup_by(|one, other| one.id == other.id);
                assert_eq!(summed(keys.iter().map(|row| row.hash)), whole[2]);
            }
        }
        let stretches = side.side.stretches("users", 8_192).await.unwrap();
        side.run("INSERT INTO users (id) VALUES ('later')").await;
        let last = stretches.last().unwrap();
        let written = side.side.hashes("users", last, Shares::WHOLE, &[0], Hashing::Record).await.unwrap();
        assert!(written.iter().any(|row| row.id == "later"), "the last one has no end");
        side.run("VACUUM FULL users").await;
        for range in &stretches {
            let error = side.side.leaves("users", range, shares, Hashing::Record).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            let error = side.side.hashes("users", range, shares, &[1], Hashing::Record).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
        assert_eq!(side.side.stretches("orders", 8_192).await.unwrap().len(), 1, "an empty one is one");
    });
}

#[test]
fn ranges_hold_every_key_once_and_about_as_many_each() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        side.run("INSERT INTO users (id) SELECT md5(n::text) FROM generate_series(1, 5000) n; ANALYZE users")
            .await;
        let ranges = side.side.ranges("users", 500).await.unwrap();
        assert_eq!(ranges.len(), 10);
        assert_eq!((&ranges[0].after, &ranges[9].up_to), (&None, &None));
        assert!(ranges.windows(2).all(|pair| pair[0].up_to == pair[1].after && pair[1].after.is_some()));
        let rows = counted(&side, "users", &ranges).await;
        assert_eq!(rows.iter().sum::<u64>(), 5_000);
        assert!(rows.iter().all(|rows| *rows > 200 && *rows < 1_000), "{rows:?}");
        assert_eq!(side.side.ranges("orders", 500).await.unwrap(), [KeyRange::default()]);
        // One that nobody has analysed yet.
        side.run(
            "INSERT INTO uploads (id, user_id, created_at) SELECT md5(n::text), 'u', now() FROM generate_series(1, 5000) n",
        )
        .await;
        let ranges = side.side.ranges("uploads", 500).await.unwrap();
        assert!(ranges.len() > 1 && ranges.len() < 40, "{}", ranges.len());
        assert_eq!(counted(&side, "uploads", &ranges).await.iter().sum::<u64>(), 5_000);
    });
}

#[test]
fn equal_sides_count_alike_by_both_hashes() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        leader.run(AWKWARD).await;
        follower.side.before_copy().await.unwrap();
        for table in TABLES {
            copy(&leader, &follower, table, 1_000).await;
        }
        follower.side.after_copy().await.unwrap();
        for hashing in BOTH {
            let mut rows = 0;
            for table in TABLES {
                let leaf = whole(&leader, table, hashing).await;
                assert_eq!(leaf, whole(&follower, table, hashing).await, "{table}");
                rows += leaf.rows;
            }
            assert!(rows > 40);
        }
    });
}

/// Every kind of damage to every type of column is seen, by the key of its row.
#[test]
fn damage_of_every_kind_is_found_and_named() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(MIRROR).await else { return };
        side.run(&format!("SET waiterix.converging = '1'; {} {AWKWARD}", crate::common::ROWS)).await;
        for (table, id, damage, only_text) in [
            ("users", "u1", "UPDATE users SET email = 'Owner@example.org' WHERE id = 'u1'", false),
            ("users", "u2", "UPDATE users SET first_name = '' WHERE id = 'u2'", false),
            ("users", "u2", "UPDATE users SET first_name = E'\\u00e9' WHERE id = 'u2'", false),
            ("users", "u2", "UPDATE users SET first_name = E'e\\u0301' WHERE id = 'u2'", false),
            (
                "users",
                "u1",
                "UPDATE users SET first_name = last_name, last_name = 'x' WHERE id = 'u1'",
                false,
            ),
            ("users", "u1", "UPDATE users SET first_name = 'x', last_name = NULL WHERE id = 'u1'", false),
            ("users", "u1", "UPDATE users SET accepted_terms = false WHERE id = 'u1'", false),
            (
                "users",
                "u1",
                "UPDATE users SET accepted_terms_at = accepted_terms_at + interval '1 microsecond' WHERE id = 'u1'",
                false,
            ),
            (
                "users",
                "u1",
                "UPDATE users SET accepted_terms_at = accepted_terms_at + interval '1 hour' WHERE id = 'u1'",
                false,
            ),
            (
                "users",
                "u1",
                "UPDATE users SET created_at = accepted_terms_at, accepted_terms_at = NULL WHERE id = 'u1'",
                false,
            ),
            ("restaurants", "r1", "UPDATE restaurants SET ai_usage_count = 1 WHERE id = 'r1'", false),
            ("restaurants", "r2", "UPDATE restaurants SET admin_password = '' WHERE id = 'r2'", false),
            ("menu_items", "m1", "UPDATE menu_items SET price = 12.51 WHERE id = 'm1'", false),
            ("menu_items", "m1", "UPDATE menu_items SET allergens = NULL WHERE id = 'm1'", false),
            ("menu_items", "m2", "UPDATE menu_items SET allergens = '{\"a,b\",nuts}' WHERE id = 'm2'", false),
            ("menu_items", "m2", "UPDATE menu_items SET allergens = '{\"a,b,nuts\"}' WHERE id = 'm2'", false),
            ("menu_items", "m2", "UPDATE menu_items SET allergens = '{\"a,b\",NULL}' WHERE id = 'm2'", false),
            (
                "ratings",
                "a2",
                "UPDATE ratings SET service_ratings = '{\"own\": [1], \"foodQuality\": 4}' WHERE id = 'a2'",
                false,
            ),
            ("ratings", "a2", "UPDATE ratings SET service_ratings = 'null' WHERE id = 'a2'", false),
            ("ratings", "a2", "UPDATE ratings SET service_ratings = NULL WHERE id = 'a2'", false),
            (
                "ratings",
                "numbers",
                "UPDATE ratings SET service_ratings = service_ratings || '{\"bb\": 1.000}' WHERE id = 'numbers'",
                true,
            ),
            ("orders", "o1", "UPDATE orders SET table_id = 't2' WHERE id = 'o1'", false),
            ("orders", "o3", "DELETE FROM orders WHERE id = 'o3'", false),
            (
                "orders",
                "o4",
                "INSERT INTO orders SELECT (o).* FROM (SELECT json_populate_record(t, '{\"id\": \"o4\"}') AS o FROM orders t WHERE id = 'o2') x",
                false,
            ),
        ] {
            for hashing in BOTH {
                let before = rows(&side, table, KeyRange::default(), hashing).await;
                let leaf = whole(&side, table, hashing).await;
                let mut psql = side.psql().await;
                crate::common::execute(&mut psql, "SET waiterix.converging = '1'; BEGIN").await;
                // Only this transaction sees the damage, so it is made lasting and undone by what was there.
                crate::common::execute(
                    &mut psql,
                    &format!(
                        "CREATE TEMP TABLE kept AS SELECT * FROM {table} WHERE id = '{id}'; {damage}; COMMIT"
                    ),
                )
                .await;
                let after = rows(&side, table, KeyRange::default(), hashing).await;
                let damaged = whole(&side, table, hashing).await;
                let is_found = hashing == Hashing::Text || !only_text;
                assert_eq!(leaf != damaged, is_found, "{damage}");
                let only = |one: &[RowHash], other: &[RowHash]| {
                    one.iter()
                        .filter(|row| !other.contains(row))
                        .map(|row| row.id.clone())
                        .collect::<Vec<_>>()
                };
                let mut named = [only(&before, &after), only(&after, &before)].concat();
                named.dedup();
                assert_eq!(named, if is_found { vec![id.to_owned()] } else { vec![] }, "{damage}");
                let undo = "DELETE FROM {table} WHERE id = '{id}'; INSERT INTO {table} SELECT * FROM kept; DROP TABLE kept";
                let undo = undo.replace("{table}", table).replace("{id}", id);
                crate::common::execute(&mut psql, &format!("SET session_replication_role = replica; {undo}"))
                    .await;
                assert_eq!(whole(&side, table, hashing).await, leaf, "{damage}");
            }
        }
    });
}
