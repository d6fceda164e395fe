//! The cases of [`Store`].

pub mod commit;

use waiterix_ports::Store;

crate::cases! {
    ($)
    /// Expands to one test per clause of [`waiterix_ports::Store`]; takes the path of an
    /// `async fn() -> Fixture<dyn Store>`.
    store_contract, store, dyn Store;
    commit::s24_an_empty_set_succeeds,
}
