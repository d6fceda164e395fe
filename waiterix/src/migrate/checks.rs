//! What is moved, and what stands in the way.

use std::time::Duration;

use tokio::time::Instant;
use waiterix_migration::rows::Sides;
use waiterix_ports::moving::{Hashing, Leader, Mode, MovingTable, Shares, Survey};
use waiterix_ports::{KeyRange, Result};

/// The most a server's clock may be off; what is decided by ages would be wrong.
const CLOCK: Duration = Duration::from_secs(10);
/// How many rows are read to see how fast it goes.
const SAMPLE: u64 = 20_000;

/// A table of this size is not empty, whatever a server that never looked into it estimates.
const UNCOUNTED: u64 = 64 * 1024;

/// Every key there can be.
pub(super) const ALL: KeyRange = KeyRange { after: None, up_to: None };

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) old: Survey,
    pub(super) new: Survey,
    /// What stands in the way, as texts that say what to do.
    pub(super) refusals: Vec<String>,
    /// How long the copy would take, by the speed of a part of the largest table.
    pub(super) estimate: Option<Duration>,
}

impl Found {
    /// Rows of the old side, as its server estimates.
    pub(super) fn rows(&self) -> u64 {
        self.old.tables.iter().map(|table| table.rows).sum()
    }

    /// Their bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.old.tables.iter().map(|table| table.bytes).sum()
    }

    /// What is missing of a move that was begun, of both sides.
    pub(super) fn unguarded(&self) -> Vec<String> {
        let both = [("old", &self.old), ("new", &self.new)];
        let named = both.map(|(name, survey)| {
            survey.unguarded.iter().map(move |missing| format!("the {name} database: {missing}"))
        });
        named.into_iter().flatten().collect()
    }

    /// Whether a move of them was begun.
    pub(super) fn is_begun(&self) -> bool {
        self.old.standing.is_some() || self.new.standing.is_some()
    }
}

/// Looks at both sides. Changes nothing.
pub(super) async fn look(sides: &Sides) -> std::result::Result<Found, String> {
    let named =
        |side: Leader| move |error: waiterix_ports::Error| format!("the {} database: {error}", side.as_str());
    let (old, new) = tokio::join!(sides.of(Leader::Old).survey(), sides.of(Leader::New).survey());
    let (mut old, new) = (old.map_err(named(Leader::Old))?, new.map_err(named(Leader::New))?);
    let mut refusals = refusals(&old, &new);
    let is_begun = old.standing.is_some() || new.standing.is_some();
    // Two that are one, or of two kinds, are not worth counting.
    if refusals.is_empty() && !is_begun {
        let there = counted(sides, Leader::New, &new.tables).await.map_err(named(Leader::New))?;
        if there > 0 {
            let here = counted(sides, Leader::Old, &old.tables).await.map_err(named(Leader::Old))?;
            refusals.push(not_empty(here, there));
        }
    }
    if refusals.is_empty() {
        for table in old.tables.iter_mut().filter(|table| table.rows == 0 && table.bytes > UNCOUNTED) {
            let counting = counted(sides, Leader::Old, std::slice::from_ref(table)).await;
            table.rows = counting.map_err(named(Leader::Old))?;
        }
    }
    let estimate =
        if refusals.is_empty() { estimate(sides, &old).await.map_err(named(Leader::Old))? } else { None };
    Ok(Found { old, new, refusals, estimate })
}

/// What is wrong with a new side that has rows.
fn not_empty(old_rows: u64, new_rows: u64) -> String {
    if old_rows == 0 {
        format!(
            "the direction is wrong: the old database is empty and the new one has {new_rows} rows. LEGACY_DATABASE_URL names \
             the one that is moved away from, DATABASE_URL the one that is moved to"
        )
    } else {
        format!(
            "the new database is not empty: it has {new_rows} rows. Name another one, or take them away; the move adds to \
             nothing and overwrites nothing"
        )
    }
}

async fn counted(sides: &Sides, side: Leader, tables: &[MovingTable]) -> Result<u64> {
    let mut rows = 0;
    for table in tables {
        let leaves = sides.of(side).leaves(&table.name, &ALL, Shares::WHOLE, Hashing::Record).await?;
        rows += leaves.iter().map(|leaf| leaf.rows).sum::<u64>();
    }
    Ok(rows)
}

/// Reads a part of the largest table. To write it takes about as long again, and several go at once.
async fn estimate(sides: &Sides, old: &Survey) -> Result<Option<Duration>> {
    let Some(largest) = old.tables.iter().max_by_key(|table| table.bytes) else { return Ok(None) };
    let side = sides.of(Leader::Old);
    let Some(range) = side.ranges(&largest.name, SAMPLE).await?.into_iter().next() else { return Ok(None) };
    let begun = Instant::now();
    let parcel = side.copy_out(&largest.name, &range).await?;
    let took = begun.elapsed();
    let share = parcel.leaf.rows as f64 / largest.rows.max(parcel.leaf.rows).max(1) as f64;
    let bytes: u64 = old.tables.iter().map(|table| table.bytes).sum();
    if share <= 0.0 || largest.bytes == 0 {
        return Ok(Some(Duration::ZERO));
    }
    let whole = took.as_secs_f64() / share * (bytes as f64 / largest.bytes as f64);
    Ok(Some(Duration::from_secs_f64(whole * 2.0)))
}

/// What stands in the way, by what two databases say of themselves.
pub(super) fn refusals(old: &Survey, new: &Survey) -> Vec<String> {
    let mut refusals = Vec::new();
    if old.identity == new.identity {
        refusals.push(
            "both URLs lead to the same database: LEGACY_DATABASE_URL must name the old one and DATABASE_URL the new one"
                .to_owned(),
        );
        return refusals;
    }
    for (name, survey) in [("old", old), ("new", new)] {
        refusals.extend(survey.faults.iter().map(|fault| format!("the {name} database: {fault}")));
        if u128::from(survey.clock_ahead_ms.unsigned_abs()) > CLOCK.as_millis() {
            refusals.push(format!(
                "the clock of the {name} database's server is off by {:.1} s from this machine's: set the one that is wrong",
                survey.clock_ahead_ms as f64 / 1_000.0
            ));
        }
    }
    if old.tables.is_empty() {
        refusals.push("the old database has none of the tables that move: is it the right one?".to_owned());
    }
    for table in &old.tables {
        match new.tables.iter().find(|other| other.name == table.name) {
            None => refusals.push(format!(
                "the new database has no table {}: `waiterix schema migrate` adds what is missing",
                table.name
            )),
            Some(other) => refusals.extend(drift(table, other)),
        }
    }
    for table in new.tables.iter().filter(|table| !old.tables.iter().any(|other| other.name == table.name)) {
        refusals.push(format!(
            "the old database has no table {}: `waiterix schema migrate --legacy` adds what is missing",
            table.name
        ));
    }
    if let (Some(ours), Some(theirs)) = (old.standing, new.standing)
        && (ours.mode, theirs.mode) == (Mode::Open, Mode::Open)
    {
        refusals.push(
            "both databases take writes, which this program never brings about: touch nothing and ask"
                .to_owned(),
        );
    }
    refusals
}

/// How a table differs between the two.
fn drift(old: &MovingTable, new: &MovingTable) -> Option<String> {
    let mut faults = Vec::new();
    if old.key != new.key {
        faults.push(format!("its key is {} in the old and {} in the new database", old.key, new.key));
    }
    for (name, kind) in &old.columns {
        match new.columns.iter().find(|(other, _)| other == name) {
            None => faults.push(format!("the new one has no column {name}")),
            Some((_, other)) if other != kind => {
                faults.push(format!("column {name} is {kind} in the old and {other} in the new one"));
            }
            Some(_) => {}
        }
    }
    let only_new = new.columns.iter().filter(|(name, _)| !old.columns.iter().any(|(other, _)| other == name));
    faults.extend(only_new.map(|(name, _)| format!("the old one has no column {name}")));
    (!faults.is_empty()).then(|| {
        format!(
            "table {}: {}. `waiterix schema check` of both says more, and `schema migrate` adds what is missing",
            old.name,
            faults.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use waiterix_ports::moving::Standing;

    use super::*;

    fn survey(identity: &str) -> Survey {
        let columns =
            vec![("id".to_owned(), "text".to_owned()), ("total".to_owned(), "numeric(10,2)".to_owned())];
        let table =
            MovingTable { name: "orders".into(), key: "id".to_owned(), columns, rows: 10, bytes: 8_192 };
        Survey {
            identity: identity.to_owned(),
            version: "16.4".to_owned(),
            clock_ahead_ms: 0,
            tables: vec![table],
            faults: Vec::new(),
            unguarded: Vec::new(),
            standing: None,
        }
    }

    /// What is done to the old survey and the new one.
    type Spoil = fn(&mut Survey, &mut Survey);

    fn said(change: impl FnOnce(&mut Survey, &mut Survey)) -> String {
        let (mut old, mut new) = (survey("a"), survey("b"));
        change(&mut old, &mut new);
        refusals(&old, &new).join("\n")
    }

    #[test]
    fn two_databases_that_fit_are_not_refused() {
        assert_eq!(said(|_, _| {}), "");
        assert_eq!(said(|old, _| old.clock_ahead_ms = -9_000), "");
    }

    #[test]
    fn each_fault_is_refused_in_words_that_say_what_to_do() {
        let cases: [(&str, Spoil); 9] = [
            ("the same database", |old, new| new.identity = old.identity.clone()),
            ("the old database: no privilege", |old, _| old.faults.push("no privilege".to_owned())),
            ("clock of the new database's server is off by -12.0 s", |_, new| new.clock_ahead_ms = -12_000),
            ("none of the tables", |old, _| old.tables.clear()),
            ("no table orders: `waiterix schema migrate`", |_, new| new.tables.clear()),
            ("no column total", |_, new| new.tables[0].columns.truncate(1)),
            ("no column total", |old, _| old.tables[0].columns.truncate(1)),
            ("total is numeric(10,2) in the old and text", |_, new| {
                new.tables[0].columns[1].1 = "text".to_owned();
            }),
            ("both databases take writes", |old, new| {
                old.standing = Some(Standing { epoch: 1, mode: Mode::Open, turn: 1 });
                new.standing = old.standing;
            }),
        ];
        for (words, change) in cases {
            let said = said(change);
            assert!(said.contains(words), "{words:?} in {said:?}");
        }
        assert!(not_empty(0, 5).contains("direction") && not_empty(3, 5).contains("not empty"));
    }
}
