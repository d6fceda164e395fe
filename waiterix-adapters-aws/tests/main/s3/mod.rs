//! The S3 adapter against servers that speak S3.

mod access;
mod contract;
mod differential;
mod emulator;
mod faults;
mod fixture;
mod layout;
mod parts;
mod s3s_server;
mod scripted;
mod signing;
