//! The invariants of ARCHITECTURE.md, held by tests.

mod dependencies;
mod sources;
