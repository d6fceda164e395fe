//! The protocol of a move of rows, as pure functions: what a side lets happen ([`guard`]), in which order a key is made equal
//! ([`converge`]), and who leads next ([`cutover`]). Production and the proofs are driven by the same ones; nothing here knows a
//! database, a clock or a task.

pub mod converge;
pub mod cutover;
pub mod guard;
