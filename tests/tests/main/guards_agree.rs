//! What a database lets in and notes is what the protocol of a move says, in every mode and for every writer.
//!
//! The proofs of the protocol are about `waiterix_migration::protocol`; this is what makes them proofs about the triggers.

use std::sync::Arc;
use std::time::Duration;

use waiterix_backends::{Backend, given};
use waiterix_contract::store::sample::user;
use waiterix_domain::{ChangeSet, CommitId};
use waiterix_migration::protocol::guard::{Writer, admits, is_noted, may_follow, shuts_out};
use waiterix_ports::moving::{Image, Mode, MovingKey, RowSide, Standing, Wanted};
use waiterix_ports::{Error, Store, SystemClock, Violation};
use waiterix_postgres::PostgresStore;
use waiterix_postgres::moving::PostgresSide;
use waiterix_postgres::testing::{Scratch, database};
use waiterix_tests::psql::{self, Psql};

/// Writes a user; whether that was let in.
async fn write(store: &dyn Store, side: &dyn RowSide, writer: Writer, id: &str) -> bool {
    let done = match writer {
        Writer::Anyone => store.commit(&ChangeSet::new(CommitId::new(id)).insert(user(id))).await,
        Writer::Converger { epoch } => follow(side, epoch, id).await,
    };
    match done {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.violation(), Some(&Violation::NotLeading), "{error}");
            false
        }
    }
}

async fn follow(side: &dyn RowSide, epoch: u64, id: &str) -> Result<(), Error> {
    let key = MovingKey { table: "users".into(), id: id.to_owned() };
    let image = format!(r#"{{"id": "{id}", "accepted_terms": "false"}}"#);
    let hold = side.hold(epoch, std::slice::from_ref(&key)).await?;
    hold.make(&[Wanted { key, image: Some(Image(image)) }]).await
}

#[test]
fn the_triggers_let_in_and_note_what_the_protocol_says() {
    waiterix_contract::run(|| async {
        const EPOCH: u64 = 7;
        let Some(server) = given(Backend::Postgres) else { return };
        let scratch = Scratch::migrated(&server).await.unwrap();
        let clock = Arc::new(SystemClock);
        let store = PostgresStore::new(database(&scratch.url()).unwrap(), clock.clone());
        let side = PostgresSide::new(database(&scratch.url()).unwrap(), clock);
        let writers = [EPOCH - 1, EPOCH, EPOCH + 1].map(|epoch| Writer::Converger { epoch });
        let mut let_in = 0;
        for mode in Mode::ALL {
            let standing = Standing { epoch: EPOCH, mode, turn: 3 };
            side.install(standing).await.unwrap();
            for writer in [Writer::Anyone].into_iter().chain(writers) {
                let id = format!("{} {writer:?}", mode.as_str());
                let key = MovingKey { table: "users".into(), id: id.clone() };
                let is_let_in = write(&store, &side, writer, &id).await;
                assert_eq!(is_let_in, admits(standing, writer), "{standing:?} {writer:?}");
                let images = side.images(std::slice::from_ref(&key)).await.unwrap();
                assert_eq!(images[0].image.is_some(), is_let_in, "{standing:?} {writer:?}");
                let noted = side.dirty(std::slice::from_ref(&key)).await.unwrap();
                assert_eq!(noted.len() == 1, is_let_in && is_noted(writer), "{standing:?} {writer:?}");
                let_in += usize::from(is_let_in);
            }
            assert_eq!(side.standing().await.unwrap(), Some(standing));
            side.uninstall().await.unwrap();
        }
        // Anyone in two modes, and one of those who follow in one.
        assert_eq!(let_in, 3);
    });
}

#[test]
fn a_standing_waits_for_the_writes_that_the_protocol_says() {
    waiterix_contract::run(|| async {
        const EPOCH: u64 = 7;
        let Some(server) = given(Backend::Postgres) else { return };
        let scratch = Scratch::migrated(&server).await.unwrap();
        let side = PostgresSide::new(database(&scratch.url()).unwrap(), Arc::new(SystemClock));
        let (psql, mut waited, mut asked) = (Psql::at(&scratch.url()), 0, 0);
        for (mode, next) in Mode::ALL.into_iter().flat_map(|mode| Mode::ALL.map(|next| (mode, next))) {
            for epoch in [EPOCH, EPOCH + 1] {
                let standing = Standing { epoch: EPOCH, mode, turn: 3 };
                if !may_follow(standing, next, epoch) {
                    continue;
                }
                side.install(standing).await.unwrap();
                // Whoever is let in stays at it.
                let mut sessions = [psql.session(), psql.session()];
                let writers = ["SELECT 1", "SET LOCAL waiterix.converging = '7'"];
                let mut let_in = 0;
                for (session, says) in sessions.iter_mut().zip(writers) {
                    let write = "INSERT INTO users (id) VALUES (gen_random_uuid())";
                    session.run(&format!("BEGIN; {says}"));
                    let_in += usize::from(session.run(write) == psql::DONE);
                }
                assert_eq!(let_in, usize::from(!matches!(mode, Mode::Fenced | Mode::Decided)));
                let patience = Duration::from_millis(50);
                let is_done = side.shift(standing, next, epoch, patience).await;
                assert_eq!(
                    is_done.is_err(),
                    shuts_out(standing, next, epoch),
                    "{standing:?} to {next:?}: {is_done:?}"
                );
                (waited, asked) = (waited + usize::from(is_done.is_err()), asked + 1);
                drop(sessions);
                side.uninstall().await.unwrap();
            }
        }
        assert_eq!((waited, asked), (2, 7), "the fence, and a side that takes the lead");
    });
}
