//! `waiterix migrate`: the built program moves a service between real servers while guests order.

mod forgotten;
mod gallery;
mod ground;
mod house;
mod killed;
mod mail;
mod objects;
mod outset;
mod people;
mod races;
mod refused;
mod sessions;
mod sockets;
mod torture;
mod visitors;
mod whole;
