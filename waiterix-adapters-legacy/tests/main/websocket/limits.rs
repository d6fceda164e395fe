//! What must hold over all processes together when connections are made.

use waiterix_contract::race::at_once;
use waiterix_ports::{ErrorKind, Notifier as _};

use crate::websocket::processes::{Peer, connected, connection, database, guest, joined};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_thirty_two_connections_of_a_session_are_counted_over_all_processes() {
    let Some(database) = database().await else { return };
    let (one, two) = (joined(&database.url(), 1).await, joined(&database.url(), 2).await);
    let mut peers: Vec<Peer> = Vec::new();
    for number in 0..32 {
        let process = if number < 20 { &one } else { &two };
        peers.push(connected(process, &format!("c{number}"), guest()).await);
    }
    for process in [&one, &two] {
        let (more, _peer) = connection("more", guest(), 1);
        let error = process.connect(&more).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
    }
    // A phone that lost its network leaves a socket behind, which must not lock its guest out elsewhere.
    drop(peers.remove(0));
    connected(&two, "again", guest()).await;
}

/// Both processes have room for one more, and both are asked for it at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_of_two_connections_for_the_last_seat_exactly_one_is_registered() {
    let Some(database) = database().await else { return };
    let processes = [joined(&database.url(), 1).await, joined(&database.url(), 2).await];
    let mut peers = Vec::new();
    for number in 0..31 {
        peers.push(connected(&processes[number % 2], &format!("c{number}"), guest()).await);
    }
    for round in 0..20 {
        let answers = at_once(2, |place| {
            let process = processes[place].clone();
            async move {
                let (connection, peer) = connection(&format!("last {round} {place}"), guest(), 1);
                let answer = process.connect(&connection).await;
                drop(connection);
                (answer, peer)
            }
        })
        .await;
        let winners: Vec<_> = (0..2).filter(|place| answers[*place].0.is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {:?} {:?}", answers[0].0, answers[1].0);
        let loser = answers[1 - winners[0]].0.as_ref().unwrap_err();
        assert_eq!(loser.kind(), ErrorKind::Throttled, "{loser}");
        processes[winners[0]].disconnect(&answers[winners[0]].1.id).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r3_an_id_is_given_once_over_all_processes() {
    let Some(database) = database().await else { return };
    let processes = [
        joined(&database.url(), 1).await,
        joined(&database.url(), 2).await,
        joined(&database.url(), 3).await,
    ];
    for round in 0..20 {
        let id = format!("c{round}");
        let answers = at_once(6, |place| {
            let (process, id) = (processes[place % 3].clone(), id.clone());
            async move {
                let (connection, peer) = connection(&id, guest(), 1);
                let answer = process.connect(&connection).await;
                drop(connection);
                (answer, peer)
            }
        })
        .await;
        let refused: Vec<_> = answers.iter().filter_map(|(answer, _)| answer.as_ref().err()).collect();
        assert_eq!(refused.len(), 5, "round {round}");
        assert!(refused.iter().all(|error| error.kind() == ErrorKind::Conflict), "{refused:?}");
        let id = &answers[0].1.id;
        assert!(processes[round % 3].send(id, "x").await.unwrap(), "it can be told from everywhere");
        processes[(round + 1) % 3].disconnect(id).await.unwrap();
    }
}
