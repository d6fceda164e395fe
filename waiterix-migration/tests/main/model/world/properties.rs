//! What must be true at every moment, and what must be possible.

use stateright::Property;
use waiterix_migration::protocol::guard::{Writer, admits};
use waiterix_ports::moving::Mode;

use super::{Doing, KEYS, Knows, Move, NEW, OLD, World, other};

pub(super) fn all() -> Vec<Property<Move>> {
    vec![
        Property::always("no acknowledged write is lost", |_, world: &World| {
            let rows = &world.sides[world.head()].rows;
            (0..KEYS).all(|key| rows[key].equals(world.truth[key]))
        }),
        Property::always("the sides are equal when it is quiet", |game: &Move, world: &World| {
            !is_quiet(game, world)
                || (0..KEYS).all(|key| world.sides[OLD].rows[key].equals(world.sides[NEW].rows[key]))
        }),
        Property::always("what differs is in the journal or in quarantine", |game: &Move, world: &World| {
            let head = world.head();
            (0..game.size.keys).all(|key| {
                let differs = !world.sides[head].rows[key].equals(world.sides[other(head)].rows[key]);
                let is_known = world.sides[head].journal[key] != 0 || world.sides[head].quarantine[key];
                !differs || !world.sides[NEW].copied[key] || is_known
            })
        }),
        Property::always("nothing is there that was never committed", |_, world: &World| {
            world.sides.iter().flat_map(|side| side.rows).all(|cell| cell.commit <= world.commits)
        }),
        Property::always("what was deleted or replaced never comes back", |_, world: &World| {
            !world.went_back
        }),
        Property::always("at most one side lets everybody write", |_, world: &World| {
            world.sides.iter().filter(|side| admits(side.stand.real(), Writer::Anyone)).count() <= 1
        }),
        Property::always("nobody reads what is out of date", |game: &Move, world: &World| {
            world.writers.iter().all(|instance| match instance.knows {
                Knows::Trusts { side, .. } => {
                    (0..game.size.keys).all(|key| world.sides[side].rows[key].equals(world.truth[key]))
                }
                _ => true,
            })
        }),
        Property::always("no coordinator is refused", |_, world: &World| !world.was_refused),
        Property::sometimes("the new side leads and has a write of its own", |game: &Move, world: &World| {
            game.size.coordinators == 0
                || game.size.writes == 0
                || (leads(world, NEW) && world.truth != world.sides[OLD].rows)
        }),
        Property::sometimes("the old side leads again", |game: &Move, world: &World| {
            game.size.coordinators == 0 || (leads(world, OLD) && world.sides[OLD].stand.epoch > 1)
        }),
        Property::sometimes("everything is done and it is quiet", |game: &Move, world: &World| {
            let nobody_follows = game.size.relays == 0 && !game.size.inline;
            nobody_follows || world.commits == game.size.writes && is_quiet(game, world)
        }),
    ]
}

fn leads(world: &World, side: usize) -> bool {
    world.sides[side].stand.mode == Mode::Open && world.sides[other(side)].stand.mode == Mode::Mirror
}

/// Nobody is in the middle of anything that touches rows, everything is copied, and the journal of the leader is empty.
fn is_quiet(game: &Move, world: &World) -> bool {
    world.is_copied(&game.size)
        && world.sides[world.head()].journal == [0; KEYS]
        && world.sides[world.head()].quarantine == [false; KEYS]
        && world.everybody_who_converges().next().is_none()
        && world.writers.iter().all(|writer| writer.doing == Doing::Nothing)
}
