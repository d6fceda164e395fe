//! Reading a table of both sides, stretch by stretch, as many at once as guests do not notice.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::try_join;
use futures_util::stream::FuturesUnordered;
use waiterix_ports::moving::RowSide;
use waiterix_ports::{KeyRange, Result};

use super::sides::{Direction, Sides};
use super::throttle::Governor;

/// Which of two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that leads.
    Leader,
    /// The one that follows.
    Other,
}

/// Reads whole tables of both sides.
pub(super) struct Stretches<'a> {
    leader: &'a dyn RowSide,
    other: &'a dyn RowSide,
    bytes: u64,
    governor: Governor,
}

impl fmt::Debug for Stretches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stretches").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl<'a> Stretches<'a> {
    /// In stretches of about so many bytes.
    pub(super) fn new(sides: &'a Sides, direction: Direction, bytes: u64, governor: Governor) -> Self {
        let (leader, other) = (sides.of(direction.leader), sides.of(direction.leader.other()));
        Self { leader, other, bytes, governor }
    }

    /// Reads every stretch of a table on both sides, in turn, so that neither side waits for the other one. Each answer is taken with the
    /// side it is of.
    pub(super) async fn read<T, Answer>(
        &mut self,
        table: &str,
        read: impl Fn(&'a dyn RowSide, KeyRange) -> Answer,
        mut take: impl FnMut(Role, T),
    ) -> Result<()>
    where
        Answer: Future<Output = Result<T>>,
    {
        let (ours, theirs) =
            try_join(self.leader.stretches(table, self.bytes), self.other.stretches(table, self.bytes))
                .await?;
        let mut left = in_turn(ours, theirs);
        let mut running = FuturesUnordered::new();
        loop {
            let at_once = self.governor.at_once().await;
            while running.len() < at_once {
                let Some((role, range)) = left.pop_front() else { break };
                let side = match role {
                    Role::Leader => self.leader,
                    Role::Other => self.other,
                };
                let (pause, answer) = (self.governor.pause(), read(side, range));
                running.push(async move {
                    if pause > Duration::ZERO {
                        tokio::time::sleep(pause).await;
                    }
                    (role, answer.await)
                });
            }
            let Some((role, answer)) = running.next().await else { return Ok(()) };
            take(role, answer?);
        }
    }
}

fn in_turn(ours: Vec<KeyRange>, theirs: Vec<KeyRange>) -> VecDeque<(Role, KeyRange)> {
    let (mut ours, mut theirs) = (ours.into_iter(), theirs.into_iter());
    let mut all = VecDeque::new();
    loop {
        let (our, their) = (ours.next(), theirs.next());
        if our.is_none() && their.is_none() {
            return all;
        }
        all.extend(our.map(|range| (Role::Leader, range)));
        all.extend(their.map(|range| (Role::Other, range)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_take_turns_and_the_longer_one_goes_on_alone() {
        let ranges = |names: &[&str]| -> Vec<KeyRange> {
            names.iter().map(|name| KeyRange { after: None, up_to: Some((*name).to_owned()) }).collect()
        };
        let turns = in_turn(ranges(&["a", "b"]), ranges(&["1", "2", "3"]));
        let names: Vec<_> = turns.iter().filter_map(|(_, range)| range.up_to.as_deref()).collect();
        assert_eq!(names, ["a", "1", "b", "2", "3"]);
        assert_eq!((turns[0].0, turns[1].0, turns[4].0), (Role::Leader, Role::Other, Role::Other));
        assert!(in_turn(Vec::new(), Vec::new()).is_empty());
    }
}
