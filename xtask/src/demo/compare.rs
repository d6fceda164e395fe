//! Whether both sides are the same in the end, and hold what was promised: by plain SQL and by looking into the storages past
//! everything that moved them. Nothing of the migration has a part in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::foreign::Left;
use super::record::Seen;
use crate::command::Failure;
use crate::psql::Database;

/// What moves by another port, or not at all.
const APART: [&str; 2] = ["sessions", "waiterix_temp"];
/// How long the mirror may take to catch up once everybody has gone.
const PATIENCE: Duration = Duration::from_secs(60);

const TABLES: &str = "
SELECT t.table_name || ' ' || string_agg(quote_ident(c.column_name), ' ' ORDER BY c.column_name COLLATE \"C\")
FROM information_schema.tables AS t JOIN information_schema.columns AS c USING (table_schema, table_name)
WHERE t.table_schema = 'public' AND t.table_type = 'BASE TABLE'
GROUP BY t.table_name ORDER BY t.table_name COLLATE \"C\"";

/// Both sides, table by table.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(super) tables: Vec<Table>,
    /// What else is not as it was promised, in words.
    pub(crate) broken: Vec<String>,
    /// How many things that is.
    pub(super) broken_count: usize,
    pub(super) objects: usize,
    pub(super) sessions: usize,
}

/// A table on both sides.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) rows: u64,
    /// MD5 over the texts of all rows in order, where it is the same on both sides.
    pub(super) digest: String,
    /// Rows that are on one side only; one that was changed counts twice.
    pub(super) differences: usize,
}

impl Comparison {
    pub(crate) fn differences(&self) -> usize {
        self.tables.iter().map(|table| table.differences).sum::<usize>() + self.broken_count
    }

    pub(super) fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Counts things that are not as they should be.
    pub(super) fn found(&mut self, count: usize, what: impl FnOnce() -> String) {
        if count > 0 {
            self.broken_count += count;
            self.broken.push(what());
        }
    }
}

/// The columns of each table that is to be the same.
fn tables(database: &Database) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let text = database.script(TABLES, &[])?;
    let mut tables = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split(' ').map(str::to_owned);
        if let Some(name) = words.next().filter(|name| !APART.contains(&name.as_str())) {
            tables.insert(name, words.collect());
        }
    }
    Ok(tables)
}

/// A row as text. NULL is told from the text NULL, and one column from the next.
fn row(columns: &[String]) -> String {
    let texts: Vec<String> = columns.iter().map(|column| format!("quote_nullable({column}::text)")).collect();
    format!("concat_ws('|', {})", texts.join(", "))
}

/// Compares all rows, again and again until they are the same or the mirror has had its time.
pub(crate) fn rows(old: &Database, new: &Database) -> Result<Comparison, Failure> {
    let (here, there) = (tables(old)?, tables(new)?);
    let mut comparison = Comparison::default();
    let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    let deadline = Instant::now() + PATIENCE;
    for name in names {
        let (Some(columns), Some(others)) = (here.get(name), there.get(name)) else {
            comparison.found(1, || format!("the table {name} is on one side only"));
            continue;
        };
        if columns != others {
            comparison.found(1, || format!("the table {name} has other columns on the other side"));
            continue;
        }
        let sql = format!(
            "SELECT count(*), md5(coalesce(string_agg(md5(r), '' ORDER BY md5(r)), '')) FROM (SELECT {} AS r FROM public.{name}) AS rows",
            row(columns)
        );
        let (mine, theirs) = loop {
            let answers = (old.script(&sql, &[])?, new.script(&sql, &[])?);
            if answers.0 == answers.1 || Instant::now() > deadline {
                break answers;
            }
            std::thread::sleep(Duration::from_millis(500));
        };
        let (count, digest) = mine.split_once('|').unwrap_or_default();
        let differences = if mine == theirs { 0 } else { differing(old, new, name, columns)?.max(1) };
        comparison.tables.push(Table {
            name: name.clone(),
            rows: count.parse().unwrap_or_default(),
            digest: if differences == 0 { digest.to_owned() } else { String::new() },
            differences,
        });
    }
    // Two empty databases are the same as well.
    let empty = comparison.rows() == 0;
    comparison.found(usize::from(empty), || "there is no row on either side".to_owned());
    Ok(comparison)
}

/// How many rows are on one side only.
fn differing(old: &Database, new: &Database, name: &str, columns: &[String]) -> Result<usize, Failure> {
    let sql = format!("SELECT md5({}) FROM public.{name}", row(columns));
    let (mine, theirs) = (old.script(&sql, &[])?, new.script(&sql, &[])?);
    let count = |text: &str| {
        let mut counted: BTreeMap<String, i64> = BTreeMap::new();
        text.lines().for_each(|line| *counted.entry(line.to_owned()).or_default() += 1);
        counted
    };
    let mut counted = count(&mine);
    for (digest, times) in count(&theirs) {
        *counted.entry(digest).or_default() -= times;
    }
    Ok(counted.values().map(|times| usize::try_from(times.unsigned_abs()).unwrap_or(usize::MAX)).sum())
}

/// What guests, owners and the old application were promised, on one side.
pub(super) fn promises(
    side: &str,
    database: &Database,
    seen: &Seen,
    left: &Left,
    comparison: &mut Comparison,
) -> Result<(), Failure> {
    let (orders, scans, prices) = (copied(&seen.orders), copied(&left.scans), copied(&seen.prices));
    let sql = format!(
        "CREATE TEMPORARY TABLE placed (id text, total text) ON COMMIT DROP;
COPY placed FROM stdin;
{orders}CREATE TEMPORARY TABLE scanned (id text, label text) ON COMMIT DROP;
COPY scanned FROM stdin;
{scans}CREATE TEMPORARY TABLE priced (id text, price text) ON COMMIT DROP;
COPY priced FROM stdin;
{prices}SELECT count(*) FROM placed LEFT JOIN orders USING (id) WHERE orders.total::text IS DISTINCT FROM placed.total;
SELECT count(*) FROM placed WHERE (SELECT count(*) FROM order_items WHERE order_id = placed.id) <> 3;
SELECT count(*) FROM orders JOIN restaurants ON restaurants.id = restaurant_id
WHERE name LIKE 'Live %' AND NOT EXISTS (SELECT FROM placed WHERE placed.id = orders.id);
SELECT count(*) FROM scanned FULL JOIN (SELECT * FROM table_scan_events WHERE id LIKE 'foreign-%') AS kept USING (id)
WHERE kept.table_number IS DISTINCT FROM scanned.label;
SELECT count(*) FROM priced LEFT JOIN menu_items USING (id) WHERE menu_items.price::text IS DISTINCT FROM priced.price;
SELECT coalesce((SELECT ai_usage_count FROM restaurants WHERE user_id = 'user-1'), -1);"
    );
    let answer = database.script(&sql, &[])?;
    let numbers: Vec<usize> = answer.lines().map(|line| line.parse().unwrap_or(usize::MAX)).collect();
    let [lost, torn, invented, scans, prices, counter] = numbers[..] else {
        return Err(Failure::Said(format!("{side}: six numbers were asked for, not {answer:?}")));
    };
    comparison.found(lost, || format!("{side}: {lost} acknowledged orders are not there as acknowledged"));
    comparison.found(torn, || format!("{side}: {torn} acknowledged orders have not all of their lines"));
    comparison.found(invented, || format!("{side}: {invented} orders are there that nobody was told of"));
    comparison.found(scans, || format!("{side}: {scans} rows of the old application are lost or invented"));
    comparison.found(prices, || format!("{side}: {prices} prices are not those acknowledged last"));
    let wrong = left.counter.is_some_and(|value| usize::try_from(value) != Ok(counter));
    comparison.found(usize::from(wrong), || {
        format!("{side}: the old application's counter is {counter}, not {:?}", left.counter)
    });
    Ok(())
}

/// Two columns as the data of a COPY. Neither holds anything special.
fn copied(pairs: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (id, value) in pairs {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{id}\t{value}");
    }
    text + "\\.\n"
}

#[cfg(test)]
mod tests {
    use waiterix_backends::postgres;

    use super::*;

    /// A database of this test alone on a server of its own: it is the tool's to check, not the service's.
    fn sides(server: &waiterix_backends::Running) -> [Database; 2] {
        ["old", "new"].map(|name| {
            let admin = Database::at(server.url().as_str()).unwrap();
            // It cannot be made within a transaction.
            let mut session = admin.session().unwrap();
            assert_eq!(session.execute(&format!("CREATE DATABASE {name}")).unwrap(), crate::psql::DONE);
            Database::at(&server.url().as_str().replace("/postgres", &format!("/{name}"))).unwrap()
        })
    }

    const TABLE: &str = "CREATE TABLE t (id text PRIMARY KEY, a text, n numeric(10, 2), l text[]);
        INSERT INTO t VALUES ('1', NULL, 1.00, NULL), ('2', '', 2.50, '{}'), ('3', 'x', 3, '{NULL,\"a,b\"}');";

    #[test]
    fn every_kind_of_difference_is_found_and_counted() {
        let server = postgres::start(&postgres::Options::default()).unwrap();
        let [old, new] = sides(&server);
        for side in [&old, &new] {
            side.script(TABLE, &[]).unwrap();
        }
        let same = rows(&old, &new).unwrap();
        assert_eq!((same.differences(), same.rows()), (0, 3));
        for (change, back, differences) in [
            ("UPDATE t SET a = '' WHERE id = '1'", "UPDATE t SET a = NULL WHERE id = '1'", 2),
            ("UPDATE t SET l = NULL WHERE id = '2'", "UPDATE t SET l = '{}' WHERE id = '2'", 2),
            ("DELETE FROM t WHERE id = '2'", "INSERT INTO t VALUES ('2', '', 2.50, '{}')", 1),
            ("INSERT INTO t VALUES ('4')", "DELETE FROM t WHERE id = '4'", 1),
        ] {
            new.script(change, &[]).unwrap();
            assert_eq!(
                differing(&old, &new, "t", &tables(&old).unwrap()["t"]).unwrap(),
                differences,
                "{change}"
            );
            new.script(back, &[]).unwrap();
            assert_eq!(differing(&old, &new, "t", &tables(&old).unwrap()["t"]).unwrap(), 0, "{back}");
        }
        new.script("ALTER TABLE t DROP COLUMN a", &[]).unwrap();
        let broken = rows(&old, &new).unwrap().broken;
        assert_eq!(broken[0], "the table t has other columns on the other side");
        assert_eq!(broken[1], "there is no row on either side");
    }
}
