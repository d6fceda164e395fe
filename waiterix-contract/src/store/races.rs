//! Commits at the same time.

use std::sync::Arc;

use waiterix_domain::schema::{Faq, Restaurant, User};
use waiterix_domain::{ChangeSet, Counter, Requirement, Row, RowKey, Table, UniqueRule};
use waiterix_ports::{ErrorKind, Result, Store, Violation};

use super::probe::{assert_one_winner, assert_stale, assert_unique, dump, fill, row, set, the, update};
use super::sample::{faq, restaurant, table, user, with};
use super::unique::{Clash, clash_of, ground};
use crate::Fixture;
use crate::race::at_once;

/// How many commits meet.
const CROWD: usize = 24;

fn named(id: &str, name: &str) -> User {
    User { first_name: Some(name.to_owned()), ..user(id) }
}

/// Commits a set per task, all at once.
async fn meet(store: &Arc<dyn Store>, sets: &(dyn Fn(usize) -> ChangeSet + Sync)) -> Vec<Result<()>> {
    at_once(CROWD, |number| {
        let (store, changes) = (store.clone(), sets(number));
        async move { store.commit(&changes).await }
    })
    .await
}

/// **S12** Different rows of one key: one gets it.
pub async fn s12_one_of_many_inserts_gets_the_key(fixture: Fixture<dyn Store>) {
    for round in 0..5 {
        let key = format!("u{round}");
        let answers = meet(&fixture.port, &|number| {
            set(&format!("{key} {number}")).insert(named(&key, &number.to_string()))
        })
        .await;
        for error in assert_one_winner(answers, "inserts of one key") {
            assert_unique(&error, UniqueRule::PrimaryKey(Table::Users), "inserts of one key");
        }
    }
}

/// **S12** The very same row: all are done.
pub async fn s12_many_inserts_of_the_same_row_all_succeed(fixture: Fixture<dyn Store>) {
    let answers = meet(&fixture.port, &|number| set(&number.to_string()).insert(user("u"))).await;
    for answer in answers {
        answer.unwrap();
    }
    assert_eq!(dump(&*fixture.port).await, [Row::from(user("u"))]);
}

/// **S15** With and without other changes of the row around.
pub async fn s15_many_adds_at_once_are_all_counted(fixture: Fixture<dyn Store>) {
    let store = &fixture.port;
    fill(&**store, [Row::from(user("u")), restaurant("r", "u").into(), faq("f", "r", 0).into()]).await;
    for round in 0..5 {
        let answers = meet(store, &|number| {
            set(&format!("{round} {number}"))
                .add(Counter::FaqUsage, "f", 1)
                .add(Counter::RestaurantAiUsage, "r", 2)
                .insert(faq(&format!("{round} {number}"), "r", 0))
        })
        .await;
        for answer in answers {
            answer.unwrap_or_else(|error| panic!("an add was refused: {error}"));
        }
    }
    let total = i32::try_from(5 * CROWD).unwrap();
    assert_eq!(the::<Faq>(&**store, "f").await.usage_count, total);
    assert_eq!(the::<Restaurant>(&**store, "r").await.ai_usage_count, 2 * total);
}

/// **S17** Each rule: of many rows that clash with one another, one is inserted.
pub async fn s17_one_of_many_clashing_inserts_succeeds(fixture: Fixture<dyn Store>) {
    let store = &fixture.port;
    ground(&**store).await;
    for rule in UniqueRule::ALL {
        let Clash { first, clashing, .. } = clash_of(*rule);
        let clear = set(&format!("clear {rule:?}")).delete(first.table(), first.key());
        if *rule == UniqueRule::RestaurantOfUser {
            store.commit(&clear).await.unwrap();
        }
        let answers = meet(store, &|number| {
            let key = waiterix_domain::value::Value::Text(format!("{rule:?} {number}"));
            set(&format!("{rule:?} {number}")).insert(with(&clashing, 0, key))
        })
        .await;
        for error in assert_one_winner(answers, &format!("{rule:?}")) {
            assert_unique(&error, *rule, &format!("{rule:?}"));
        }
        if *rule == UniqueRule::RestaurantOfUser {
            let back = (0..CROWD).fold(set("back"), |changes, number| {
                changes.delete(Table::Restaurants, format!("{rule:?} {number}"))
            });
            store.commit(&back).await.unwrap();
            // The ground went with the restaurant.
            ground_again(&**store).await;
        }
    }
}

async fn ground_again(store: &dyn Store) {
    use super::sample::{dish, order, question};
    let changes = set("ground again")
        .insert(restaurant("r1", "u1"))
        .insert_all([dish("d1", "r1"), dish("d2", "r1")])
        .insert_all([order("o1", "r1", 0), order("o2", "r1", 0)])
        .insert_all([question("q1", "r1", 0), question("q2", "r1", 0)]);
    store.commit(&changes).await.unwrap();
}

/// **S18** While a parent is deleted, children are inserted: no orphan remains.
pub async fn s18_no_child_survives_its_parent(fixture: Fixture<dyn Store>) {
    let store = &fixture.port;
    fill(&**store, [user("u")]).await;
    for round in 0..20 {
        let id = format!("r{round}");
        fill(&**store, [restaurant(&id, "u")]).await;
        let answers = meet(store, &|number| {
            let name = format!("{round} {number}");
            if number % 8 == 7 {
                set(&name).delete(Table::Restaurants, &id)
            } else {
                set(&name).insert(table(&name, &id, &name))
            }
        })
        .await;
        for (number, answer) in answers.into_iter().enumerate() {
            if let Err(error) = answer {
                assert!(number % 8 != 7, "a delete was refused: {error}");
                assert_eq!(error.violation(), Some(&Violation::ForeignKey), "{error}");
            }
        }
        assert_eq!(dump(&**store).await, [Row::from(user("u"))], "an orphan remains in round {round}");
    }
}

/// **S20** One of many wins, the others know it, and the row is the winner's.
pub async fn s20_one_of_many_updates_succeeds(fixture: Fixture<dyn Store>) {
    let store = &fixture.port;
    for round in 0..10 {
        let id = format!("u{round}");
        fill(&**store, [user(&id)]).await;
        let answers = meet(store, &|number| {
            set(&format!("{round} {number}")).update(user(&id), named(&id, &format!("winner {number}")))
        })
        .await;
        let winner = answers.iter().position(Result::is_ok);
        for error in assert_one_winner(answers, "updates of one row") {
            assert_stale(&error, 0, "updates of one row");
        }
        let expected = winner.map(|number| Row::from(named(&id, &format!("winner {number}"))));
        assert_eq!(row(&**store, &RowKey::new(Table::Users, id)).await, expected);
    }
}

/// **S20** Two cancellations in one instant are one cancellation and one refusal.
pub async fn s20_one_of_many_equal_updates_succeeds(fixture: Fixture<dyn Store>) {
    let store = &fixture.port;
    for round in 0..10 {
        let id = format!("u{round}");
        fill(&**store, [user(&id)]).await;
        let answers = meet(store, &|number| {
            set(&format!("{round} {number}")).update(user(&id), named(&id, "the same"))
        })
        .await;
        for error in assert_one_winner(answers, "equal updates of one row") {
            assert_stale(&error, 0, "equal updates of one row");
        }
    }
}

/// **S20** Everyone reads, counts up and tries again until it counts: none is lost.
pub async fn s20_no_update_is_lost(fixture: Fixture<dyn Store>) {
    const TIMES: i32 = 5;
    let store = &fixture.port;
    fill(&**store, [named("u", "0")]).await;
    at_once(CROWD, |number| {
        let store = store.clone();
        async move {
            for time in 0..TIMES {
                for attempt in 0.. {
                    assert!(attempt < 10_000, "no progress");
                    let before: User = the(&*store, "u").await;
                    let count: i32 = before.first_name.as_deref().unwrap().parse().unwrap();
                    let after = named("u", &(count + 1).to_string());
                    let changes = set(&format!("{number} {time} {attempt}")).update(before, after);
                    match store.commit(&changes).await {
                        Ok(()) => break,
                        Err(error) => assert_stale(&error, 0, "a lost race"),
                    }
                }
            }
        }
    })
    .await;
    let expected = TIMES * i32::try_from(CROWD).unwrap();
    assert_eq!(the::<User>(&**store, "u").await.first_name, Some(expected.to_string()));
}

/// **S20** Of updates and deletes of one row as it was read: either an update is first, or none comes after.
pub async fn s20_an_update_never_brings_a_deleted_row_back(fixture: Fixture<dyn Store>) {
    let store = &fixture.port;
    for round in 0..10 {
        let id = format!("u{round}");
        fill(&**store, [user(&id)]).await;
        let answers = meet(store, &|number| {
            let name = format!("{round} {number}");
            if number == 0 {
                set(&name).delete(Table::Users, &id)
            } else {
                set(&name).push(update(user(&id), named(&id, &name)))
            }
        })
        .await;
        assert!(answers[0].is_ok(), "a delete was refused: {:?}", answers[0]);
        let updates = answers.iter().skip(1).filter(|answer| answer.is_ok()).count();
        assert!(updates <= 1, "{updates} updates of the same row as it was read");
        assert_eq!(row(&**store, &RowKey::new(Table::Users, id)).await, None);
    }
}

/// Lets two sets meet many times; asserts that one of them succeeds and the other's requirement fails.
async fn assert_one_of_two(
    store: &Arc<dyn Store>,
    prepare: impl Fn(usize) -> Vec<Row>,
    sets: impl Fn(usize) -> [ChangeSet; 2],
) {
    for round in 0..30 {
        fill(&**store, prepare(round)).await;
        let both = sets(round);
        let answers = at_once(2, |number| {
            let (store, changes) = (store.clone(), both[number].clone());
            async move { store.commit(&changes).await }
        })
        .await;
        for error in assert_one_winner(answers, &format!("round {round}")) {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            assert!(matches!(error.violation(), Some(Violation::Requirement { .. })), "{error}");
        }
    }
}

/// **S25** Each requires the row unchanged that the other updates.
pub async fn s25_two_that_require_what_the_other_updates(fixture: Fixture<dyn Store>) {
    let ids = |round: usize| [format!("a{round}"), format!("b{round}")];
    assert_one_of_two(
        &fixture.port,
        |round| ids(round).map(|id| user(&id).into()).to_vec(),
        |round| {
            let [a, b] = ids(round);
            let take = |mine: &str, other: &str| {
                set(&format!("take {mine}"))
                    .require(Requirement::Unchanged(user(other).into()))
                    .update(user(mine), named(mine, "taken"))
            };
            [take(&a, &b), take(&b, &a)]
        },
    )
    .await;
}

/// **S25** Each requires the absence of what the other inserts: there is no row yet that could be locked.
pub async fn s25_two_that_require_the_absence_of_the_other(fixture: Fixture<dyn Store>) {
    assert_one_of_two(
        &fixture.port,
        |_| Vec::new(),
        |round| {
            let come = |mine: String, other: String| {
                set(&mine).require(Requirement::Absent(RowKey::new(Table::Users, other))).insert(user(&mine))
            };
            let (a, b) = (format!("a{round}"), format!("b{round}"));
            [come(a.clone(), b.clone()), come(b, a)]
        },
    )
    .await;
}

/// **S25** Each requires the presence of what the other deletes.
pub async fn s25_two_that_require_the_presence_of_the_other(fixture: Fixture<dyn Store>) {
    let ids = |round: usize| [format!("a{round}"), format!("b{round}")];
    assert_one_of_two(
        &fixture.port,
        |round| ids(round).map(|id| user(&id).into()).to_vec(),
        |round| {
            let [a, b] = ids(round);
            let leave = |mine: &str, other: &str| {
                set(&format!("leave {mine}"))
                    .require(Requirement::Present(RowKey::new(Table::Users, other)))
                    .delete(Table::Users, mine)
            };
            [leave(&a, &b), leave(&b, &a)]
        },
    )
    .await;
}

/// **S25** One counts on a row that the other requires unchanged, and the other way round.
pub async fn s25_a_count_changes_what_another_requires(fixture: Fixture<dyn Store>) {
    fill(&*fixture.port, [Row::from(user("u")), restaurant("r", "u").into()]).await;
    let ids = |round: usize| [format!("a{round}"), format!("b{round}")];
    assert_one_of_two(
        &fixture.port,
        |round| ids(round).map(|id| faq(&id, "r", 0).into()).to_vec(),
        |round| {
            let [a, b] = ids(round);
            let count =
                |mine: &str, other: &str| {
                    set(&format!("count {mine}"))
                        .require(Requirement::Unchanged(faq(other, "r", 0).into()))
                        .add(Counter::FaqUsage, mine, 1)
                };
            [count(&a, &b), count(&b, &a)]
        },
    )
    .await;
}
