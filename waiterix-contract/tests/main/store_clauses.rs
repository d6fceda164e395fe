//! The documentation of `Store` and its suite state the same clauses, and the catalogue holds every query.

use std::collections::BTreeSet;

use waiterix_contract::broken::{clauses_in, clauses_of};
use waiterix_contract::store::CASES;
use waiterix_contract::store::catalogue::{About, every, kind};
use waiterix_contract::store::sample::at;

#[test]
fn every_documented_clause_has_a_case_and_every_case_a_clause() {
    let documented = clauses_in(include_str!("../../../waiterix-ports/src/store/mod.rs"), 'S');
    assert!(documented.len() > 25, "{documented:?}");
    assert_eq!(documented, clauses_of(CASES));
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), CASES.len());
}

#[test]
fn the_catalogue_holds_every_kind_of_query() {
    let source = include_str!("../../../waiterix-ports/src/store/query.rs");
    let start = source.find("pub enum Query {").unwrap();
    let variants: BTreeSet<&str> = source[start..]
        .lines()
        .take_while(|line| *line != "}")
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .filter_map(|line| line.split(['(', ' ', ',']).next())
        .collect();
    let about = About {
        id: &|_| "id".to_owned(),
        text: String::new(),
        status: None,
        from: at(0),
        to: at(1),
        limit: 1,
    };
    let held: BTreeSet<&str> = every(&about).iter().map(kind).collect();
    assert!(variants.len() > 30, "{variants:?}");
    assert_eq!(held, variants);
}
