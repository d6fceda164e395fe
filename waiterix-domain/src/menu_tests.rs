//! What changing the menu promises.

use super::*;
use crate::Effect;
use crate::blob_ref::Locations;
use crate::picture::PictureFacts;
use crate::sample::{at, decide, row};
use crate::schema::Upload;
use crate::{Change, Row};

fn soup() -> NewItem {
    NewItem {
        name: " Soup ".to_owned(),
        price: "12.345".to_owned(),
        category: "Starters".to_owned(),
        ..NewItem::default()
    }
}

fn added(new: &NewItem) -> Result<Decision<MenuItem>, Rejection> {
    let (facts, locations) = (PictureFacts::default(), Locations::default());
    let gallery = Gallery::new(&facts, &locations);
    decide(Timestamp::EPOCH, |env| add(&row("r"), gallery, new, env))
}

fn faulty_fields(new: &NewItem) -> Vec<String> {
    let rejection = added(new).unwrap_err();
    assert_eq!(rejection.message, "Invalid menu item data");
    rejection.errors.into_iter().map(|error| error.path.join(".")).collect()
}

#[test]
fn a_new_dish_has_its_defaults_and_trimmed_names() {
    let item = added(&soup()).unwrap().reply;
    assert_eq!((item.name.as_str(), item.price.to_string().as_str()), ("Soup", "12.35"));
    assert!(item.available && !item.is_vegan && item.allergens.is_none() && item.spice_level.is_none());
}

#[test]
fn d33_prices_are_decimal_numbers_that_are_not_negative_and_fit() {
    for good in ["0", "14", "14.5", "99999999.99", " 7 ", ".5", "-0"] {
        assert!(added(&NewItem { price: good.to_owned(), ..soup() }).is_ok(), "{good}");
    }
    for bad in ["", "-0.001", "-1", "100000000", "1e3", "NaN", "5abc", "1,50", "$5"] {
        assert_eq!(faulty_fields(&NewItem { price: bad.to_owned(), ..soup() }), ["price"], "{bad}");
    }
}

#[test]
fn d33_every_field_has_its_limits_and_all_faults_are_listed() {
    let text = |text: &str| text.to_owned();
    let bad = NewItem {
        name: text("  "),
        description: text("\0"),
        price: text("x"),
        category: "x".repeat(201),
        spice_level: Some(text("6")),
        allergens: Some(vec![text("nuts\0"); 51]),
        ..NewItem::default()
    };
    let fields = faulty_fields(&bad);
    assert_eq!(fields[..6], ["name", "description", "price", "category", "spiceLevel", "allergens"]);
    assert_eq!(fields[6], "allergens.0");
    assert!(added(&NewItem { allergens: Some(vec![text("nuts"); 50]), ..soup() }).is_ok());
    for level in ["0", "5"] {
        assert!(added(&NewItem { spice_level: Some(text(level)), ..soup() }).is_ok());
    }
    for level in ["", "-1", "00", "hot", "3.0"] {
        assert_eq!(faulty_fields(&NewItem { spice_level: Some(text(level)), ..soup() }), ["spiceLevel"]);
    }
}

fn dish() -> MenuItem {
    MenuItem {
        restaurant_id: "r".into(),
        name: "Soup".to_owned(),
        category: "Starters".to_owned(),
        ..row("i1")
    }
}

fn changed(item: &MenuItem, patch: &ItemPatch) -> Result<Decision<MenuItem>, Rejection> {
    let (facts, locations) = (PictureFacts::default(), Locations::default());
    let gallery = Gallery::new(&facts, &locations);
    decide(Timestamp::EPOCH, |env| change(item, gallery, patch, env))
}

#[test]
fn d34_only_named_fields_change() {
    let patch = ItemPatch { available: Some(true), ..ItemPatch::default() };
    assert_eq!(changed(&dish(), &patch).unwrap().reply, MenuItem { available: true, ..dish() });
    assert_eq!(changed(&dish(), &ItemPatch::default()).unwrap().reply, dish());
}

#[test]
fn d36_changes_follow_the_same_rules_as_new_dishes() {
    let bad = ItemPatch {
        name: Some(String::new()),
        price: Some("-1".to_owned()),
        category: Some(" ".to_owned()),
        spice_level: Some(Some("9".to_owned())),
        ..ItemPatch::default()
    };
    let refused = changed(&dish(), &bad).unwrap_err();
    let fields: Vec<_> = refused.errors.iter().map(|error| error.path.join(".")).collect();
    assert_eq!(fields, ["name", "price", "category", "spiceLevel"]);
    let good = ItemPatch {
        price: Some("14".to_owned()),
        spice_level: Some(None),
        allergens: Some(Vec::new()),
        ..ItemPatch::default()
    };
    let after = changed(&dish(), &good).unwrap().reply;
    assert_eq!((after.price.to_string().as_str(), after.allergens), ("14.00", Some(Vec::new())));
}

#[test]
fn an_old_spice_level_may_be_sent_back_unchanged() {
    let old = MenuItem { spice_level: Some("mild".to_owned()), ..dish() };
    let patch = |level: &str| ItemPatch { spice_level: Some(Some(level.to_owned())), ..ItemPatch::default() };
    assert!(changed(&old, &patch("mild")).is_ok());
    assert!(changed(&old, &patch("medium")).is_err());
}

#[test]
fn d38_a_removed_dish_takes_its_picture_along() {
    let path = "/api/objects/public/uploads/a";
    let facts = PictureFacts {
        uploads: vec![Upload { attached_at: Some(Timestamp::EPOCH), ..row("public/uploads/a") }],
        stored: vec![path.to_owned()],
        ..PictureFacts::default()
    };
    let locations = Locations::default();
    let item = MenuItem { image_url: Some(path.to_owned()), ..dish() };
    let decision = decide(Timestamp::EPOCH, |env| remove(&item, Gallery::new(&facts, &locations), env));
    assert_eq!(decision.effects, [Effect::DeleteBlob { key: "public/uploads/a".to_owned() }]);
    assert!(matches!(decision.changes.changes(), [Change::Delete(_), Change::Update { .. }]));
}

fn described(
    details: Option<ExtendedDetails>,
    patch: &DetailsPatch,
) -> Result<Decision<ExtendedDetails>, Rejection> {
    let access = MenuItemAccess { item: dish(), restaurant: row("r"), details };
    decide(at("2025-01-31T09:05:07.123Z"), |env| describe(&access, patch, env))
}

#[test]
fn d42_details_are_made_or_changed_by_name() {
    let patch = DetailsPatch { chef_notes: Some(Some("slow".to_owned())), ..DetailsPatch::default() };
    let first = described(None, &patch).unwrap();
    assert!(matches!(first.changes.changes(), [Change::Insert(Row::ExtendedDetails(_))]));
    assert_eq!((first.reply.menu_item_id.as_str(), first.reply.chef_notes.as_deref()), ("i1", Some("slow")));
    let old =
        ExtendedDetails { cooking_time: Some("1 h".to_owned()), created_at: Timestamp::EPOCH, ..first.reply };
    let second = described(Some(old.clone()), &patch).unwrap().reply;
    assert_eq!(second.cooking_time.as_deref(), Some("1 h"));
    let null = DetailsPatch { cooking_time: Some(None), ..DetailsPatch::default() };
    assert_eq!(described(Some(old.clone()), &null).unwrap().reply.cooking_time, None);
    let untouched = ExtendedDetails { updated_at: Timestamp::EPOCH, ..old };
    assert_eq!(described(Some(untouched.clone()), &DetailsPatch::default()).unwrap().reply, untouched);
}

#[test]
fn d42_details_have_at_most_five_thousand_characters_each() {
    let with = |text: String| DetailsPatch { chef_notes: Some(Some(text)), ..DetailsPatch::default() };
    assert!(described(None, &with("ä".repeat(5_000))).is_ok());
    assert_eq!(described(None, &with("a".repeat(5_001))).unwrap_err().errors[0].path, ["chefNotes"]);
}
