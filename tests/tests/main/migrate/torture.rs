//! Everything dies at any moment while guests order and the lead goes there and back and there again.
//!
//! The service, the command that moves, and every server are killed and come back, one at a time, at moments that a seed chooses.
//! `WAITERIX_TORTURE_ROUNDS` says how often everything dies: once, in which the lead goes there and back three times, if it is not
//! set. With it every run has a seed of its own, which is printed; `WAITERIX_SEED` repeats its schedule.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::watch;
use waiterix_backends::{Backend, given};
use waiterix_contract::eventually;
use waiterix_ports::SystemClock;
use waiterix_postgres::moving::PostgresSide;
use waiterix_postgres::testing::database;
use waiterix_tests::psql::{Psql, Told};

use crate::migrate::ground::{Ended, Restaurant};
use crate::migrate::house::{Blow, Fault, House, Moment};
use crate::migrate::people::{self, Foreign, Ordered, Person, Signed};

/// The seed of the runs that are always the same.
const SEED: u64 = 20_261_126;
/// How often a command is said at most until it is done, when nothing dies any more.
const TRIES: u32 = 6;
/// Rows that are there before anybody comes.
const BEFORE: &str = "INSERT INTO users (id, email, first_name) \
    SELECT 'before-' || n, 'before-' || n || '@example.org', 'Ä' || n FROM generate_series(1, 5000) n";

/// What a run is made from.
struct Plan {
    seed: u64,
    rounds: usize,
}

#[allow(clippy::disallowed_methods, reason = "how long a test is, and which, is said by whoever starts it")]
fn plan() -> Plan {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect(name));
    let rounds = number("WAITERIX_TORTURE_ROUNDS");
    let fresh = || rounds.map_or(SEED, |_| RandomState::new().hash_one(std::process::id()));
    let seed = number("WAITERIX_SEED").unwrap_or_else(fresh);
    Plan { seed, rounds: usize::try_from(rounds.unwrap_or(1)).unwrap() }
}

/// Everything that can die, once in each round.
const FAULTS: [Fault; 8] = [
    Fault::Command,
    Fault::Command,
    Fault::Service,
    Fault::Old("KILL"),
    Fault::Old("QUIT"),
    Fault::New("KILL"),
    Fault::New("INT"),
    Fault::Redis,
];
/// How many of the first blows fall while all is copied.
const COPYING: usize = 2;
/// What a change of the lead says.
const STEPS: [&str; 9] =
    ["announce", "await readers", "fence", "drain", "verify", "decide", "open", "follow", "equal   orders"];

/// The blows of so many rounds.
fn schedule(seed: u64, rounds: usize) -> Vec<Blow> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut faults = Vec::new();
    for _ in 0..rounds {
        let mut round = FAULTS.to_vec();
        round.shuffle(&mut dice);
        faults.extend(round);
    }
    let ms = |dice: &mut StdRng, most| Duration::from_millis(dice.random_range(0..most));
    let blow = |(place, fault)| {
        let step = if place < COPYING { "copied  " } else { STEPS[dice.random_range(0..STEPS.len())] };
        let moment = if dice.random_bool(0.6) {
            Moment::Said(step, ms(&mut dice, 25))
        } else {
            Moment::After(ms(&mut dice, 3_000))
        };
        Blow { fault, moment, away: ms(&mut dice, 1_200) }
    };
    faults.into_iter().enumerate().map(blow).collect()
}

/// The house, and what is done in it one after the other.
struct Hands(Arc<Mutex<House>>);

impl Hands {
    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut House) -> T + Send + 'static) -> T {
        let house = self.0.clone();
        let working = move || work(&mut house.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(working).await.unwrap()
    }

    async fn migrate(&self, arguments: &'static [&'static str], blow: Option<Blow>) -> Ended {
        self.with(move |house| house.migrate(arguments, blow.as_ref())).await
    }

    /// Says a command while something dies; whether it did what it should all the same.
    async fn try_during(&self, arguments: &'static [&'static str], blow: Blow) -> bool {
        let ended = self.migrate(arguments, Some(blow)).await;
        eprintln!("{} during {blow:?}: {}", arguments[0], if ended.well { "done" } else { "not done" });
        ended.well
    }

    /// Says a command again and again until it is done.
    async fn carry_through(&self, arguments: &'static [&'static str]) {
        let (began, mut said) = (Instant::now(), Vec::new());
        for _ in 0..TRIES {
            let ended = self.migrate(arguments, None).await;
            if ended.well {
                eprintln!("{} done after {:?}", arguments[0], began.elapsed());
                return;
            }
            said.push(ended.output);
        }
        panic!("{arguments:?} is not done although nothing dies any more:\n{}", said.join("\n----\n"));
    }
}

const CUTOVER: &[&str] = &["cutover", "--yes", "--pause-ms", "3000"];
const ROLLBACK: &[&str] = &["rollback", "--yes", "--pause-ms", "3000"];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_while_guests_order_nothing_is_lost_and_nothing_is_double() {
    if given(Backend::Postgres).is_none() || given(Backend::Redis).is_none() {
        return;
    }
    let Plan { seed, rounds } = plan();
    let blows = schedule(seed, rounds);
    let began = Instant::now();
    eprintln!("WAITERIX_SEED={seed} WAITERIX_TORTURE_ROUNDS={rounds}");

    let house = House::build().await;
    let (door, mail, sql) = (house.door.clone(), house.mail(), house.sql());
    let sides = [&house.rows[0], &house.rows[1]]
        .map(|rows| PostgresSide::new(database(&rows.url()).unwrap(), Arc::new(SystemClock)));
    sql[0].ask(BEFORE);
    let restaurant = Restaurant::open(&door.url(), mail.parent().unwrap()).await;
    eprintln!("everything runs after {:?}", began.elapsed());
    let hands = Hands(Arc::new(Mutex::new(house)));
    let (end, evening) = watch::channel(false);
    let person = Person::new(&door);
    let guests: Vec<_> = (0..3)
        .map(|number| people::guest(person.clone(), number, restaurant.meal(), evening.clone()))
        .collect();
    let visitors = people::visitors(person.clone(), mail, seed, evening.clone());
    let foreign = people::foreign(sql[0].clone(), seed, evening.clone());
    let watched = people::watch_the_sides(sides, evening.clone());

    let (copying, changing) = blows.split_at(COPYING);
    for blow in copying {
        hands.try_during(&["start"], *blow).await;
    }
    hands.carry_through(&["start"]).await;
    hands.with(|house| house.serve("dual")).await;
    // What the service before wrote since the walk over the sessions, as the guide says.
    hands.carry_through(&["start"]).await;
    for (blow, command) in changing.iter().zip([CUTOVER, ROLLBACK].into_iter().cycle()) {
        if !hands.try_during(command, *blow).await {
            hands.carry_through(command).await;
        }
    }
    if changing.len().is_multiple_of(2) {
        hands.carry_through(CUTOVER).await;
    }

    eprintln!("nothing dies any more after {:?}", began.elapsed());
    end.send_replace(true);
    let mut ordered = Ordered::default();
    for guest in guests {
        let one = guest.await.unwrap();
        ordered.acknowledged.extend(one.acknowledged);
        ordered.wrong.extend(one.wrong);
        ordered.repeats += one.repeats;
    }
    let (signed, foreign, watched) =
        (visitors.await.unwrap(), foreign.await.unwrap(), watched.await.unwrap());
    eprintln!(
        "{} orders, {} sent again; {} are signed in, {} out; {} foreign writes, {} refused; {} looks at both sides",
        ordered.acknowledged.len(),
        ordered.repeats,
        signed.signed_in.len(),
        signed.signed_out.len(),
        foreign.done,
        foreign.refused,
        watched.looks
    );
    let wrong = [&ordered.wrong, &signed.wrong, &foreign.wrong, &watched.wrong];
    let wrong: Vec<&String> = wrong.into_iter().flat_map(|wrong| wrong.iter().take(10)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(ordered.acknowledged.len() > 50 && ordered.repeats > 0, "people came, and something died");
    assert!(signed.signed_in.len() > 3 && foreign.done > 10 && foreign.refused > 0 && watched.looks > 100);

    everything_is_made_up_for(&sql).await;
    both_are_equal(&sql);
    for side in &sql {
        orders_are_there_once(side, &ordered);
        foreign_rows_are_as_they_were_left(side, &foreign);
    }
    everybody_is_known(&person, &signed, "dual").await;
    // Either side alone knows everybody who has signed in and nobody who has signed out.
    for serves in ["aws", "legacy"] {
        hands.with(move |house| house.serve(serves)).await;
        everybody_is_known(&person, &signed, serves).await;
    }
    eprintln!("all of it took {:?}", began.elapsed());
}

/// Nothing is left in any journal, by nobody's doing but that of the service.
async fn everything_is_made_up_for(sql: &[Psql; 2]) {
    // A write whose process died is under way for a quarter of an hour, as far as anybody knows.
    sql[1].ask("UPDATE waiterix_migration.intents SET at = at - interval '1 hour'");
    let left = "SELECT (SELECT count(*) FROM waiterix_migration.journal) + (SELECT count(*) FROM waiterix_migration.quarantine)";
    let intents = "SELECT count(*) FROM waiterix_migration.intents";
    let nothing = Told::Done("0".to_owned());
    eventually(Duration::from_secs(60), "every journal is empty", async || {
        [(&sql[0], left), (&sql[1], left), (&sql[1], intents)]
            .into_iter()
            .all(|(side, question)| side.tell(question) == nothing)
    })
    .await;
}

/// Compares all tables, row by row as text; what moves in another way, or not at all, is not among them.
fn both_are_equal([old, new]: &[Psql; 2]) {
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' \
        AND table_type = 'BASE TABLE' AND table_name NOT IN ('sessions', 'waiterix_temp') ORDER BY 1";
    let names = old.ask(tables);
    assert_eq!(names, new.ask(tables));
    let mut rows = 0;
    for name in names.lines() {
        let all = format!("SELECT t::text FROM public.{name} AS t ORDER BY t::text COLLATE \"C\"");
        let (mine, theirs) = (old.ask(&all), new.ask(&all));
        rows += mine.lines().count();
        if mine != theirs {
            let of = |text: &str, other: &str| -> Vec<String> {
                text.lines().filter(|line| !other.contains(*line)).take(5).map(str::to_owned).collect()
            };
            panic!("{name} differs: old {:?}, new {:?}", of(&mine, &theirs), of(&theirs, &mine));
        }
    }
    assert!(rows > 5_000, "{rows} rows are few");
}

fn orders_are_there_once(side: &Psql, ordered: &Ordered) {
    let found = side.ask(
        "SELECT o.customer_note, o.id, (SELECT count(*) FROM order_items AS i WHERE i.order_id = o.id) FROM orders AS o",
    );
    let mut there: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for line in found.lines() {
        let [name, id, items] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
        there.entry(name).or_default().push((id, items));
    }
    let double: Vec<_> = there.iter().filter(|(_, orders)| orders.len() != 1 || orders[0].1 != "2").collect();
    assert!(double.is_empty(), "twice there, or without all of their items: {double:?}");
    let lost: Vec<_> = ordered
        .acknowledged
        .iter()
        .filter(|(name, id)| there.get(name.as_str()).is_none_or(|orders| orders[0].0 != id.as_str()))
        .collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
    // Of each guest one order may have been on its way when everybody went.
    let most = ordered.acknowledged.len() + 3;
    assert!(there.len() <= most, "{} are there, and at most {most} were ordered", there.len());
}

fn foreign_rows_are_as_they_were_left(side: &Psql, foreign: &Foreign) {
    let found = side.ask("SELECT id, first_name FROM users WHERE id LIKE 'foreign-%'");
    let there: BTreeMap<&str, &str> = found.lines().filter_map(|line| line.split_once('|')).collect();
    for (id, possible) in &foreign.rows {
        let found = there.get(id.as_str()).map(|value| (*value).to_owned());
        assert!(possible.contains(&found), "{id} is {found:?}, and was left as one of {possible:?}");
    }
    assert!(there.keys().all(|id| foreign.rows.contains_key(*id)), "nobody wrote one of {there:?}");
}

async fn everybody_is_known(person: &Person, signed: &Signed, serves: &str) {
    let expected = signed.signed_in.iter().map(|cookie| (cookie, true));
    for (cookie, is_in) in expected.chain(signed.signed_out.iter().map(|cookie| (cookie, false))) {
        assert_eq!(person.is_signed_in(cookie).await, Some(is_in), "served by {serves}");
    }
}

#[test]
fn a_seed_is_a_schedule_in_which_everything_dies() {
    let text = |seed| format!("{:?}", schedule(seed, 1));
    assert_eq!(text(SEED), text(SEED));
    assert_ne!(text(SEED), text(SEED + 1));
    for seed in 0..100 {
        let sorted = |faults: Vec<Fault>| {
            let mut names: Vec<String> = faults.iter().map(|fault| format!("{fault:?}")).collect();
            names.sort();
            names
        };
        let struck = schedule(seed, 2).iter().map(|blow| blow.fault).collect();
        assert_eq!(sorted(struck), sorted([FAULTS, FAULTS].concat()));
    }
}
