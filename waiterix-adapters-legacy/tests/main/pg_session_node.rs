//! The old server's own libraries on the same table at the same time: what either writes, the other reads, uses and ends.

use std::path::Path;
use std::sync::Arc;

use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use serde_json::{Value, json};
use url::Url;
use waiterix_adapters_legacy::pg_session::PgSessionStore;
use waiterix_app::session::cookie;
use waiterix_app::settings::{CookieSettings, SameSite};
use waiterix_backends::node::{self, Script};
use waiterix_backends::{Backend, given, missing};
use waiterix_domain::{Secret, Timestamp};
use waiterix_ports::{Clock as _, Session, SessionId, SessionStore as _, SystemClock};
use waiterix_postgres::testing::Scratch;

use crate::pg_session_redis;
use crate::pg_session_tables::{Made, execute, id, put, row, scratch, session, store};

const LIBRARIES: &[(&str, &str)] = &[
    ("connect-pg-simple", "10.0.0"),
    ("cookie-signature", "1.2.2"),
    ("express-session", "1.18.2"),
    ("pg", "8.16.3"),
];
const SECRET: &str = "a secret of the old server";
const WEEK_S: i64 = 604_800;

/// The session layer of the old server under way.
struct OldServer {
    _script: Script,
    url: String,
}

/// What it answers.
#[derive(Debug)]
struct Answer {
    sid: SessionId,
    session: Value,
    set_cookie: HeaderMap,
}

impl OldServer {
    /// Starts it; without Node.js or its libraries the test is left out, loudly.
    fn start(database: &Url, options: &Value) -> Option<Self> {
        let mut arguments =
            json!({ "url": database.as_str(), "secret": SECRET, "createTable": false, "zone": "UTC" });
        arguments.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/old_server.js");
        let started = node::libraries("old-sessions", LIBRARIES)
            .and_then(|modules| Script::start(&file, &modules, &[arguments.to_string()]));
        match started {
            Ok((script, port)) => {
                // The client could speak TLS, and wants to know with what, although nobody here asks for it.
                let _ = rustls::crypto::ring::default_provider().install_default();
                Some(Self { _script: script, url: format!("http://127.0.0.1:{port}/") })
            }
            Err(fault) => {
                missing("the old server's session libraries", &fault.to_string());
                None
            }
        }
    }

    async fn post(&self, cookie: Option<&str>, wanted: &Value) -> (HeaderMap, Value) {
        let mut request =
            reqwest::Client::new().post(&self.url).header("x-forwarded-proto", "https").json(wanted);
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let answer: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{answer}");
        (headers, answer)
    }

    async fn ask(&self, cookie: Option<&str>, wanted: Value) -> Answer {
        let (headers, answer) = self.post(cookie, &wanted).await;
        let mut set_cookie = HeaderMap::new();
        // What a browser would send back.
        if let Some(value) = headers.get(SET_COOKIE) {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            set_cookie.insert(COOKIE, pair.parse().unwrap());
        }
        Answer {
            sid: SessionId::new(answer["sid"].as_str().unwrap()),
            session: answer["session"].clone(),
            set_cookie,
        }
    }
}

fn cookies() -> CookieSettings {
    CookieSettings { secrets: vec![Secret::new(SECRET)], same_site: SameSite::None }
}

/// The cookie as this service hands it to a browser and a browser sends it back.
fn cookie_of(session: &Session) -> String {
    cookie::set(session, &cookies()).split(';').next().unwrap().to_owned()
}

/// A login of this service.
fn login(name: &str, user: &str) -> Session {
    let mut session = session(&SystemClock, name, user);
    session.expires_at = session.created_at.plus_seconds(WEEK_S);
    session.extra =
        serde_json::from_value(json!({ "restaurantId": "r1", "metadata": { "näme": [1, null, "😀"] } }))
            .unwrap();
    session
}

async fn both(made: Made) -> Option<(Scratch, PgSessionStore, OldServer)> {
    let scratch = scratch(made).await?;
    let store = store(&scratch.url(), Arc::new(SystemClock), |_| {});
    let old = OldServer::start(&scratch.url(), &json!({}))?;
    Some((scratch, store, old))
}

const TABLES: [Made; 2] = [Made::ByMigration, Made::ByLibrary];

#[test]
fn the_old_server_reads_a_session_of_ours_by_its_cookie() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some((scratch, store, old)) = both(made).await else { return };
            let ours = login("ours", "anna");
            store.create(&ours).await.unwrap();
            let read = old.ask(Some(&cookie_of(&ours)), json!({ "do": "read" })).await;
            assert_eq!(read.sid, ours.id, "{made:?}");
            assert_eq!(read.session["userId"], "anna");
            assert_eq!(read.session["restaurantId"], "r1");
            assert_eq!(read.session["metadata"], ours.extra["metadata"]);
            let cookie = &read.session["cookie"];
            assert_eq!(cookie["originalMaxAge"], WEEK_S * 1_000);
            assert_eq!(cookie["sameSite"], "none");
            assert_eq!(
                (&cookie["secure"], &cookie["httpOnly"], &cookie["path"]),
                (&json!(true), &json!(true), &json!("/"))
            );
            assert!(read.set_cookie.is_empty(), "a mere read sends no cookie");
            // It touched the session, which changes the column and nothing else.
            let (sess, _) = row(&scratch.url(), &ours.id).await;
            assert_eq!(sess["cookie"]["expires"], ours.expires_at.to_string());
        }
    });
}

#[test]
fn a_touch_of_the_old_server_moves_the_end_and_the_last_use() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some((_scratch, store, old)) = both(made).await else { return };
            // Used for the last time an hour ago.
            let mut ours = login("ours", "anna");
            for at in [&mut ours.created_at, &mut ours.last_activity, &mut ours.expires_at] {
                *at = at.plus_seconds(-3_600);
            }
            store.create(&ours).await.unwrap();
            let before = store.load(&ours.id).await.unwrap().unwrap();
            assert_eq!(before.session.last_activity, ours.last_activity);
            let begin = SystemClock.now();
            old.ask(Some(&cookie_of(&ours)), json!({ "do": "read" })).await;
            let after = store.load(&ours.id).await.unwrap().unwrap();
            assert!(after.session.expires_at >= begin.plus_seconds(WEEK_S), "{:?}", after.session.expires_at);
            assert!(after.session.last_activity >= begin, "{:?}", after.session.last_activity);
            assert!(after.session.last_activity <= SystemClock.now().plus_seconds(1), "to the second");
            assert_eq!(after.session.created_at, ours.created_at);
            // And an update from before the touch is no conflict.
            let mut changed = before.session.clone();
            changed.extra.insert("role".to_owned(), json!("chef"));
            store.update(&changed, &before.revision).await.unwrap();
        }
    });
}

#[test]
fn the_old_server_changes_a_session_of_ours_and_keeps_what_it_does_not_know() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some((scratch, store, old)) = both(made).await else { return };
            let ours = login("ours", "anna");
            store.create(&ours).await.unwrap();
            let before = store.load(&ours.id).await.unwrap().unwrap();
            let changed =
                old.ask(Some(&cookie_of(&ours)), json!({ "do": "set", "values": { "role": "chef" } })).await;
            // A changed session is sent again: the cookie is one of ours.
            assert_eq!(cookie::session_id(&changed.set_cookie, &cookies()), Some(ours.id.clone()));
            let after = store.load(&ours.id).await.unwrap().unwrap().session;
            let mut extra = ours.extra.clone();
            extra.insert("role".to_owned(), json!("chef"));
            assert_eq!((&after.extra, &after.email), (&extra, &ours.email));
            assert_eq!((&after.user_id, after.created_at), (&ours.user_id, ours.created_at));
            // Its change is one for us too.
            let late = store.update(&before.session, &before.revision).await.unwrap_err();
            assert_eq!(late.kind(), waiterix_ports::ErrorKind::Conflict);
            let (sess, expire) = row(&scratch.url(), &ours.id).await;
            let expires = Timestamp::parse(sess["cookie"]["expires"].as_str().unwrap()).unwrap();
            let rounded = Timestamp::EPOCH.plus_seconds(-(-expires.as_micros()).div_euclid(1_000_000));
            assert_eq!(format!("{}Z", expire.replace(' ', "T")), rounded.to_string().replace(".000", ""));
        }
    });
}

#[test]
fn we_change_a_session_that_the_old_server_has_changed_and_it_reads_that() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some((_scratch, store, old)) = both(made).await else { return };
            let made_there = old
                .ask(None, json!({ "do": "set", "values": { "userId": "anna", "returnTo": "/menu" } }))
                .await;
            let id = cookie::session_id(&made_there.set_cookie, &cookies()).expect("signed as we sign");
            assert_eq!(id, made_there.sid);
            let read = store.load(&id).await.unwrap().unwrap();
            assert_eq!(read.session.user_id, Some("anna".into()));
            assert_eq!(read.session.extra["returnTo"], "/menu");
            assert!((read.session.created_at.as_seconds() - SystemClock.now().as_seconds()).abs() <= 5);
            let ends = read.session.expires_at.as_seconds() - SystemClock.now().as_seconds();
            assert!((WEEK_S - 5..=WEEK_S + 1).contains(&ends), "{ends}");

            let mut changed = read.session.clone();
            changed.extra.insert("returnTo".to_owned(), json!("/orders"));
            let revision = store.update(&changed, &read.revision).await.unwrap();
            let now = SystemClock.now();
            assert!(store.touch(&id, now, now.plus_seconds(WEEK_S)).await.unwrap());
            let cookie = cookie_of(&read.session);
            let there = old.ask(Some(&cookie), json!({ "do": "set", "values": { "n": 1 } })).await;
            assert_eq!(
                (&there.session["returnTo"], &there.session["userId"]),
                (&json!("/orders"), &json!("anna"))
            );
            let again = store.update(&changed, &revision).await.unwrap_err();
            assert_eq!(again.kind(), waiterix_ports::ErrorKind::Conflict);
        }
    });
}

#[test]
fn what_one_side_ends_has_ended_on_the_other() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some((_scratch, store, old)) = both(made).await else { return };
            let ours = login("ours", "anna");
            store.create(&ours).await.unwrap();
            old.ask(Some(&cookie_of(&ours)), json!({ "do": "destroy" })).await;
            assert_eq!(store.load(&ours.id).await.unwrap(), None);

            let theirs = old.ask(None, json!({ "do": "set", "values": { "userId": "anna" } })).await;
            let other = old.ask(None, json!({ "do": "set", "values": { "userId": "bert" } })).await;
            assert_eq!(store.sessions_of(&"anna".into()).await.unwrap(), vec![theirs.sid.clone()]);
            assert_eq!(store.delete_all_of(&"anna".into()).await.unwrap(), 1);
            let cookie = theirs.set_cookie[COOKIE].to_str().unwrap();
            let read = old.ask(Some(cookie), json!({ "do": "read" })).await;
            assert_ne!(read.sid, theirs.sid, "an ended session is replaced by a new one");
            assert_eq!(read.session.get("userId"), None);
            assert!(store.load(&other.sid).await.unwrap().is_some());
            // A touch that comes after the end brings nothing back.
            assert!(
                !store
                    .touch(&theirs.sid, SystemClock.now(), SystemClock.now().plus_seconds(60))
                    .await
                    .unwrap()
            );
        }
    });
}

/// What the old server keeps of a sign-in through passport.
fn passport(sub: &str) -> Value {
    json!({ "passport": { "user": {
        "claims": { "sub": sub, "email": format!("{sub}@example.org"), "first_name": "A", "exp": 1_738_400_000 },
        "access_token": "the access token", "refresh_token": "the refresh token", "id_token": "the id token",
        "expires_at": 1_738_400_000 } } })
}

#[test]
fn n19_n20_a_session_of_the_earlier_generation_is_one_of_its_user_and_keeps_its_tokens_to_itself() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some((scratch, store, old)) = both(made).await else { return };
            let mut values = passport("anna");
            values["issuer.example.org"] = json!({ "code_verifier": "cv", "state": "st", "nonce": "n" });
            let theirs = old.ask(None, json!({ "do": "regenerate", "values": values })).await;
            let read = store.load(&theirs.sid).await.unwrap().unwrap();
            assert_eq!(read.session.user_id, Some("anna".into()));
            assert_eq!(read.session.email.as_deref(), Some("anna@example.org"));
            assert_eq!(store.sessions_of(&"anna".into()).await.unwrap(), vec![theirs.sid.clone()]);
            let shown = format!("{:?} {}", read, Value::Object(read.session.extra.clone()));
            assert!(!shown.contains(" token"), "{shown}");
            assert_eq!(read.session.extra["issuer.example.org"], values["issuer.example.org"]);

            let mut changed = read.session.clone();
            changed.extra.insert("returnTo".to_owned(), json!("/menu"));
            store.update(&changed, &read.revision).await.unwrap();
            let now = SystemClock.now();
            assert!(store.touch(&theirs.sid, now, now.plus_seconds(WEEK_S)).await.unwrap());
            let cookie = theirs.set_cookie[COOKIE].to_str().unwrap();
            let there = old.ask(Some(cookie), json!({ "do": "read" })).await;
            assert_eq!(there.session["passport"], values["passport"], "the old server finds its tokens");
            assert_eq!(there.session["returnTo"], "/menu");
            assert_eq!(there.session.get("userId"), None);
            // It signs the user out in place; then nobody is signed in for us either.
            old.ask(Some(cookie), json!({ "do": "set", "values": { "passport": {} } })).await;
            assert_eq!(store.load(&theirs.sid).await.unwrap().unwrap().session.user_id, None);
            let (sess, _) = row(&scratch.url(), &theirs.sid).await;
            assert_eq!(sess["passport"], json!({}));
        }
    });
}

/// What a move of sessions does, in both directions.
#[test]
fn n19_a_session_goes_to_redis_without_its_tokens_and_comes_back_as_one_the_old_server_reads() {
    waiterix_contract::run(|| async {
        let Some((_scratch, store, old)) = both(Made::ByMigration).await else { return };
        let Some((_server, redis)) = pg_session_redis::store() else { return };
        let theirs = old.ask(None, json!({ "do": "regenerate", "values": passport("anna") })).await;
        let read = store.load(&theirs.sid).await.unwrap().unwrap().session;
        redis.create(&read).await.unwrap();
        let there = redis.load(&theirs.sid).await.unwrap().unwrap().session;
        assert!(!Value::Object(there.extra.clone()).to_string().contains(" token"), "{:?}", there.extra);
        assert_eq!(
            (&there.user_id, &there.email),
            (&Some("anna".into()), &Some("anna@example.org".to_owned()))
        );
        assert_eq!(redis.sessions_of(&"anna".into()).await.unwrap(), vec![theirs.sid.clone()]);
        let (before, after) = (read.expires_at.as_millis(), there.expires_at.as_millis());
        assert_eq!(before, after, "copying never lengthens a session");

        assert!(store.delete(&theirs.sid).await.unwrap());
        store.create(&there).await.unwrap();
        let cookie = theirs.set_cookie[COOKIE].to_str().unwrap();
        let again = old.ask(Some(cookie), json!({ "do": "read" })).await;
        assert_eq!(again.sid, theirs.sid, "the same cookie");
        assert_eq!(again.session["passport"]["user"]["claims"]["sub"], "anna");
    });
}

#[test]
fn the_user_that_the_old_server_puts_into_a_session_of_ours_is_its_user() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some((_scratch, store, old)) = both(made).await else { return };
            let mut ours = login("ours", "anna");
            (ours.user_id, ours.email) = (None, None);
            store.create(&ours).await.unwrap();
            let cookie = cookie_of(&ours);
            old.ask(Some(&cookie), json!({ "do": "set", "values": { "userId": "anna" } })).await;
            assert_eq!(store.sessions_of(&"anna".into()).await.unwrap(), [ours.id.clone()]);
            old.ask(Some(&cookie), json!({ "do": "set", "values": { "userId": "bert" } })).await;
            let found = store.load(&ours.id).await.unwrap().unwrap().session;
            assert_eq!((found.user_id, found.email), (Some("bert".into()), None));
        }
    });
}

#[test]
fn an_end_means_the_same_to_both() {
    waiterix_contract::run(|| async {
        for made in TABLES {
            let Some((scratch, store, old)) = both(made).await else { return };
            let (mut ended, mut lives) = (login("ended", "anna"), login("lives", "anna"));
            (ended.expires_at, lives.expires_at) =
                (SystemClock.now().plus_seconds(3), SystemClock.now().plus_seconds(30));
            store.create(&ended).await.unwrap();
            store.create(&lives).await.unwrap();
            // As if the time had come: the column decides, whatever the cookie says.
            execute(
                &scratch.url(),
                "UPDATE public.sessions SET expire = now() AT TIME ZONE 'UTC' - interval '1 second' \
                WHERE sid LIKE 'ended%'",
            )
            .await;
            assert_eq!(store.load(&ended.id).await.unwrap(), None);
            let read = old.ask(Some(&cookie_of(&ended)), json!({ "do": "read" })).await;
            assert_ne!(read.sid, ended.id);
            assert_eq!(store.sessions_of(&"anna".into()).await.unwrap(), [lives.id.clone()]);
            // Its clean-up leaves what lives, and so does ours.
            old.ask(None, json!({ "do": "prune" })).await;
            assert_eq!(store.prune(10).await.unwrap(), 0, "nothing was left to be removed");
            assert!(store.load(&lives.id).await.unwrap().is_some());
        }
    });
}

#[test]
fn the_table_that_the_library_makes_is_understood() {
    waiterix_contract::run(|| async {
        let Some(scratch) = scratch(Made::ByMigration).await else { return };
        execute(&scratch.url(), "DROP TABLE public.sessions").await;
        let Some(old) = OldServer::start(&scratch.url(), &json!({ "createTable": true })) else { return };
        let theirs = old
            .ask(None, json!({ "do": "set", "values": { "userId": "anna", "odd": "half \u{0} of it" } }))
            .await;
        let store = store(&scratch.url(), Arc::new(SystemClock), |_| {});
        let read = store.load(&theirs.sid).await.unwrap().unwrap();
        assert_eq!(read.session.extra["odd"], "half \u{0} of it");
        let ours = login("ours", "anna");
        store.create(&ours).await.unwrap();
        let there = old.ask(Some(&cookie_of(&ours)), json!({ "do": "read" })).await;
        assert_eq!(there.session["userId"], "anna");
        assert_eq!(store.sessions_of(&"anna".into()).await.unwrap().len(), 2);
        // And it is what the migration accepts.
        let migrated = waiterix_postgres::testing::database(&scratch.url()).unwrap();
        let report = waiterix_postgres::schema::migrate(&migrated, |_| {}).await.unwrap();
        assert!(report.is_complete(), "{report}");
    });
}

/// A half of a surrogate pair cannot be sent as text, so the row is put there as the library would write it.
#[test]
fn a_text_that_only_javascript_knows_does_not_hide_a_session() {
    waiterix_contract::run(|| async {
        let Some((scratch, store, old)) = both(Made::ByLibrary).await else { return };
        let (odd, plain) = (id("odd"), login("plain", "anna"));
        let expires = SystemClock.now().plus_seconds(WEEK_S);
        let sess = format!(
            r#"{{"cookie":{{"originalMaxAge":{},"expires":"{expires}","secure":true,"httpOnly":true,"path":"/"}},
                "userId":"anna","odd":"half \ud83d of it"}}"#,
            WEEK_S * 1_000
        );
        put(&scratch.url(), &odd, &sess, &expires.to_string()).await;
        store.create(&plain).await.unwrap();
        let of_odd = cookie_of(&Session { id: odd.clone(), ..plain.clone() });
        let read = old.ask(Some(&of_odd), json!({ "do": "read" })).await;
        assert_eq!(read.session["userId"], "anna", "the old server can use it");
        assert_eq!(store.load(&odd).await.unwrap().unwrap().session.extra["odd"], "half \u{fffd} of it");
        assert_eq!(store.sessions_of(&"anna".into()).await.unwrap().len(), 2);
        assert_eq!(store.sessions_of(&"bert".into()).await.unwrap(), []);
        assert_eq!(store.delete_all_of(&"bert".into()).await.unwrap(), 0);
        assert_eq!(store.delete_all_of(&"anna".into()).await.unwrap(), 2);
        assert_eq!(store.load(&odd).await.unwrap(), None);
    });
}

#[test]
fn cookies_are_signed_as_the_original_signs_them() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let Some(old) = OldServer::start(&server, &json!({})) else { return };
        let sign = json!({ "do": "sign", "value": "example-sid", "secret": "example-secret" });
        let (_, signed) = old.post(None, &sign).await;
        assert_eq!(signed, "example-sid.7hc4MuA4GxOJ+Qbd54sFQHuGzHddIcrtSP6qH8muYf4");
        let ours = CookieSettings { secrets: vec![Secret::new("example-secret")], same_site: SameSite::None };
        let mut session = login("x", "anna");
        session.id = SessionId::new("example-sid");
        let cookie = cookie::set(&session, &ours);
        assert!(
            cookie.starts_with("connect.sid=s%3Aexample-sid.7hc4MuA4GxOJ%2BQbd54sFQHuGzHddIcrtSP6qH8muYf4;"),
            "{cookie}"
        );
        let mut sent = HeaderMap::new();
        sent.insert(COOKIE, cookie.split(';').next().unwrap().parse().unwrap());
        assert_eq!(cookie::session_id(&sent, &ours), Some(session.id));
        // Forged, it is nobody's session on either side.
        let forged = "connect.sid=s%3Aexample-sid.7hc4MuA4GxOJ%2BQbd54sFQHuGzHddIcrtSP6qH8muYf5";
        let read = old.ask(Some(forged), json!({ "do": "read" })).await;
        assert_ne!(read.sid.reveal(), "example-sid");
    });
}
