//! Pages and digests of a table.

use waiterix_domain::Table;
use waiterix_domain::value::Kind;
use waiterix_ports::KeyRange;

use crate::bind::Sought;
use crate::layout::Layout;

/// A bound without what follows a U+0000: no key has that character, so no key lies between the two.
fn bound(key: Option<&String>) -> Sought<'_> {
    Sought::Bound(key.map(|key| key.split('\0').next().unwrap_or_default()))
}

/// The condition on a row, called `t`, to be within a range, and its two arguments.
fn within(range: &KeyRange) -> (&'static str, [Sought<'_>; 2]) {
    // Keys are compared bytewise, whatever the collation of the database. An index on `(id COLLATE "C")` helps where
    // tables are large; where there is none the table is read and sorted.
    let condition = match (&range.after, &range.up_to) {
        (None, None) => "$1::text IS NULL AND $2::text IS NULL",
        (Some(_), None) => "t.id COLLATE \"C\" > $1 AND $2::text IS NULL",
        (None, Some(_)) => "$1::text IS NULL AND t.id COLLATE \"C\" <= $2",
        (Some(_), Some(_)) => "t.id COLLATE \"C\" > $1 AND t.id COLLATE \"C\" <= $2",
    };
    (condition, [bound(range.after.as_ref()), bound(range.up_to.as_ref())])
}

/// A page of a table in key order, a record per row.
pub(crate) fn page(layout: Layout, table: Table, range: &KeyRange, limit: u32) -> (String, Vec<Sought<'_>>) {
    let (condition, [after, up_to]) = within(range);
    let sql = format!(
        "SELECT ROW({}) FROM public.{} t WHERE {condition} ORDER BY t.id COLLATE \"C\" LIMIT $3",
        layout.columns(table, "t"),
        table.name()
    );
    (sql, vec![after, up_to, Sought::Number(limit.into())])
}

/// The digest of a range in one pass over it: how many rows, and the sums of both halves of their hashes as texts.
pub(crate) fn digest(layout: Layout, table: Table, range: &KeyRange) -> (String, Vec<Sought<'_>>) {
    let (condition, [after, up_to]) = within(range);
    let columns = table.columns().iter().enumerate();
    let (texts, canonical): (Vec<_>, Vec<_>) = columns
        .map(|(place, column)| {
            let text = if layout.has(table, column) {
                text_of(column.kind, &format!("t.{}", column.name))
            } else {
                "NULL::text".to_owned()
            };
            let sized = format!("octet_length(c{place})::text || ':' || c{place}");
            let sized = if column.nullable { format!("coalesce({sized}, '-')") } else { sized };
            (format!("{text} AS c{place}"), sized)
        })
        .unzip();
    // Without the fences of `OFFSET 0` every text and every hash would be computed twice.
    let sql = format!(
        "SELECT count(*), coalesce(sum({}), 0)::text, coalesce(sum({}), 0)::text FROM (SELECT md5({}) AS h FROM \
         (SELECT {} FROM public.{} t WHERE {condition} OFFSET 0) c OFFSET 0) s",
        half(1),
        half(17),
        canonical.join(" || "),
        texts.join(", "),
        table.name()
    );
    (sql, vec![after, up_to])
}

/// One half of a hash as a signed number.
fn half(start: u32) -> String {
    format!("('x' || substr(h, {start}, 16))::bit(64)::bigint")
}

/// A value as it stands in the canonical text of a row, see [`waiterix_domain::digest`]; null for null.
fn text_of(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Text => value.to_owned(),
        Kind::Bool => format!("CASE {value} WHEN true THEN 't' WHEN false THEN 'f' END"),
        Kind::Int | Kind::Json => format!("{value}::text"),
        // What is no number of hundredths fails here, as it does when the row is read.
        Kind::Amount => format!("({value} * 100)::bigint::text"),
        // Before version 14 these are floating point numbers, which hold whole minutes and the microseconds of one
        // exactly, but not their sum.
        Kind::Timestamp => format!(
            "(extract(epoch FROM date_trunc('minute', {value}))::bigint * 1000000 \
             + extract(microseconds FROM {value})::bigint)::text"
        ),
        Kind::TextArray => format!(
            "CASE WHEN {value} IS NOT NULL THEN (SELECT count(*)::text || ':' || coalesce(string_agg(\
             octet_length(u.element)::text || ':' || u.element, '' ORDER BY u.place), '') \
             FROM unnest({value}) WITH ORDINALITY AS u (element, place) WHERE u.element IS NOT NULL) END"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_ends_where_no_key_goes_on() {
        let range = KeyRange { after: Some("a\0b".to_owned()), up_to: None };
        let (_, arguments) = page(Layout::ALL[1], Table::Users, &range, 1);
        assert!(matches!(arguments[..2], [Sought::Bound(Some("a")), Sought::Bound(None)]));
    }
}
