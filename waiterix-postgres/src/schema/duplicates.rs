//! Rows that stand in the way of a uniqueness rule.

use std::fmt;

use sqlx::{AssertSqlSafe, PgConnection};
use waiterix_domain::UniqueRule;

use super::target::rule_keys;

/// How many groups a report shows, and how many rows of each.
const GROUPS: usize = 20;
const ROWS: usize = 5;

/// Rows that a rule does not allow side by side. Holds ids and counts, and never what makes the rows equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicates {
    /// The rule.
    pub rule: UniqueRule,
    /// How many groups of equal rows there are.
    pub groups: u64,
    /// How many rows they have together.
    pub rows: u64,
    /// The ids of the first rows of the first groups.
    pub sample: Vec<Vec<String>>,
}

impl fmt::Display for Duplicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, index) = (self.rule.table().name(), self.rule.index_name());
        write!(
            f,
            "{} rows of {table} are {} where the rule {:?} allows one each, so index {index} was not built",
            self.rows, self.groups, self.rule
        )?;
        for ids in &self.sample {
            write!(f, "\n    {}", ids.join(", "))?;
        }
        if self.sample.len() < usize::try_from(self.groups).unwrap_or(usize::MAX) {
            f.write_str("\n    ...")?;
        }
        Ok(())
    }
}

fn query(rule: UniqueRule) -> String {
    let (table, keys) = (rule.table().name(), rule_keys(rule));
    let mut conditions: Vec<_> = keys.split(", ").map(|key| format!("{key} IS NOT NULL")).collect();
    conditions.extend(rule.condition().map(str::to_owned));
    let conditions = conditions.join(" AND ");
    format!(
        "WITH found AS (\
             SELECT count(*) AS n, array_agg(id::text ORDER BY id COLLATE \"C\") AS ids \
             FROM public.{table} WHERE {conditions} GROUP BY {keys} HAVING count(*) > 1) \
         SELECT (SELECT count(*) FROM found), (SELECT coalesce(sum(n), 0)::bigint FROM found), ids[1:{ROWS}] \
         FROM found ORDER BY ids[1] COLLATE \"C\" LIMIT {GROUPS}"
    )
}

/// Looks for rows that break a rule; `None` if there are none.
pub(super) async fn find(
    connection: &mut PgConnection,
    rule: UniqueRule,
) -> sqlx::Result<Option<Duplicates>> {
    let rows: Vec<(i64, i64, Vec<String>)> =
        sqlx::query_as(AssertSqlSafe(query(rule))).persistent(false).fetch_all(connection).await?;
    let Some((groups, count, _)) = rows.first() else { return Ok(None) };
    Ok(Some(Duplicates {
        rule,
        groups: u64::try_from(*groups).unwrap_or_default(),
        rows: u64::try_from(*count).unwrap_or_default(),
        sample: rows.into_iter().map(|(_, _, ids)| ids).collect(),
    }))
}
