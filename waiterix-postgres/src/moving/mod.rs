//! A PostgreSQL database that takes part in a live move: [`PostgresSide`], a [`RowSide`](waiterix_ports::moving::RowSide).
//!
//! Triggers in the schema `waiterix_migration` let in whom its [`Standing`](waiterix_ports::moving::Standing) lets in, in the
//! transaction of each write, and note which keys were written. So every writer obeys and is seen: this program, the old
//! application, an operator, a cascade. `docs/decisions/0028-moving-rows.md` has the reasons.

mod aside;
mod claim;
mod copy;
mod hold;
mod install;
mod leaves;
mod notes;
mod side;
mod standing;
mod survey;
mod tables;
mod tuples;
mod work;

pub use side::PostgresSide;
