//! What importing promises.

use super::*;
use crate::blob_ref::Locations;
use crate::picture::PictureFacts;
use crate::sample::{at, decide, row};
use crate::schema::Upload;
use crate::{Change, Row, Timestamp};

fn good(name: &str) -> ImportEntry {
    let item = NewItem {
        name: name.to_owned(),
        price: "5".to_owned(),
        category: "Mains".to_owned(),
        ..NewItem::default()
    };
    ImportEntry { name: Some(name.to_owned()), item: Ok(item) }
}

fn with(change: impl FnOnce(&mut NewItem)) -> ImportEntry {
    let mut entry = good("Soup");
    if let Ok(item) = &mut entry.item {
        change(item);
    }
    entry
}

fn imported(facts: &PictureFacts, entries: &[ImportEntry]) -> Result<Decision<Imported>, Rejection> {
    let locations = Locations::default();
    decide(at("2025-01-31T09:05:07.123Z"), |env| {
        import(&row("r"), Gallery::new(facts, &locations), entries, env)
    })
}

#[test]
fn d40_what_is_fine_goes_into_one_change_set_and_the_rest_is_named() {
    let entries = [
        good("Soup"),
        with(|item| item.price = "abc".to_owned()),
        ImportEntry { name: None, item: Err("name: Required".to_owned()) },
        with(|item| item.category = " ".to_owned()),
        with(|item| item.image_url = Some("javascript:x".to_owned())),
        with(|item| item.spice_level = Some("9".to_owned())),
        good("Tea"),
    ];
    let decision = imported(&PictureFacts::default(), &entries).unwrap();
    assert_eq!(
        decision.reply.errors,
        [
            "Item 2 (Soup): Invalid price: abc",
            "Item 3 (unknown): name: Required",
            "Item 4 (Soup): category: must have 1 to 200 characters",
            "Item 5 (Soup): Invalid image",
            "Item 6 (Soup): spiceLevel: must be 0 to 5",
        ]
    );
    let names: Vec<_> = decision.reply.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["Soup", "Tea"]);
    assert!(
        decision.changes.changes().iter().all(|change| matches!(change, Change::Insert(Row::MenuItem(_))))
    );
    assert_eq!(decision.changes.changes().len(), 2);
}

#[test]
fn the_menu_keeps_the_order_of_the_list() {
    let entries: Vec<_> = (0..2_000).map(|place| good(&format!("Dish {place}"))).collect();
    let decision = imported(&PictureFacts::default(), &entries).unwrap();
    assert!(decision.reply.items.windows(2).all(|pair| pair[0].created_at < pair[1].created_at));
    assert_eq!(decision.reply.items.len(), 2_000);
    assert!(decision.changes.changes().len() <= crate::ChangeSet::MAX_CHANGES);
}

#[test]
fn d40_more_than_two_thousand_items_are_refused() {
    assert!(imported(&PictureFacts::default(), &vec![good("Soup"); 2_001]).is_err());
    assert_eq!(imported(&PictureFacts::default(), &[]).unwrap().reply.items, []);
}

#[test]
fn one_upload_can_be_shown_by_several_imported_dishes() {
    let facts = PictureFacts {
        uploads: vec![row::<Upload>("public/uploads/a")],
        stored: Vec::new(),
        arrived: ["public/uploads/a".to_owned()].into(),
    };
    let pictured = with(|item| item.image_url = Some("/api/objects/public/uploads/a".to_owned()));
    let decision = imported(&facts, &[pictured.clone(), pictured]).unwrap();
    let marks = decision.changes.changes().iter().filter(
        |change| matches!(change, Change::Update { after: Row::Upload(after), .. } if after.attached_at.is_some()),
    );
    assert_eq!((marks.count(), decision.reply.errors.len()), (1, 0));
    assert_ne!(decision.reply.items[0].created_at, Timestamp::EPOCH);
}
