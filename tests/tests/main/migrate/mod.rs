//! `waiterix migrate`: the built program moves rows between two real databases while guests order.

mod ground;
mod killed;
mod refused;
mod whole;
