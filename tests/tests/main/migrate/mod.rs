//! `waiterix migrate`: the built program moves a service between real servers while guests order.

mod gallery;
mod ground;
mod killed;
mod mail;
mod objects;
mod outset;
mod refused;
mod sessions;
mod sockets;
mod visitors;
mod whole;
