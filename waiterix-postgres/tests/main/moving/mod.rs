//! A database as one of the two of a move.

mod comparing;
mod copying;
mod faults;
mod guard;
mod journal;
mod making;
mod sides;
mod surveying;
