//! Walks, digests and upkeep.

use std::time::Duration;

use waiterix_domain::digest::Digest;
use waiterix_domain::schema::Faq;
use waiterix_domain::{Counter, Row, Table, Timestamp};
use waiterix_ports::{ErrorKind, KeyRange, Store};

use super::probe::{assert_same_rows, dump, fill, set, the, walk};
use super::sample::{faq, house, restaurant, upload, user};
use crate::Fixture;

/// Keys that locales, UTF-16 and case-blind collations order otherwise, in bytewise order.
const KEYS: [&str; 28] = [
    "", " ", "!", "-", "10", "9", "A", "B", "Z", "_", "a", "a b", "a!", "a-b", "aB", "a_b", "ab", "b", "z",
    "{", "~", "Ä", "ß", "é", "е", "あ", "\u{FF5E}", "😀",
];

fn range(after: Option<&str>, up_to: Option<&str>) -> KeyRange {
    KeyRange { after: after.map(str::to_owned), up_to: up_to.map(str::to_owned) }
}

fn keys(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(Row::key).collect()
}

/// **S30** Pages of every size give every row once, in bytewise order.
pub async fn s30_pages_give_every_row_once_in_bytewise_order(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, KEYS.iter().rev().map(|key| upload(key, "u", 0))).await;
    fill(store, [user("another table")]).await;
    for limit in [1, 2, 3, 7, 14, 27, 28, 29, 10_000] {
        let found = walk(store, Table::Uploads, limit).await;
        assert_eq!(keys(&found), KEYS, "pages of {limit}");
    }
}

/// **S30** A page is full unless it is the last.
pub async fn s30_only_the_last_page_is_short(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, KEYS.iter().map(|key| upload(key, "u", 0))).await;
    for limit in [1_usize, 5, 14, 28] {
        let mut from = None;
        for start in (0..=KEYS.len()).step_by(limit) {
            let expected = &KEYS[start..KEYS.len().min(start + limit)];
            let size = u32::try_from(limit).unwrap();
            let page = store.scan(Table::Uploads, &range(from, None), size).await.unwrap();
            assert_eq!(keys(&page), expected, "page of {limit} at {start}");
            from = expected.last().copied();
        }
    }
}

/// **S30** Both ends of a range: after is exclusive, up to is inclusive, and neither needs to be a key.
pub async fn s30_a_range_is_open_at_its_start_and_closed_at_its_end(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, KEYS.iter().map(|key| upload(key, "u", 0))).await;
    let bounds =
        KEYS.iter().copied().chain(["0", "a ", "aa", "y", "\u{10FFFF}", "Z!"]).map(Some).chain([None]);
    let bounds: Vec<Option<&str>> = bounds.collect();
    for after in &bounds {
        for up_to in &bounds {
            let expected: Vec<&str> = KEYS
                .iter()
                .copied()
                .filter(|key| after.is_none_or(|after| *key > after))
                .filter(|key| up_to.is_none_or(|up_to| *key <= up_to))
                .collect();
            let found = store.scan(Table::Uploads, &range(*after, *up_to), 100).await.unwrap();
            assert_eq!(keys(&found), expected, "after {after:?} up to {up_to:?}");
        }
    }
}

/// **S30** Every table can be walked.
pub async fn s30_every_table_is_walked(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    for table in Table::ALL {
        assert_eq!(walk(store, *table, 1).await, [], "{} of an empty store", table.name());
    }
    fill(store, house("a").into_iter().chain(house("b"))).await;
    for table in Table::ALL {
        let found = walk(store, *table, 1).await;
        assert_eq!(found.len(), 2, "{}", table.name());
        assert!(found.iter().all(|row| row.table() == *table));
    }
}

/// **S31** Between the pages rows go, come and change, before and after the place of the walk.
pub async fn s31_a_row_that_stays_is_in_the_walk(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    let key = |number: u32| format!("k{number:03}");
    fill(store, (0..100).map(|number| upload(&key(number), "u", 0))).await;
    let mut seen: Vec<String> = Vec::new();
    let mut from = None;
    for step in 0..1_000 {
        assert!(step < 999, "the walk does not end");
        let page = store.scan(Table::Uploads, &range(from.as_deref(), None), 7).await.unwrap();
        seen.extend(page.iter().map(|row| row.key().to_owned()));
        if page.len() < 7 {
            break;
        }
        from = seen.last().cloned();
        // One odd row goes at either end, one comes at the start, one changes.
        let odd = [2 * step + 1, 99 - 2 * step].map(|number: u32| key(number.min(99) | 1));
        let other = waiterix_domain::schema::Upload {
            attached_at: Some(super::sample::at(1)),
            ..upload("m", "u", 0)
        };
        let changes = set(&format!("step {step}"))
            .delete(Table::Uploads, &odd[0])
            .delete(Table::Uploads, &odd[1])
            .insert(upload(&format!("a{step:03}"), "u", 0))
            .delete(Table::Uploads, "m")
            .insert(other);
        store.commit(&changes).await.unwrap();
    }
    for number in (0..100).step_by(2) {
        let times = seen.iter().filter(|seen| **seen == key(number)).count();
        assert_eq!(times, 1, "{} was there all the time, and was seen {times} times", key(number));
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "out of order: {seen:?}");
}

/// **S31** The same with a writer that does not wait for the pages.
pub async fn s31_a_walk_under_writes_holds_all_that_stays(fixture: Fixture<dyn Store>) {
    let store = fixture.port.clone();
    let key = |number: u32| format!("k{number:03}");
    fill(&*store, (0..200).map(|number| upload(&key(number), "u", 0))).await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in (1..200).step_by(2) {
                let changes = set(&format!("write {number}"))
                    .delete(Table::Uploads, format!("k{number:03}"))
                    .insert(upload(&format!("j{number:03}"), "u", 0));
                store.commit(&changes).await.unwrap();
            }
        }
    });
    loop {
        let is_last = writer.is_finished();
        let seen = walk(&*store, Table::Uploads, 3).await;
        let stayed = seen.iter().filter(|row| row.key().starts_with('k'));
        let even: Vec<_> = stayed.filter(|row| row.key().as_bytes()[3] % 2 == 0).map(Row::key).collect();
        assert_eq!(even, (0..200).step_by(2).map(key).collect::<Vec<_>>());
        if is_last {
            break;
        }
    }
    writer.await.unwrap();
}

/// **S32** 0 and 10 001 are refused; 10 000 rows come in one page, the 10 001st in the next.
pub async fn s32_a_page_has_at_most_ten_thousand_rows(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, (0..10_001).map(|number| upload(&format!("{number:05}"), "u", 0))).await;
    for limit in [0, 10_001, u32::MAX] {
        match store.scan(Table::Uploads, &KeyRange::default(), limit).await {
            Ok(page) => panic!("a limit of {limit} gave {} rows", page.len()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid, "{error}"),
        }
    }
    let page = store.scan(Table::Uploads, &KeyRange::default(), 10_000).await.unwrap();
    assert_eq!(page.len(), 10_000);
    let next = range(page.last().map(Row::key), None);
    let page = store.scan(Table::Uploads, &next, 10_000).await.unwrap();
    assert_eq!(keys(&page), ["10000"]);
}

/// **S40** Of every table, with all columns filled, and of nothing.
pub async fn s40_the_digest_is_that_of_the_rows(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    for table in Table::ALL {
        let digest = store.digest(*table, &KeyRange::default()).await.unwrap();
        assert_eq!(digest, Digest::default(), "{} of an empty store", table.name());
    }
    fill(store, house("a").into_iter().chain(house("b"))).await;
    for table in Table::ALL {
        let digest = store.digest(*table, &KeyRange::default()).await.unwrap();
        assert_eq!(digest, Digest::of(&walk(store, *table, 10).await), "{}", table.name());
        assert_eq!(digest.rows, 2, "{}", table.name());
    }
}

/// **S40** Of ranges, whose digests add up.
pub async fn s40_the_digest_of_a_range_is_that_of_its_rows(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, KEYS.iter().map(|key| upload(key, "u", 0))).await;
    let rows = walk(store, Table::Uploads, 100).await;
    let bounds: Vec<Option<&str>> =
        KEYS.iter().copied().step_by(3).map(Some).chain([None, Some("aa")]).collect();
    for after in &bounds {
        for up_to in &bounds {
            let range = range(*after, *up_to);
            let expected = Digest::of(
                rows.iter()
                    .filter(|row| after.is_none_or(|after| row.key() > after))
                    .filter(|row| up_to.is_none_or(|up_to| row.key() <= up_to)),
            );
            let found = store.digest(Table::Uploads, &range).await.unwrap();
            assert_eq!(found, expected, "after {after:?} up to {up_to:?}");
        }
    }
}

/// **S40** Every value that could be written in two ways is written in one.
pub async fn s40_the_digest_of_odd_values_is_that_of_the_rows(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    for table in Table::ALL {
        let mut stored = super::sample::room("h", *table);
        for round in 0..super::roundtrip::rounds(*table) {
            let next = super::roundtrip::extreme(&stored, round);
            let name = format!("{} {round}", table.name());
            let changes = set(&name).push(super::probe::update(stored, next.clone()));
            store.commit(&changes).await.unwrap();
            let digest = store.digest(*table, &KeyRange::default()).await.unwrap();
            assert_eq!(digest, Digest::of([&next]), "{name}: {next:?}");
            stored = next;
        }
    }
}

async fn counted_house(store: &dyn Store) {
    fill(store, [Row::from(user("u")), restaurant("r", "u").into(), faq("f", "r", 0).into()]).await;
}

async fn count(store: &dyn Store, name: &str) -> i32 {
    store.commit(&set(name).add(Counter::FaqUsage, "f", 1)).await.unwrap();
    the::<Faq>(store, "f").await.usage_count
}

/// Lets a moment pass; answers an instant within it.
async fn moment(fixture: &Fixture<dyn Store>) -> Timestamp {
    let start = fixture.now();
    let end = start.plus_millis(50);
    fixture.after(Duration::from_millis(50), "time passes", || async { fixture.now() >= end }).await;
    start.plus_millis(25)
}

/// **S50** An id that was forgotten is not recognised any more; a younger one is.
pub async fn s50_old_ids_are_forgotten_and_younger_ones_kept(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    counted_house(store).await;
    assert_eq!(count(store, "old").await, 1);
    let between = moment(&fixture).await;
    assert_eq!(count(store, "young").await, 2);
    let rows = dump(store).await;
    assert_eq!(store.forget_commits(between, 100).await.unwrap(), 1);
    assert_same_rows(&dump(store).await, &rows, "forgetting changes no row");
    assert_eq!(store.forget_commits(between, 100).await.unwrap(), 0, "nothing left to forget");
    assert_eq!(count(store, "young").await, 2, "a kept id is recognised");
    assert_eq!(count(store, "old").await, 3, "a forgotten id is not");
}

/// **S50** At most so many at a time.
pub async fn s50_no_more_than_the_limit_are_forgotten(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    counted_house(store).await;
    for number in 1..=5 {
        assert_eq!(count(store, &format!("old {number}")).await, number);
    }
    let between = moment(&fixture).await;
    let mut forgotten = Vec::new();
    for limit in [0, 2, 2, 2, 2] {
        forgotten.push(store.forget_commits(between, limit).await.unwrap());
    }
    assert_eq!(forgotten, [0, 2, 2, 1, 0]);
}

/// **S50** A set of nothing but inserts needs no id; whether it left one or not, it may be sent again for ever.
pub async fn s50_inserts_are_recognised_without_their_id(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    let changes = set("inserts").insert(user("u")).insert(restaurant("r", "u"));
    store.commit(&changes).await.unwrap();
    let between = moment(&fixture).await;
    store.forget_commits(between, 100).await.unwrap();
    let rows = dump(store).await;
    store.commit(&changes).await.unwrap();
    assert_same_rows(&dump(store).await, &rows, "after the same inserts");
}

/// **S60** Empty and full.
pub async fn s60_a_working_store_says_so(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    store.check().await.unwrap();
    fill(store, house("h")).await;
    let before = dump(store).await;
    store.check().await.unwrap();
    store.check().await.unwrap();
    assert_same_rows(&dump(store).await, &before, "after checking");
}
