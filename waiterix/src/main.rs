//! The Waiterix command line.
fn main() {}
