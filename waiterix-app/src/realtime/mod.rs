//! Realtime: who may connect, what is sent, the sockets of this process and those a gateway holds.

pub mod events;
pub mod gateway;
pub mod handshake;
pub mod socket;
pub mod ticket;
