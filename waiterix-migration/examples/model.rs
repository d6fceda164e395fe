//! explores
#![allow(clippy::print_stdout)]
#[path = "../tests/model/world/mod.rs"]
mod world;
use stateright::{Checker as _, Model as _};
use world::{Move, Size};
fn main() {
    let mut size = Size::SMALL;
    for arg in std::env::args().skip(1) {
        let (k, v) = arg.split_once('=').unwrap();
        let n: usize = v.parse().unwrap();
        match k {
            "keys" => size.keys = n, "instances" => size.instances = n, "foreign" => size.foreign = n > 0,
            "repeatable" => size.repeatable = n > 0, "inline" => size.inline = n > 0, "relays" => size.relays = n,
            "copiers" => size.copiers = n, "coordinators" => size.coordinators = n, "readers" => size.readers = n > 0,
            "failures" => size.failures = n > 0, "dirty" => size.dirty = n > 0, "starts" => size.starts = n > 0, "resists" => size.resists = n > 0, "marks" => size.marks = n > 0, "writes" => size.writes = n as u8, "turns" => size.turns = n as u8,
            _ => panic!(),
        }
    }
    let t = std::time::Instant::now();
    let c = Move::whole(size).checker().threads(2).timeout(std::time::Duration::from_secs(240)).spawn_bfs().join();
    println!("{size:?}\n {} states, depth {} {:?} done {}", c.unique_state_count(), c.max_depth(), t.elapsed(), c.is_done());
    for (n, p) in c.discoveries() { let a = p.into_actions(); println!("{n} {}", a.len()); if n.starts_with("no ") { println!("{a:#?}"); } }
}
