//! Making keys of one side equal to those of another one.

use std::time::Duration;

use waiterix_backends::{Backend, given};
use waiterix_contract::eventually;
use waiterix_ports::moving::{Claiming, Mode, RowSide, Standing};
use waiterix_ports::{ErrorKind, Violation};

use crate::moving::sides::{MIRROR, OPEN, SOON, Side, assert_equal, key, pair, reached, wanted};

/// Everything that a column can hold and that something on the way might take for something else.
pub(crate) const AWKWARD: &str = r#"
    INSERT INTO users (id, email, first_name, last_name, created_at) VALUES
        ('näïve ☕ ''"\ id', '', NULL, E'tab\t new\n line \\ quote " 𝄞 e\u0301 \u00e9', '0044-03-15 12:00:00.000001 BC'),
        ('null', 'null', 'null', 'NULL', '294276-12-31 23:59:59.999999'),
        ('infinity', NULL, '{}', '[]', 'infinity');
    INSERT INTO restaurants (id, user_id, name, ai_usage_count) VALUES ('r', 'null', '', -2147483648);
    INSERT INTO menu_items (id, restaurant_id, name, description, price, category, allergens) VALUES
        ('none', 'r', '', '', 0, '', NULL), ('empty', 'r', '', '', -99999999.99, '', '{}'),
        ('null', 'r', '', '', 'NaN', '', ARRAY[NULL, 'NULL', '', 'a,b', '{}', '"', E'\\']),
        ('order', 'r', '', '', 0.10, '', '{b,a,b}'), ('deep', 'r', '', '', 1, '', '{{a,b},{c,d}}'),
        ('bounds', 'r', '', '', 1, '', '[5:6]={a,b}');
    INSERT INTO orders (id, restaurant_id, payment_method, subtotal, tax, total) VALUES ('o', 'r', '', 1.10, 0, 1.1);
    INSERT INTO ratings (id, order_id, restaurant_id, menu_item_id, service_ratings) VALUES
        ('sql null', 'o', 'r', 'none', NULL), ('json null', 'o', 'r', 'empty', 'null');
    INSERT INTO orders (id, restaurant_id, payment_method, subtotal, tax, total)
        SELECT 'p' || n, 'r', '', n, n, n FROM generate_series(1, 6) n;
    INSERT INTO ratings (id, order_id, restaurant_id, service_ratings) VALUES
        ('numbers', 'p1', 'r', '{"bb": 1.00, "a": 1e400, "c": 0.1000000000000000055511151231257827, "d": 12345678901234567890}'),
        ('unicode', 'p2', 'r', '{"☕": "\u0001 \\ \" é e\u0301 𝄞", "": [true, false, null, {}]}'),
        ('string', 'p3', 'r', '"null"'), ('empty', 'p4', 'r', '{}'), ('zero', 'p5', 'r', '-0.0'),
        ('no text', 'p6', 'r', '""');
"#;

#[test]
fn every_row_of_every_table_is_made_as_it_is() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        leader.run(AWKWARD).await;
        follower.follow(&leader.side, 1).await.unwrap();
        assert_equal(&leader, &follower).await;
        assert!(leader.noted().await.iter().all(|key| key.starts_with("sessions ")), "all forgotten");
        assert!(follower.noted().await.is_empty(), "what follows notes nothing");
        // Once more changes nothing, and nothing is written.
        let versions = "SELECT count(*) FROM (SELECT xmin FROM ratings UNION SELECT xmin FROM users \
            UNION SELECT xmin FROM menu_items UNION SELECT xmin FROM orders) x";
        assert_eq!(follower.count(versions).await, 1);
        let everything = "INSERT INTO waiterix_migration.journal (tab, key, of_sessions, hash) \
            SELECT tab, id, false, hashtextextended(id, 0) FROM (SELECT 'ratings' AS tab, id FROM ratings \
            UNION ALL SELECT 'users', id FROM users UNION ALL SELECT 'menu_items', id FROM menu_items \
            UNION ALL SELECT 'orders', id FROM orders) AS k";
        leader.run(everything).await;
        follower.follow(&leader.side, 1).await.unwrap();
        assert_eq!(follower.count(versions).await, 1, "rows that are equal are left alone");
    });
}

#[test]
fn what_sql_holds_for_equal_is_made_equal_to_the_letter() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        follower.follow(&leader.side, 1).await.unwrap();
        for sql in [
            r#"UPDATE ratings SET service_ratings = '{"a": 1.0}' WHERE id = 'a2'"#,
            r#"UPDATE ratings SET service_ratings = '{"a": 1.00}' WHERE id = 'a2'"#,
            "UPDATE ratings SET service_ratings = 'null' WHERE id = 'a2'",
            "UPDATE ratings SET service_ratings = NULL WHERE id = 'a2'",
        ] {
            leader.run(sql).await;
            follower.follow(&leader.side, 1).await.unwrap();
            assert_equal(&leader, &follower).await;
        }
    });
}

#[test]
fn a_key_deleted_and_created_again_is_made_as_it_is_now() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        follower.follow(&leader.side, 1).await.unwrap();
        leader.run("DELETE FROM users WHERE id = 'u1'").await;
        follower.follow(&leader.side, 1).await.unwrap();
        assert_equal(&leader, &follower).await;
        leader.run("INSERT INTO users (id, email) VALUES ('u1', 'again@example.org')").await;
        leader.run("DELETE FROM users WHERE id = 'u3'; INSERT INTO users (id, email) VALUES ('u3', 'new@example.org')").await;
        follower.follow(&leader.side, 1).await.unwrap();
        assert_equal(&leader, &follower).await;
    });
}

#[test]
fn two_unique_values_are_swapped() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        leader.run("UPDATE users SET email = 'two@example.org' WHERE id = 'u2'").await;
        leader.run("INSERT INTO menu_items (id, restaurant_id, name, description, price, category) VALUES ('m3', 'r1', '', '', 1, '')").await;
        leader.run("INSERT INTO extended_menu_details (id, menu_item_id) VALUES ('d2', 'm2')").await;
        follower.follow(&leader.side, 1).await.unwrap();
        for sql in [
            // Nullable; referred to.
            "UPDATE users SET email = NULL WHERE id = 'u1'; UPDATE users SET email = 'owner@example.org' WHERE id = 'u2'; \
             UPDATE users SET email = 'two@example.org' WHERE id = 'u1'",
            // Not nullable, part of an expression; referred to.
            "UPDATE restaurant_tables SET table_number = 'x' WHERE id = 't1'; \
             UPDATE restaurant_tables SET table_number = '1' WHERE id = 't2'; \
             UPDATE restaurant_tables SET table_number = 'VIP' WHERE id = 't1'",
            // Not nullable, and a foreign key; nobody refers to it.
            "UPDATE extended_menu_details SET menu_item_id = 'm3' WHERE id = 'd1'; \
             UPDATE extended_menu_details SET menu_item_id = 'm1' WHERE id = 'd2'; \
             UPDATE extended_menu_details SET menu_item_id = 'm2' WHERE id = 'd1'",
            // Two rows that a partial index covers, or not.
            "UPDATE ratings SET service_ratings = NULL WHERE id = 'a2'; UPDATE ratings SET service_ratings = '{}' WHERE id = 'a3'",
            // A row goes and another one takes what it had; nullable, and a foreign key.
            "DELETE FROM users WHERE id = 'u2'; INSERT INTO users (id, email) VALUES ('u0', 'owner@example.org')",
            "DELETE FROM restaurants WHERE id = 'r1'; INSERT INTO restaurants (id, user_id, name) VALUES ('r0', 'u1', 'anew')",
        ] {
            leader.run(sql).await;
            follower.follow(&leader.side, 1).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert_equal(&leader, &follower).await;
        }
    });
}

#[test]
fn a_unique_value_that_a_row_outside_of_the_set_has_is_a_conflict_and_changes_nothing() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        follower.follow(&leader.side, 1).await.unwrap();
        let before = follower.rows("users").await;
        leader.run("UPDATE users SET email = NULL WHERE id = 'u1'; UPDATE users SET email = 'owner@example.org' WHERE id = 'u2'").await;
        let one = [key("users", "u2")];
        let images = leader.side.images(&one).await.unwrap();
        let error = follower.side.hold(1, &one).await.unwrap().make(&images).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(error.unique_rule(), Some(waiterix_domain::UniqueRule::UserEmail));
        assert_eq!(follower.rows("users").await, before);
        follower.follow(&leader.side, 1).await.unwrap();
        assert_equal(&leader, &follower).await;
    });
}

#[test]
fn a_child_before_its_parent_is_a_conflict_and_both_together_are_made() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        let line = [key("order_items", "l1")];
        let images = leader.side.images(&line).await.unwrap();
        let error = follower.side.hold(1, &line).await.unwrap().make(&images).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.violation()),
            (ErrorKind::Conflict, Some(&Violation::ForeignKey)),
            "{error}"
        );
        follower.follow(&leader.side, 1).await.unwrap();
        assert_equal(&leader, &follower).await;
    });
}

/// The dish went to another restaurant before its old one was deleted. If the deletion came first and took the dish along, the
/// translations of the dish would be gone, and nobody has noted them.
#[test]
fn what_goes_takes_nothing_along_that_is_not_known_to_go() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        follower.follow(&leader.side, 1).await.unwrap();
        leader.run("UPDATE menu_items SET restaurant_id = 'r2' WHERE id = 'm1'; DELETE FROM restaurants WHERE id = 'r1'").await;
        let gone = [wanted("restaurants", "r1", None)];
        let hold = follower.side.hold(1, &[key("restaurants", "r1")]).await.unwrap();
        let error = hold.make(&gone).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.violation()),
            (ErrorKind::Conflict, Some(&Violation::ForeignKey)),
            "{error}"
        );
        assert_eq!(follower.count("SELECT count(*) FROM menu_item_translations").await, 1);
        follower.follow(&leader.side, 1).await.unwrap();
        assert_eq!(follower.count("SELECT count(*) FROM menu_item_translations").await, 1);
        assert_equal(&leader, &follower).await;
    });
}

#[test]
fn a_value_that_the_table_does_not_take_is_a_conflict() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        leader.run("ALTER TABLE users ALTER COLUMN accepted_terms DROP NOT NULL; UPDATE users SET accepted_terms = NULL WHERE id = 'u2'").await;
        let error = follower.follow(&leader.side, 1).await.unwrap_err();
        assert_eq!((error.kind(), error.violation()), (ErrorKind::Conflict, None), "{error}");
        assert!(!error.to_string().contains("owner@example.org"), "{error}");
    });
}

#[test]
fn a_stale_follower_is_refused_on_a_side_that_led_and_follows_again() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        let keys = [key("users", "u3")];
        let stale = leader.side.images(&keys).await.unwrap();
        // The side that follows takes the lead, gives it away and follows again; somebody slept through all of it.
        let steps =
            [(Mode::Open, 2), (Mode::Announced, 2), (Mode::Fenced, 2), (Mode::Decided, 2), (Mode::Mirror, 3)];
        let mut seen = MIRROR;
        for (mode, epoch) in steps {
            assert!(follower.side.shift(seen, mode, epoch, SOON).await.unwrap());
            seen = Standing { epoch, mode, turn: seen.turn + 1 };
            if mode == Mode::Open {
                follower.run("INSERT INTO users (id, email) VALUES ('u3', 'new@example.org')").await;
            }
            let refused = follower.side.hold(1, &keys).await.unwrap_err();
            assert_eq!(
                (refused.kind(), refused.violation()),
                (ErrorKind::Unavailable, Some(&Violation::NotLeading)),
                "{mode:?}: {refused}"
            );
        }
        follower.side.hold(3, &keys).await.unwrap().make(&stale).await.unwrap();
    });
}

#[test]
fn the_standing_stays_as_it_is_while_keys_are_held() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        let keys = [key("users", "u3")];
        let images = leader.side.images(&keys).await.unwrap();
        let hold = follower.side.hold(1, &keys).await.unwrap();
        let opening = tokio::spawn({
            let side = follower.side.clone();
            async move { side.shift(MIRROR, Mode::Open, 2, SOON).await }
        });
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'";
        eventually(SOON, "it waits", || async { follower.count(waits).await == 1 }).await;
        hold.make(&images).await.unwrap();
        assert!(opening.await.unwrap().unwrap());
        assert_eq!(follower.count("SELECT count(*) FROM users").await, 1);
    });
}

#[test]
fn keys_are_held_by_one_at_a_time_and_in_one_order() {
    waiterix_contract::run(|| async {
        let Some((_leader, follower)) = pair().await else { return };
        let keys: Vec<_> = (0..40).map(|n| key("users", &format!("k{n}"))).collect();
        let hold = follower.side.hold(1, &keys[..1]).await.unwrap();
        let waiting = tokio::spawn({
            let (side, keys) = (follower.side.clone(), keys[..1].to_vec());
            async move { side.hold(1, &keys).await.map(drop) }
        });
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'";
        eventually(SOON, "it waits", || async { follower.count(waits).await == 1 }).await;
        assert!(!waiting.is_finished());
        drop(hold);
        waiting.await.unwrap().unwrap();
        // Whatever order they come in, nobody waits in a circle.
        waiterix_contract::race::at_once(4, |number| {
            let (side, mut keys) = (follower.side.clone(), keys.clone());
            async move {
                for _ in 0..10 {
                    keys.rotate_left(number * 7 + 3);
                    side.hold(1, &keys).await.unwrap().make(&[]).await.unwrap();
                }
            }
        })
        .await;
    });
}

#[test]
fn keys_are_made_equal_through_a_pooler_in_transaction_mode() {
    waiterix_contract::run(|| async {
        let Some(pooler) = given(Backend::PgBouncer) else { return };
        let Some((leader, follower)) = pair().await else { return };
        let pooled = |side: &Side| reached(&side.scratch.through(&pooler), |settings| settings.pooled = true);
        let (from, to) = (pooled(&leader), Side { side: pooled(&follower), scratch: follower.scratch });
        assert_eq!(from.standing().await.unwrap(), Some(OPEN));
        waiterix_contract::race::at_once(3, |_| {
            let from = from.clone();
            async move {
                for _ in 0..10 {
                    from.mark(&[key("users", "u1"), key("orders", "o1")]).await.unwrap();
                    assert!(from.backlog().await.unwrap().entries > 0);
                }
            }
        })
        .await;
        to.follow(&from, 1).await.unwrap();
        assert_equal(&leader, &to).await;
        assert_eq!(to.side.hold(2, &[]).await.unwrap_err().violation(), Some(&Violation::NotLeading));
        assert!(from.shift(OPEN, Mode::Announced, 1, Duration::from_secs(5)).await.unwrap());
        assert!(from.claim(&Claiming::Oldest(1)).await.unwrap().entries().is_empty());
        // Nothing of the mark of those who follow is left in the pooler's sessions.
        assert_eq!(to.refusal("DELETE FROM users").await.as_deref(), Some("WX001"));
    });
}
