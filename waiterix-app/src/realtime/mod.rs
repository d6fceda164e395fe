//! Realtime: who may connect, what is sent, and the sockets of this process.

pub mod events;
pub mod handshake;
pub mod socket;
pub mod ticket;
