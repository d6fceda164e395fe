//! The order in which the leader of a port is changed, where no database enforces who writes.
//!
//! There is no memory but the standing of the port: a coordinator that dies is replaced by anybody who looks. What only a
//! coordinator knows (that *its* hold was quiet and drained) it cannot pass on, so another one turns back what it finds half done.

use waiterix_ports::moving::{Leader, PortStanding, Stage};

/// What a coordinator has found out itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Findings {
    /// The turn in which this coordinator announced the change.
    pub announced: Option<u64>,
    /// Every instance has acknowledged that turn: it looks before each call.
    pub all_look: bool,
    /// The turn in which this coordinator held the writes.
    pub held: Option<u64>,
    /// Every instance has acknowledged that turn: it has no write under way and begins none.
    pub all_quiet: bool,
    /// Both sides were made equal after that, and a second walk found nothing to do.
    pub drained: bool,
    /// The turn in which this coordinator changed the leader.
    pub changed: Option<u64>,
    /// Every instance has acknowledged that turn.
    pub all_follow: bool,
    /// It takes too long, something is not as it must be, or somebody wants it to end.
    pub give_up: bool,
}

impl Findings {
    /// What is known when an act was done: in the turn that it made, or of the turn that it was about.
    #[must_use]
    pub fn after(self, act: Act, turn: u64) -> Self {
        match act {
            Act::Announce => Self { announced: Some(turn), ..self },
            Act::AwaitLookers => Self { all_look: true, ..self },
            Act::Hold => Self { held: Some(turn), ..self },
            Act::AwaitQuiet => Self { all_quiet: true, ..self },
            Act::Drain => Self { drained: true, ..self },
            Act::Change => Self { changed: Some(turn), ..self },
            Act::AwaitFollowers => Self { all_follow: true, ..self },
            Act::Abort | Act::Done | Act::Aborted => self,
        }
    }

    /// What is known when somebody else was faster: what was found out holds no more.
    #[must_use]
    pub fn overtaken(self) -> Self {
        Self { give_up: self.give_up || self.announced.is_some(), ..self }
    }
}

/// What to do next. An act that replaces the standing is refused if it is of another turn by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Tell every instance to look before each call.
    Announce,
    /// Wait until they do.
    AwaitLookers,
    /// Let nobody begin a write.
    Hold,
    /// Wait until none is under way.
    AwaitQuiet,
    /// Make everything equal that is in the journal.
    Drain,
    /// Change the leader and let go of the writes, at once.
    Change,
    /// Wait until every instance follows.
    AwaitFollowers,
    /// The one that led leads on.
    Abort,
    /// It is done.
    Done,
    /// It was given up.
    Aborted,
}

/// What to do next for `to` to lead.
#[must_use]
pub fn next(to: Leader, standing: PortStanding, findings: &Findings) -> Act {
    match standing.stage {
        Stage::Steady if standing.leader == to => {
            // What was changed by somebody else is that one's to wait for.
            if findings.changed == Some(standing.turn) && !findings.all_follow && !findings.give_up {
                Act::AwaitFollowers
            } else {
                Act::Done
            }
        }
        // Whoever was turned back ends too: all that it has found out is of a turn that is over.
        Stage::Steady if findings.give_up || findings.announced.is_some() => Act::Aborted,
        Stage::Steady => Act::Announce,
        Stage::Announced => match findings.announced {
            Some(mine) if mine == standing.turn && findings.give_up => Act::Abort,
            Some(mine) if mine == standing.turn && findings.all_look => Act::Hold,
            Some(mine) if mine == standing.turn => Act::AwaitLookers,
            // Two that turn one another back would do so for ever, so whoever was overtaken ends.
            Some(_) => Act::Aborted,
            None => Act::Abort,
        },
        Stage::Held => match findings.held {
            Some(mine) if mine == standing.turn && findings.give_up => Act::Abort,
            Some(mine) if mine == standing.turn && !findings.all_quiet => Act::AwaitQuiet,
            Some(mine) if mine == standing.turn && !findings.drained => Act::Drain,
            Some(mine) if mine == standing.turn => Act::Change,
            _ if findings.announced.is_some() => Act::Aborted,
            _ => Act::Abort,
        },
    }
}

/// The standing that an act makes of another; `None` for an act that makes none.
#[must_use]
pub fn made(to: Leader, seen: PortStanding, act: Act) -> Option<PortStanding> {
    let turn = seen.turn + 1;
    Some(match act {
        Act::Announce => PortStanding { stage: Stage::Announced, turn, ..seen },
        Act::Hold => PortStanding { stage: Stage::Held, turn, ..seen },
        Act::Change => PortStanding { stage: Stage::Steady, leader: to, turn, ..seen },
        Act::Abort => PortStanding { stage: Stage::Steady, turn, ..seen },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(stage: Stage, turn: u64) -> PortStanding {
        PortStanding { stage, turn, ..PortStanding::FIRST }
    }

    #[test]
    fn the_leader_is_changed_only_by_whoever_held_the_writes_and_drained_after_it() {
        let held = standing(Stage::Held, 7);
        let mine = Findings { held: Some(7), ..Findings::default() };
        assert_eq!(next(Leader::New, held, &Findings::default()), Act::Abort);
        let of_older = Findings { held: Some(5), all_quiet: true, drained: true, ..mine };
        assert_eq!(next(Leader::New, held, &of_older), Act::Abort);
        assert_eq!(next(Leader::New, held, &mine), Act::AwaitQuiet);
        assert_eq!(next(Leader::New, held, &Findings { drained: true, ..mine }), Act::AwaitQuiet);
        assert_eq!(next(Leader::New, held, &Findings { all_quiet: true, ..mine }), Act::Drain);
        let ready = Findings { all_quiet: true, drained: true, ..mine };
        assert_eq!(next(Leader::New, held, &ready), Act::Change);
        assert_eq!(next(Leader::New, held, &Findings { give_up: true, ..ready }), Act::Abort);
    }

    #[test]
    fn writes_are_held_only_when_everybody_looks() {
        let announced = standing(Stage::Announced, 3);
        let mine = Findings { announced: Some(3), ..Findings::default() };
        assert_eq!(next(Leader::New, announced, &mine), Act::AwaitLookers);
        assert_eq!(next(Leader::New, announced, &Findings { all_look: true, ..mine }), Act::Hold);
        assert_eq!(next(Leader::New, announced, &Findings { give_up: true, ..mine }), Act::Abort);
        assert_eq!(
            next(Leader::New, announced, &Findings { all_look: true, ..Findings::default() }),
            Act::Abort
        );
    }

    #[test]
    fn whoever_was_overtaken_ends_and_touches_nothing() {
        let mine = Findings { announced: Some(3), held: Some(4), ..Findings::default() };
        for give_up in [false, true] {
            let mine = Findings { give_up, ..mine };
            assert_eq!(next(Leader::New, standing(Stage::Announced, 6), &mine), Act::Aborted);
            assert_eq!(next(Leader::New, standing(Stage::Held, 7), &mine), Act::Aborted);
            assert_eq!(
                next(Leader::New, standing(Stage::Steady, 5), &mine),
                Act::Aborted,
                "it was turned back"
            );
        }
    }

    #[test]
    fn every_way_ends_where_somebody_leads_and_writes_go_on() {
        for to in [Leader::Old, Leader::New] {
            for give_up_at in 0..8 {
                let mut standing = PortStanding { leader: to.other(), ..PortStanding::FIRST };
                let mut findings = Findings::default();
                let mut acts = Vec::new();
                loop {
                    findings.give_up = acts.len() >= give_up_at;
                    let act = next(to, standing, &findings);
                    acts.push(act);
                    if let Some(made) = made(to, standing, act) {
                        standing = made;
                    }
                    findings = findings.after(act, standing.turn);
                    if matches!(act, Act::Done | Act::Aborted) {
                        break;
                    }
                    assert!(acts.len() < 20, "{acts:?}");
                }
                assert_eq!(standing.stage, Stage::Steady);
                let led_by = if acts.last() == Some(&Act::Done) { to } else { to.other() };
                assert_eq!(standing.leader, led_by, "{acts:?}");
            }
        }
    }
}
