//! What is in the rows, and what only this store can get wrong.

use std::sync::Arc;

use serde_json::json;
use waiterix_backends::{Backend, given};
use waiterix_contract::ManualClock;
use waiterix_contract::race::at_once;
use waiterix_ports::{Clock as _, ErrorKind, Retry, SessionStore as _};
use waiterix_postgres::schema;
use waiterix_postgres::testing::database;

use crate::pg_session_tables::{HOUR, Made, connect, execute, id, put, row, scratch, session, store};

const TABLES: [Made; 2] = [Made::ByMigration, Made::ByLibrary];

/// The clock of tests stands at 09:05:07 UTC on 31 January 2025.
#[test]
fn n14_ends_are_in_utc_whatever_the_zone_of_server_role_and_database() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some(scratch) = scratch(made).await else { return };
            let sql = format!("ALTER DATABASE {} SET timezone = 'Asia/Tokyo'", scratch.name());
            execute(&scratch.url(), &sql).await;
            let clock = Arc::new(ManualClock::default());
            let direct = store(&scratch.url(), clock.clone(), |_| {});
            let Some(pooler) = given(Backend::PgBouncer) else { return };
            let pooled = store(&scratch.through(&pooler), clock.clone(), |settings| settings.pooled = true);
            for (name, store) in [("direct", direct), ("pooled", pooled)] {
                let mut new = session(&*clock, name, "anna");
                new.expires_at = new.expires_at.plus_millis(1);
                store.create(&new).await.unwrap();
                let (sess, expire) = row(&scratch.url(), &new.id).await;
                assert_eq!(expire, "2025-01-31 10:05:08", "{name}, {made:?}");
                assert_eq!(sess["cookie"]["expires"], "2025-01-31T10:05:07.001Z");
                let found = store.load(&new.id).await.unwrap().unwrap().session;
                assert_eq!(found.expires_at.to_string(), "2025-01-31T10:05:08.000Z");
                assert_eq!(found.last_activity, new.last_activity, "from the exact end");
            }
        }
    });
}

#[test]
fn a_session_lives_to_the_end_of_its_last_second_and_no_longer() {
    waiterix_contract::run(|| async {
        let Some(scratch) = scratch(Made::ByMigration).await else { return };
        let clock = Arc::new(ManualClock::default());
        let store = store(&scratch.url(), clock.clone(), |_| {});
        let new = session(&*clock, "one", "anna");
        store.create(&new).await.unwrap();
        clock.advance(HOUR);
        assert!(store.load(&new.id).await.unwrap().is_some(), "as the old server sees it");
        assert_eq!(store.prune(10).await.unwrap(), 0);
        clock.advance(std::time::Duration::from_millis(1));
        assert_eq!(store.load(&new.id).await.unwrap(), None);
        assert_eq!(store.prune(10).await.unwrap(), 1);
    });
}

#[test]
fn touches_by_the_other_server_between_reading_and_writing_lose_nothing() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some(scratch) = scratch(made).await else { return };
            let clock = Arc::new(ManualClock::default());
            let store = Arc::new(store(&scratch.url(), clock.clone(), |_| {}));
            let new = session(&*clock, "one", "anna");
            store.create(&new).await.unwrap();
            let url = scratch.url();
            at_once(6, |number| {
                let (store, url, id) = (store.clone(), url.clone(), new.id.clone());
                async move {
                    if number > 3 {
                        let mut other = connect(&url).await;
                        for second in 0..40 {
                            let sql = "UPDATE public.sessions SET expire = timestamp '2025-01-31 11:00:00' + $2 * interval \
                                '1 second' WHERE sid = $1";
                            let touch = sqlx::query(sql).bind(id.reveal()).bind(second);
                            touch.execute(&mut other).await.unwrap();
                        }
                        return;
                    }
                    for _ in 0..10 {
                        loop {
                            let mut read = store.load(&id).await.unwrap().unwrap();
                            let count = read.session.extra.get("count").and_then(serde_json::Value::as_i64);
                            read.session.extra.insert("count".to_owned(), json!(count.unwrap_or_default() + 1));
                            match store.update(&read.session, &read.revision).await {
                                Ok(_) => break,
                                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
                            }
                        }
                    }
                }
            })
            .await;
            let found = store.load(&new.id).await.unwrap().unwrap().session;
            assert_eq!(found.extra["count"], 40, "{made:?}");
        }
    });
}

#[test]
fn a_touch_of_a_session_with_odd_texts_works_and_changes_nothing_else() {
    waiterix_contract::run(|| async {
        let Some(scratch) = scratch(Made::ByLibrary).await else { return };
        let clock = Arc::new(ManualClock::default());
        let store = store(&scratch.url(), clock.clone(), |_| {});
        let sess = r#"{"cookie":{"originalMaxAge":3600000,"expires":"2025-01-31T10:05:07.000Z"},"userId":"anna",
            "odd":"a\u0000b","half":"\udc00","n":1e21}"#;
        put(&scratch.url(), &id("odd"), sess, "2025-01-31 10:05:07").await;
        let before = store.load(&id("odd")).await.unwrap().unwrap();
        let used = clock.now().plus_millis(60_123);
        assert!(store.touch(&id("odd"), used, used.plus_seconds(7_200)).await.unwrap());
        let after = store.load(&id("odd")).await.unwrap().unwrap();
        assert_eq!(after.revision, before.revision);
        assert_eq!(after.session.last_activity, used);
        assert_eq!(after.session.extra, before.session.extra);
        assert_eq!(after.session.extra["odd"], "a\u{0}b");
    });
}

/// `jsonb` holds no NUL; what cannot be stored is refused and nothing is left of it.
#[test]
fn a_nul_is_invalid_in_the_table_of_the_migrations() {
    waiterix_contract::run(|| async {
        let Some(scratch) = scratch(Made::ByMigration).await else { return };
        let clock = Arc::new(ManualClock::default());
        let store = store(&scratch.url(), clock.clone(), |_| {});
        let mut new = session(&*clock, "one", "anna");
        store.create(&new).await.unwrap();
        let revision = store.load(&new.id).await.unwrap().unwrap().revision;
        new.extra.insert("text".to_owned(), json!("secret\u{0}text"));
        let error = store.update(&new, &revision).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Invalid, Retry::No));
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(store.load(&new.id).await.unwrap().unwrap().revision, revision);
        let mut nobody = session(&*clock, "two", "a\u{0}b");
        assert_eq!(store.create(&nobody).await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(store.sessions_of(nobody.user_id.as_ref().unwrap()).await.unwrap(), []);
        assert_eq!(store.delete_all_of(nobody.user_id.as_ref().unwrap()).await.unwrap(), 0);
        (nobody.user_id, nobody.email) = (None, None);
        store.create(&nobody).await.unwrap();
    });
}

#[test]
fn a_missing_table_is_told_with_its_remedy() {
    waiterix_contract::run(|| async {
        let Some(scratch) = scratch(Made::ByMigration).await else { return };
        let clock = Arc::new(ManualClock::default());
        let store = store(&scratch.url(), clock.clone(), |_| {});
        store.check().await.unwrap();
        for table in ["waiterix_temp", "sessions"] {
            execute(&scratch.url(), &format!("DROP TABLE public.{table}")).await;
            let error = store.check().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            let text = error.to_string();
            assert!(text.contains(table) && text.contains("waiterix schema migrate"), "{text}");
        }
        assert_eq!(store.temp_get("k").await.unwrap_err().kind(), ErrorKind::Unsupported, "not: absent");
    });
}

/// An index that somebody made, for example for the user of a session, is left alone and not complained about.
#[test]
fn a_foreign_index_on_the_table_is_none_of_the_migrations_business() {
    waiterix_contract::run(|| async {
        let Some(scratch) = scratch(Made::ByLibrary).await else { return };
        execute(&scratch.url(), "CREATE INDEX by_user ON public.sessions ((sess ->> 'userId'))").await;
        let database = database(&scratch.url()).unwrap();
        assert!(schema::check(&database).await.unwrap().is_complete());
        assert_eq!(schema::migrate(&database, |_| {}).await.unwrap().done, Vec::<String>::new());
    });
}

/// Both clean-ups find what has ended by the index, so their batches cost as little in a large table as in a small one.
#[test]
fn n13_ended_sessions_are_found_by_the_index() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some(scratch) = scratch(made).await else { return };
            let clock = Arc::new(ManualClock::default());
            let store = store(&scratch.url(), clock.clone(), |_| {});
            let fill = "INSERT INTO public.sessions (sid, sess, expire) SELECT 'old_____________' || n, '{\"cookie\":{}}', \
                timestamp '2025-01-31 09:00:00' + CASE WHEN n <= 250 THEN '0' ELSE interval '1 day' END \
                FROM generate_series(1, 20000) n; ANALYZE public.sessions";
            execute(&scratch.url(), fill).await;
            let scanned = async || {
                let sql = "SELECT coalesce(sum(idx_tup_read), 0)::bigint, (SELECT seq_tup_read FROM pg_stat_user_tables \
                    WHERE relname = 'sessions') FROM pg_stat_user_indexes WHERE indexrelname = 'IDX_session_expire'";
                let mut other = connect(&scratch.url()).await;
                sqlx::query_as::<_, (i64, i64)>(sql).fetch_one(&mut other).await.unwrap()
            };
            let (_, seq_before) = scanned().await;
            let mut removed = Vec::new();
            while let count @ 1.. = store.prune(100).await.unwrap() {
                removed.push(count);
            }
            assert_eq!(removed, [100, 100, 50], "{made:?}");
            store.close(HOUR).await;
            // What a session did is counted when it ends at the latest.
            let counted = || async { scanned().await.0 >= 250 };
            waiterix_contract::eventually(HOUR / 120, "the server has counted", counted).await;
            assert_eq!(scanned().await.1, seq_before, "no batch goes through the whole table");
        }
    });
}
