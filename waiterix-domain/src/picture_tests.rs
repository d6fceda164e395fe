//! What the picture rule promises.

use super::*;
use crate::sample::{decide, row};
use crate::{Change, Row};

fn upload(key: &str, attached: bool) -> Upload {
    Upload { user_id: "u1".into(), attached_at: attached.then_some(Timestamp::EPOCH), ..row(key) }
}

fn facts(uploads: Vec<Upload>, stored: &[&str], arrived: &[&str]) -> PictureFacts {
    PictureFacts {
        uploads,
        stored: stored.iter().map(ToString::to_string).collect(),
        arrived: arrived.iter().map(ToString::to_string).collect(),
    }
}

/// What is stored, the upload rows as they become, and the keys deleted afterwards.
type Replaced = (Option<String>, Vec<Upload>, Vec<String>);

/// Replaces one picture.
fn replaced(
    facts: &PictureFacts,
    current: Option<&str>,
    wanted: Option<&str>,
) -> Result<Replaced, Rejection> {
    let locations = Locations::default();
    let mut gallery = Gallery::new(facts, &locations);
    let stored = gallery.replace(current, wanted)?;
    let (changes, effects) =
        decide(Timestamp::EPOCH.plus_seconds(9), |env| gallery.finish(env.changes(), env.now));
    let rows = changes.changes().iter().filter_map(|change| match change {
        Change::Update { after: Row::Upload(after), .. } => Some((**after).clone()),
        _ => None,
    });
    let deleted = effects.into_iter().map(|effect| match effect {
        Effect::DeleteBlob { key } => key,
        other => panic!("{other:?}"),
    });
    Ok((stored, rows.collect(), deleted.collect()))
}

#[test]
fn nothing_https_and_stock_names_are_kept_as_they_are() {
    let none = facts(Vec::new(), &[], &[]);
    for value in [
        "",
        "https://images.example.org/a.jpg?size=1",
        "HTTPS://images.example.org/a",
        "https://other.s3.eu-west-1.amazonaws.com/public/uploads/a",
        "grilled-salmon.jpg",
        "Thai_Curry Bowl (2).PNG",
    ] {
        assert_eq!(replaced(&none, None, Some(value)).unwrap().0.as_deref(), Some(value));
    }
    assert_eq!(replaced(&none, Some("a.jpg"), None).unwrap().0, None);
}

#[test]
fn d26_anything_else_is_refused() {
    let none = facts(Vec::new(), &[], &[]);
    for value in [
        "http://images.example.org/a.jpg",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "file:///etc/passwd",
        "/etc/passwd",
        "/assets/stock_images/a.jpg",
        "../a.jpg",
        "a/b.jpg",
        "a\\b.jpg",
        "picture",
        "page.html",
        "drawing.svg",
        ".jpg",
        " ",
        "a\0.jpg",
        "a\n.jpg",
    ] {
        assert_eq!(replaced(&none, None, Some(value)).unwrap_err().message, "Invalid image", "{value:?}");
    }
    let long = format!("https://example.org/{}", "x".repeat(9_000));
    assert!(replaced(&none, None, Some(&long)).is_err());
}

#[test]
fn the_value_already_stored_is_always_kept() {
    let none = facts(Vec::new(), &["http://old.example.org/a.jpg"], &[]);
    for value in
        ["http://old.example.org/a.jpg", "/assets/old.png", "whatever", "/api/objects/public/uploads/zzz"]
    {
        assert_eq!(replaced(&none, Some(value), Some(value)).unwrap().0.as_deref(), Some(value));
    }
    let copied = replaced(&none, None, Some("http://old.example.org/a.jpg"));
    assert!(copied.is_ok(), "an old value may be copied within its restaurant");
}

#[test]
fn d37_b8_only_own_uploads_can_be_attached_and_their_grant_is_marked() {
    let mine = facts(vec![upload("public/uploads/a", false)], &[], &["public/uploads/a", "public/uploads/b"]);
    for form in ["/api/objects/public/uploads/a", "/objects/public/uploads/a"] {
        let (stored, rows, deleted) = replaced(&mine, None, Some(form)).unwrap();
        assert_eq!(stored.as_deref(), Some("/api/objects/public/uploads/a"));
        assert_eq!(rows[0].attached_at, Some(Timestamp::EPOCH.plus_seconds(9)));
        assert_eq!(deleted, Vec::<String>::new());
    }
    assert!(replaced(&mine, None, Some("/api/objects/public/uploads/b")).is_err(), "somebody else's object");
}

#[test]
fn b17_an_object_that_never_arrived_cannot_be_attached() {
    let absent = facts(vec![upload("public/uploads/a", false)], &[], &[]);
    assert!(replaced(&absent, None, Some("/api/objects/public/uploads/a")).is_err());
}

#[test]
fn d38_b13_a_replaced_object_is_detached_and_deleted_afterwards() {
    let path = "/api/objects/public/uploads/a";
    let mine = facts(vec![upload("public/uploads/a", true)], &[path], &[]);
    for wanted in [None, Some(""), Some("stock.jpg"), Some("https://example.org/b.jpg")] {
        let (_, rows, deleted) = replaced(&mine, Some(path), wanted).unwrap();
        assert_eq!((rows[0].attached_at, deleted), (None, vec!["public/uploads/a".to_owned()]), "{wanted:?}");
    }
}

#[test]
fn an_object_that_another_row_shows_is_kept() {
    let path = "/api/objects/public/uploads/a";
    let mine = facts(vec![upload("public/uploads/a", true)], &[path, path], &[]);
    let (_, rows, deleted) = replaced(&mine, Some(path), None).unwrap();
    assert_eq!((rows, deleted), (Vec::new(), Vec::new()));
    let (stored, rows, deleted) = replaced(&mine, None, Some(path)).unwrap();
    assert_eq!((stored.as_deref(), rows, deleted), (Some(path), Vec::new(), Vec::new()));
}

#[test]
fn naming_the_same_object_in_another_form_keeps_it() {
    let path = "/api/objects/public/uploads/a";
    let mine = facts(vec![upload("public/uploads/a", true)], &[path], &[]);
    let (stored, rows, deleted) = replaced(&mine, Some(path), Some("/objects/public/uploads/a")).unwrap();
    assert_eq!((stored.as_deref(), rows, deleted), (Some(path), Vec::new(), Vec::new()));
}

#[test]
fn an_object_without_a_grant_of_the_caller_is_never_deleted() {
    let path = "/api/objects/public/uploads/old";
    let (stored, rows, deleted) = replaced(&facts(Vec::new(), &[path], &[]), Some(path), None).unwrap();
    assert_eq!((stored, rows, deleted), (None, Vec::new(), Vec::new()));
}

#[test]
fn two_decisions_about_one_object_cannot_pass_each_other() {
    let path = "/api/objects/public/uploads/a";
    let mine = facts(vec![upload("public/uploads/a", true)], &[path], &[]);
    let locations = Locations::default();
    let mut gallery = Gallery::new(&mine, &locations);
    gallery.replace(None, Some(path)).unwrap();
    let (changes, _) = decide(Timestamp::EPOCH, |env| gallery.finish(env.changes(), env.now));
    assert!(matches!(changes.changes(), [Change::Require(crate::Requirement::Unchanged(Row::Upload(_)))]));
}

#[test]
fn d94_grants_are_for_picture_types_below_the_public_prefix() {
    let granted =
        |content_type: Option<&str>| decide(Timestamp::EPOCH, |env| grant(&"u1".into(), content_type, env));
    for content_type in PICTURE_TYPES {
        assert!(granted(Some(content_type)).is_ok());
    }
    let upload = granted(None).unwrap().reply;
    let name = upload.id.as_str().strip_prefix("public/uploads/").unwrap();
    assert!(crate::id::is_uuid(name));
    assert_eq!((upload.user_id.as_str(), upload.attached_at), ("u1", None));
    for bad in ["image/svg+xml", "text/html", "", "image/*", "IMAGE/PNG"] {
        assert_eq!(granted(Some(bad)).unwrap_err().errors[0].path, ["contentType"], "{bad}");
    }
}

#[test]
fn only_newly_named_grants_are_looked_at() {
    let mine = facts(vec![upload("public/uploads/a", false), upload("public/uploads/b", true)], &[], &[]);
    let values =
        ["/api/objects/public/uploads/a", "/api/objects/public/uploads/b", "/objects/other", "x.jpg"];
    let keys = keys_to_look_at(&mine, &Locations::default(), values);
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["public/uploads/a"]);
}
