//! Events between processes against real PostgreSQL servers. A process is a notifier with sockets of its own; several of
//! them on one database are several processes to each other, which know nothing of each other but what the database
//! says.

mod closing;
mod contract;
mod limits;
mod order;
mod outages;
mod processes;
mod sizes;
mod strangers;
