//! Ways to where a model goes wrong.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker as _, HasDiscoveries, Model};

/// Searches a world in breadth for a way to where a property fails, of fewer steps than `deepest`; answers how many states there are if
/// there is none.
pub(crate) fn way<M>(world: M, property: &'static str, deepest: usize) -> Result<Vec<M::Action>, usize>
where
    M: Model + Copy + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let checker = world
        .checker()
        .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([property])))
        .target_max_depth(deepest)
        .spawn_bfs()
        .join();
    let steps = checker.discovery(property).map(stateright::Path::into_actions);
    steps.filter(|steps| !steps.is_empty()).ok_or_else(|| checker.unique_state_count())
}

/// The shortest way to where a property fails.
pub(crate) fn shortest<M>(world: M, property: &'static str) -> Result<Vec<M::Action>, usize>
where
    M: Model + Copy + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let mut shortest = way(world, property, usize::MAX)?;
    // A world after so many steps lies one deeper, and the search ends before the depth it is given.
    while let Ok(shorter) = way(world, property, shortest.len() + 1) {
        shortest = shorter;
    }
    Ok(shortest)
}
