//! The documentation of `Notifier` and its suite state the same clauses.

use waiterix_contract::broken::{clauses_in, clauses_of};
use waiterix_contract::notifier::CASES;

#[test]
fn every_documented_clause_has_a_case_and_every_case_a_clause() {
    let documented = clauses_in(include_str!("../../../waiterix-ports/src/notifier.rs"), 'R');
    assert!(documented.len() > 5, "{documented:?}");
    assert_eq!(documented, clauses_of(CASES));
}
