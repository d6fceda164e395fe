//! What the log says of sessions: nothing that opens one, and nothing about whose it is.

use std::sync::Arc;

use serde_json::json;
use tracing::Level;
use waiterix_contract::{KeptLog, ManualClock};
use waiterix_ports::{Clock as _, SessionStore as _};

use crate::pg_session_tables::{HOUR, Made, execute, id, put, scratch, session, store};

#[tokio::test]
async fn n19_neither_ids_nor_tokens_nor_content_are_in_the_log_or_in_errors() {
    let Some(scratch) = scratch(Made::ByLibrary).await else { return };
    let clock = Arc::new(ManualClock::default());
    let store = store(&scratch.url(), clock.clone(), |_| {});
    let sess = r#"{"cookie":{"originalMaxAge":3600000,"expires":"2025-01-31T10:05:07.000Z"},"odd":"\u0000",
        "passport":{"user":{"claims":{"sub":"zzsub","email":"zzmail@example.org"},"access_token":"zzaccess",
        "refresh_token":"zzrefresh","id_token":"zzidtoken"}},"issuer":{"code_verifier":"zzverifier"}}"#;
    put(&scratch.url(), &id("zzold"), sess, "2025-01-31 10:05:07").await;
    let log = KeptLog::begin(Level::TRACE);
    let mut errors = Vec::new();
    let mut ours = session(&*clock, "zznew", "zzuser");
    ours.extra.insert("zzmember".to_owned(), json!("zzcontent"));
    store.create(&ours).await.unwrap();
    errors.push(store.create(&ours).await.unwrap_err());
    let read = store.load(&id("zzold")).await.unwrap().unwrap();
    let revision = store.update(&read.session, &read.revision).await.unwrap();
    errors.push(store.update(&read.session, &read.revision).await.unwrap_err());
    let mut other = read.session.clone();
    other.user_id = Some("zzother".into());
    errors.push(store.update(&other, &revision).await.unwrap_err());
    store.touch(&id("zzold"), clock.now(), clock.now().plus_seconds(60)).await.unwrap();
    store.temp_set("zzkey", &json!("zzvalue"), HOUR).await.unwrap();
    store.temp_take("zzkey").await.unwrap();
    assert_eq!(store.sessions_of(&"zzsub".into()).await.unwrap().len(), 1);
    execute(&scratch.url(), "UPDATE public.sessions SET sess = '\"zzspoilt\"' WHERE sid LIKE 'zznew%'").await;
    errors.push(store.load(&ours.id).await.unwrap_err());
    assert_eq!(store.delete_all_of(&"zzsub".into()).await.unwrap(), 1);
    execute(&scratch.url(), "DROP TABLE public.sessions").await;
    errors.push(store.load(&ours.id).await.unwrap_err());
    // What the test itself sends is its own affair.
    let text: String =
        log.text().lines().filter(|line| !line.contains("UPDATE public.sessions SET sess = '")).collect();
    assert!(!text.contains("zz"), "{text}");
    for error in errors {
        assert!(!format!("{error} {error:?}").contains("zz"), "{error}");
    }
    assert!(!format!("{store:?}").contains("password"), "{store:?}");
}
