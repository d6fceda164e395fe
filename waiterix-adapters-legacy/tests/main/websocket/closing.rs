//! Chefs who signed out hear nothing more, at whatever process their sockets are (R24 of the old system).

use std::time::Duration;

use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_contract::eventually;
use waiterix_domain::Timestamp;
use waiterix_ports::{ChefSelector, CloseReason, ErrorKind, Notifier as _};

use crate::websocket::processes::{
    PATIENCE, chef, connected, database, delivered, guest, joined, joined_with, joins, patient, publish, sees,
};

fn signed_out() -> ChefSelector {
    ChefSelector::SessionDigest("digest".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r24_signing_out_closes_sockets_at_every_process() {
    let Some(database) = database().await else { return };
    let processes = [
        joined(&database.url(), 1).await,
        joined(&database.url(), 2).await,
        joined(&database.url(), 3).await,
    ];
    let mut chefs = Vec::new();
    for (number, process) in processes.iter().enumerate() {
        chefs.push(connected(process, &format!("chef {number}"), chef()).await);
        connected(process, &format!("guest {number}"), guest()).await;
    }
    let closed = processes[0].close_chefs(&"r".into(), &signed_out(), CloseReason::Policy).await.unwrap();
    assert_eq!(closed, 3);
    for chef in &mut chefs {
        chef.is_closed(CloseReason::Policy).await;
    }
    assert_eq!(publish(&processes[1], "x").await, delivered(0));
}

/// The process of the chef's socket cannot be reached when the chef signs out. It is told when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r24_a_process_that_was_apart_closes_what_was_closed_meanwhile() {
    let Some(database) = database().await else { return };
    let proxy = Proxy::to(&database.url()).await.unwrap();
    let one = joined(&database.url(), 1).await;
    let two = joined(&proxy.url(&database.url()), 2).await;
    let mut chef = connected(&two, "chef", chef()).await;
    proxy.set(Mode::Refuse);
    proxy.cut();
    sees(&one, 0).await;
    one.close_chefs(&"r".into(), &signed_out(), CloseReason::Policy).await.unwrap();
    assert_eq!(chef.arrived(), Vec::<String>::new(), "it cannot know yet");
    proxy.set(Mode::Pass);
    joins(&two).await;
    chef.is_closed(CloseReason::Policy).await;
}

/// Who signs out at a process that is apart itself is told so, and the others are told when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r24_closing_while_apart_is_an_error_and_is_made_good() {
    let Some(database) = database().await else { return };
    let proxy = Proxy::to(&database.url()).await.unwrap();
    let one = joined(&proxy.url(&database.url()), 1).await;
    let two = joined(&database.url(), 2).await;
    let mut here = connected(&one, "here", chef()).await;
    let mut there = connected(&two, "there", chef()).await;
    proxy.set(Mode::Refuse);
    proxy.cut();
    eventually(PATIENCE, "it is apart", async || one.check().await.is_err()).await;
    let error = one.close_chefs(&"r".into(), &signed_out(), CloseReason::Policy).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    here.is_closed(CloseReason::Policy).await;
    proxy.set(Mode::Pass);
    there.is_closed(CloseReason::Policy).await;
}

/// A process that is there and does not answer is no reason to say that all is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_process_makes_closing_and_sweeping_a_timeout() {
    let Some(database) = database().await else { return };
    let proxy = Proxy::to(&database.url()).await.unwrap();
    let mut settings = patient();
    settings.deadline = Duration::from_millis(500);
    let one = joined_with(&database.url(), 1, settings).await;
    let two = joined(&proxy.url(&database.url()), 2).await;
    sees(&one, 1).await;
    proxy.set(Mode::Hold);
    let closed = one.close_chefs(&"r".into(), &signed_out(), CloseReason::Policy).await;
    assert_eq!(closed.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(one.sweep(Timestamp::EPOCH).await.unwrap_err().kind(), ErrorKind::Timeout);
    drop(two);
}
