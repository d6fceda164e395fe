//! Keys that cannot be made equal.

use std::time::Duration;

use serde_json::json;
use waiterix_migration::Leader;
use waiterix_migration::rows::{Ended, Stop};
use waiterix_ports::moving::RowSide as _;

use crate::rows::stage::{Stage, dish, house, key};

#[tokio::test(start_paused = true)]
async fn what_resists_is_put_aside_holds_up_nobody_and_keeps_the_lead_where_it_is() {
    let stage = Stage::copied(2).await;
    // A row that nobody knows of has the name on the other side.
    stage.new.spoil("houses", "ghost", Some(json!({ "id": "ghost", "name": "taken" }))).await.unwrap();
    stage.old.write(&[house("h7", "taken")]).await.unwrap();
    let direction = stage.process.direction().await;
    // A few tries in a row prove nothing: what it waits for may be in the hands of another.
    for _ in 0..20 {
        let batch = stage.process.relay.round(direction).await.unwrap();
        assert_eq!((batch.quarantined, batch.made.len()), (0, 0));
    }
    stage.old.write(&[dish("d0000", "h000", 10)]).await.unwrap();
    assert_eq!(stage.process.relay.round(direction).await.unwrap().made, [key("dishes", "d0000")]);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(stage.process.relay.round(direction).await.unwrap().quarantined, 1);
    assert_eq!(stage.old.journal(), []);
    let put = &stage.old.in_quarantine()[0];
    assert_eq!(put.key, key("houses", "h7"));
    assert!(put.reason.contains("conflict") && !put.reason.contains("taken"), "{}", put.reason);

    let report = stage.process.verify().await;
    let ended = stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
    let Ended::Refused(gates) = ended else { panic!("{ended:?}") };
    assert!(gates.faults().contains("quarantine: houses h7"), "{}", gates.faults());
    assert!(gates.faults().contains("comparison: 2 differences"), "{}", gates.faults());

    // Repaired: the ghost goes, because the leader has no such row, and then there is room.
    stage.process.verifier().repair(&report).await.unwrap();
    assert_eq!(stage.old.release().await.unwrap(), 1);
    stage.process.drain().await;
    stage.assert_equal().await;
    stage.process.move_to(Leader::New).await;
}
