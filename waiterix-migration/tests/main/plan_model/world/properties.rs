//! What must be true at every moment, and what must be possible.

use stateright::Property;
use waiterix_ports::moving::{Leader, Stage};

use super::{Coordinator, Job, Lead, Life, World};

pub(crate) const LOST: &str = "no write is lost";
pub(crate) const ONE: &str = "nobody writes by another leader than the one who leads";
pub(crate) const CURRENT: &str = "nobody reads what is older than what was answered";
pub(crate) const JOURNAL: &str = "what differs is in the journal";
pub(crate) const EQUAL: &str = "the stores are equal when it is quiet";
pub(crate) const FORMER: &str = "the journal holds nothing of a former leader";
pub(crate) const BACK: &str = "nothing newer is replaced by something older";
pub(crate) const HELD: &str = "writes are held only when everybody looks";
pub(crate) const ONCE: &str = "nobody announces twice";

pub(super) fn all() -> Vec<stateright::Property<Lead>> {
    vec![
        Property::always(LOST, |_, world: &World| world.at(world.plan.leader) == world.commits),
        Property::always(ONE, |game: &Lead, world: &World| {
            let jobs = world.instances.iter().flat_map(|instance| instance.jobs);
            jobs.filter_map(|job| job.leader(game.rules)).all(|leader| leader == world.plan.leader)
        }),
        Property::always(CURRENT, |_, world: &World| !world.read_stale),
        Property::always(JOURNAL, |_, world: &World| {
            world.sides[0] == world.sides[1] || world.journal.all() != 0
        }),
        Property::always(EQUAL, |_, world: &World| !is_quiet(world) || world.sides == [world.commits; 2]),
        Property::always(FORMER, |_, world: &World| world.journal.of_follower(world.plan.leader) == 0),
        Property::always(BACK, |_, world: &World| !world.went_back),
        Property::always(HELD, |game: &Lead, world: &World| {
            !Lead::is_held(world)
                || world.instances.iter().all(|instance| instance.believes(game.rules, false).is_none())
        }),
        Property::always(ONCE, |_, world: &World| !world.announced_twice),
        Property::sometimes("the new side leads and has a write of its own", |_, world: &World| {
            let is_ahead = world.at(Leader::New) > world.at(Leader::Old);
            world.plan.leader == Leader::New && (is_ahead || world.journal.of_new != 0)
        }),
        Property::sometimes("the old side leads again", |game: &Lead, world: &World| {
            game.size.turns < 7 || world.changes == 2
        }),
        Property::sometimes("a hold is turned back", |_, world: &World| {
            world.plan.stage == Stage::Steady && world.plan.turn == 4 && world.changes == 0
        }),
        Property::sometimes("a write waits", |_, world: &World| {
            let waits = |job: &Job| matches!(job, Job::Called { call: super::Call::Write, .. });
            Lead::is_held(world) && world.instances.iter().any(|instance| instance.jobs.iter().any(waits))
        }),
        Property::sometimes(
            "the leader changes while somebody counts as gone who is not",
            |game: &Lead, world: &World| {
                let cut_off = |instance: &super::Instance| {
                    instance.life == Life::Serves && instance.has_lapsed && instance.known.is_none()
                };
                game.size.failures == 0 || world.changes == 1 && world.instances.iter().any(cut_off)
            },
        ),
        Property::sometimes("somebody reads after the change", |game: &Lead, world: &World| {
            game.size.reads == 0
                || world.reads > 0 && world.changes > 0 && world.commits > 0 && is_quiet(world)
        }),
        Property::sometimes("everything is done and it is quiet", |game: &Lead, world: &World| {
            world.commits == game.size.writes && is_quiet(world)
        }),
    ]
}

/// Nobody does anything, and the journal is empty.
pub(crate) fn is_quiet(world: &World) -> bool {
    world.journal.all() == 0
        && world.instances.iter().all(|instance| instance.jobs.iter().all(|job| *job == Job::Nothing))
        && world.coordinators.iter().all(|coordinator| *coordinator == Coordinator::Idle)
}
