//! Whatever has happened, it goes on: from every state there is a way to where a side leads, nobody waits and both stores are equal, on
//! which nothing fails. So whoever only goes on, fairly to everybody, comes there.

use std::collections::HashMap;

use stateright::Model as _;
use waiterix_ports::moving::Stage;

use super::world::{Lead, Size, Weakness, World, is_quiet};

/// How many states of a world there are, and those from which there is no such way.
fn stuck(game: Lead) -> (usize, Vec<World>) {
    let mut worlds = game.init_states();
    let mut numbers: HashMap<World, usize> = worlds.iter().copied().zip(0..).collect();
    // From where a state is reached in a step in which nothing fails.
    let mut before: Vec<Vec<u32>> = vec![Vec::new(); worlds.len()];
    let (mut at, mut steps) = (0, Vec::new());
    while at < worlds.len() {
        let world = worlds[at];
        game.actions(&world, &mut steps);
        for step in steps.drain(..) {
            let Some(next) = game.next_state(&world, step) else { continue };
            let number = *numbers.entry(next).or_insert_with(|| {
                worlds.push(next);
                before.push(Vec::new());
                worlds.len() - 1
            });
            if !step.is_failure() {
                before[number].push(u32::try_from(at).unwrap());
            }
        }
        at += 1;
    }
    let is_end = |world: &World| world.plan.stage == Stage::Steady && is_quiet(world);
    let mut goes_on: Vec<bool> = worlds.iter().map(is_end).collect();
    let mut next: Vec<usize> = (0..worlds.len()).filter(|number| goes_on[*number]).collect();
    while let Some(number) = next.pop() {
        for earlier in before[number].iter().map(|earlier| *earlier as usize) {
            if !std::mem::replace(&mut goes_on[earlier], true) {
                next.push(earlier);
            }
        }
    }
    let stuck = worlds.iter().zip(goes_on).filter(|(_, goes_on)| !goes_on).map(|(world, _)| *world);
    (worlds.len(), stuck.collect())
}

/// Those who serve turn back whatever is left.
const LEFT: Size = Size { jobs: 1, writes: 1, failures: 1, ..Size::ALONE };
/// They do not, but the command is said again.
const AGAIN: Size = Size { turns_back: false, again: true, ..LEFT };
/// Two coordinators.
const RIVALS: Size = Size { writes: 1, relays: true, ..Size::RIVALS };

#[test]
fn whatever_has_happened_everything_goes_on() {
    for size in [LEFT, AGAIN, RIVALS] {
        let (states, stuck) = stuck(Lead::whole(size));
        println!("{states} states go on, of {size:?}");
        assert!(stuck.is_empty(), "{} of {states}: {:#?}", stuck.len(), stuck[0]);
    }
}

#[test]
fn without_anybody_who_ends_what_was_left_it_does_not_go_on() {
    for (weakness, size) in [(Weakness::TurnsNothingBack, LEFT), (Weakness::LeavesHalfDone, AGAIN)] {
        let (states, stuck) = stuck(Lead::without(weakness, size));
        println!("{weakness:?}: {} of {states} states do not go on", stuck.len());
        assert!(stuck.iter().any(|world| world.plan.stage == Stage::Held), "{weakness:?} is harmless");
    }
}
