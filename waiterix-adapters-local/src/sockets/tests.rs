//! What the contract of `Notifier` does not say about this adapter.

use std::sync::Arc;

use tokio::sync::mpsc;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{
    CloseReason, Connection, ConnectionId, ErrorKind, Frame, Message, Notifier, Outlet, Role,
};

use super::SocketNotifier;

fn connection(id: &str, restaurant: &str, role: Role, room: usize) -> (Connection, mpsc::Receiver<Frame>) {
    let (frames, receiver) = mpsc::channel(room);
    let connection = Connection {
        id: ConnectionId::new(id),
        restaurant: restaurant.into(),
        role,
        connected_at: Timestamp::EPOCH,
        outlet: Outlet::Socket(frames),
    };
    (connection, receiver)
}

fn chef() -> Role {
    Role::Chef { user: "owner".into(), session_digest: None }
}

fn guest(session: &str) -> Role {
    Role::Customer { session: Some(session.to_owned()) }
}

fn message(text: &str) -> Message {
    Message { id: text.to_owned(), json: Arc::from(text) }
}

fn texts(receiver: &mut mpsc::Receiver<Frame>) -> Vec<String> {
    let mut texts = Vec::new();
    while let Ok(frame) = receiver.try_recv() {
        match frame {
            Frame::Text(text) => texts.push(text.to_string()),
            Frame::Close(reason) => texts.push(format!("close {}", reason.code())),
        }
    }
    texts
}

#[tokio::test]
async fn two_events_arrive_in_the_same_order_on_every_socket_however_they_race() {
    let notifier = Arc::new(SocketNotifier::new());
    let mut receivers = Vec::new();
    for number in 0..50 {
        let (connection, receiver) = connection(&format!("c{number}"), "r", chef(), 1000);
        notifier.connect(&connection).await.unwrap();
        receivers.push(receiver);
    }
    let mut threads = Vec::new();
    for writer in 0..4 {
        let notifier = Arc::clone(&notifier);
        threads.push(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for number in 0..200 {
                let event = message(&format!("{writer}/{number}"));
                runtime.block_on(notifier.publish(&Audience::Chefs("r".into()), &event)).unwrap();
            }
        }));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let first = texts(&mut receivers[0]);
    assert_eq!(first.len(), 800);
    for receiver in &mut receivers[1..] {
        assert_eq!(texts(receiver), first);
    }
}

#[tokio::test]
async fn ids_that_look_alike_when_joined_share_no_room() {
    let notifier = SocketNotifier::new();
    let (one, mut heard_one) = connection("one", "r:a", guest("b"), 8);
    let (two, mut heard_two) = connection("two", "r", guest("a:b"), 8);
    notifier.connect(&one).await.unwrap();
    notifier.connect(&two).await.unwrap();
    let audience = Audience::Customer { restaurant: "r".into(), session: "a:b".to_owned() };
    assert_eq!(notifier.publish(&audience, &message("x")).await.unwrap().delivered, 1);
    assert!(texts(&mut heard_one).is_empty());
    assert_eq!(texts(&mut heard_two), ["x"]);
}

#[tokio::test]
async fn rooms_agree_with_the_definition_of_hearing() {
    let notifier = SocketNotifier::new();
    let roles = [chef(), guest("s"), guest("t"), Role::Customer { session: None }];
    let mut sockets = Vec::new();
    for restaurant in ["r", "r2"] {
        for (place, role) in roles.iter().enumerate() {
            let (connection, receiver) =
                connection(&format!("{restaurant}-{place}"), restaurant, role.clone(), 8);
            notifier.connect(&connection).await.unwrap();
            sockets.push((connection, receiver));
        }
    }
    for audience in [
        Audience::Chefs("r".into()),
        Audience::Chefs("r3".into()),
        Audience::Customer { restaurant: "r2".into(), session: "s".to_owned() },
        Audience::Customer { restaurant: "r".into(), session: "chef".to_owned() },
    ] {
        notifier.publish(&audience, &message("x")).await.unwrap();
        for (connection, receiver) in &mut sockets {
            let hears = connection.role.hears(&connection.restaurant, &audience);
            assert_eq!(texts(receiver).len(), usize::from(hears), "{:?} {audience:?}", connection.id);
        }
    }
}

#[tokio::test]
async fn publishing_and_leaving_keep_no_empty_rooms() {
    let notifier = SocketNotifier::new();
    for number in 0..100 {
        let (connection, receiver) = connection(&format!("c{number}"), "r", guest(&format!("s{number}")), 1);
        notifier.connect(&connection).await.unwrap();
        if number % 2 == 0 {
            notifier.disconnect(&connection.id).await.unwrap();
        } else {
            drop(receiver);
            let audience = Audience::Customer { restaurant: "r".into(), session: format!("s{number}") };
            drop(connection);
            assert_eq!(notifier.publish(&audience, &message("x")).await.unwrap().gone, 1);
        }
    }
    assert!(notifier.is_empty());
    assert_eq!(notifier.registry().room_count(), 0);
}

#[tokio::test]
async fn sockets_left_behind_by_a_guest_do_not_count_against_the_session() {
    let notifier = SocketNotifier::new();
    let mut receivers = Vec::new();
    for number in 0..32 {
        let (connection, receiver) = connection(&format!("c{number}"), "r", guest("s"), 1);
        notifier.connect(&connection).await.unwrap();
        receivers.push(receiver);
    }
    let (more, _heard) = connection("more", "r", guest("s"), 1);
    assert_eq!(notifier.connect(&more).await.unwrap_err().kind(), ErrorKind::Throttled);
    receivers.pop();
    notifier.connect(&more).await.unwrap();
    assert_eq!(notifier.len(), 32);
}

#[tokio::test]
async fn a_full_process_takes_no_more_connections() {
    let notifier = SocketNotifier::with_max_connections(2);
    let (one, _heard_one) = connection("one", "r", chef(), 1);
    let (two, _heard_two) = connection("two", "r", chef(), 1);
    let (three, _heard_three) = connection("three", "r", chef(), 1);
    notifier.connect(&one).await.unwrap();
    notifier.connect(&two).await.unwrap();
    assert_eq!(notifier.connect(&three).await.unwrap_err().kind(), ErrorKind::Throttled);
    notifier.connect(&two).await.unwrap();
    notifier.disconnect(&one.id).await.unwrap();
    notifier.connect(&three).await.unwrap();
}

#[tokio::test]
async fn shutdown_says_goodbye_to_everyone_and_lets_nobody_in() {
    let notifier = SocketNotifier::new();
    let (one, mut heard_one) = connection("one", "r", chef(), 4);
    let (two, mut heard_two) = connection("two", "r2", Role::Customer { session: None }, 4);
    notifier.connect(&one).await.unwrap();
    notifier.connect(&two).await.unwrap();
    assert_eq!(notifier.shutdown(), 2);
    assert_eq!(texts(&mut heard_one), ["close 1001"]);
    assert_eq!(texts(&mut heard_two), ["close 1001"]);
    assert_eq!(notifier.connect(&one).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(notifier.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(notifier.shutdown(), 0);
}

#[tokio::test]
async fn a_closing_frame_reaches_a_peer_whose_channel_was_full() {
    let notifier = SocketNotifier::new();
    let (one, mut heard) = connection("one", "r", chef(), 1);
    notifier.connect(&one).await.unwrap();
    notifier.publish(&Audience::Chefs("r".into()), &message("x")).await.unwrap();
    let chosen = waiterix_ports::ChefSelector::User("owner".into());
    assert_eq!(notifier.close_chefs(&"r".into(), &chosen, CloseReason::Policy).await.unwrap(), 1);
    assert_eq!(heard.recv().await, Some(Frame::Text(Arc::from("x"))));
    assert_eq!(heard.recv().await, Some(Frame::Close(CloseReason::Policy)));
}

#[tokio::test]
async fn ten_thousand_other_sockets_do_not_make_publishing_dearer() {
    let notifier = SocketNotifier::new();
    let mut receivers = Vec::new();
    for number in 0..10_000 {
        let (connection, receiver) = connection(&format!("c{number}"), &format!("r{number}"), chef(), 1);
        notifier.connect(&connection).await.unwrap();
        receivers.push(receiver);
    }
    let audience = Audience::Chefs("r77".into());
    let visited = notifier.registry().listeners(&audience).count();
    assert_eq!(visited, 1);
    assert_eq!(notifier.publish(&audience, &message("x")).await.unwrap().targeted, 1);
}
