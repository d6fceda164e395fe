//! Which sessions a user has.
//!
//! Two keys per user say it: the set of ids that older software reads and writes, and a list of memberships sorted by their
//! end, which only we know and on which we rely. A membership is `<id>.<mark>`: of that session as that write left it. It is
//! there before the write can be seen and goes away when what was written can no longer be; what a crash leaves behind has an
//! end of its own.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, try_join};
use waiterix_domain::id::UserId;
use waiterix_ports::session::is_session_id;
use waiterix_ports::{Result, SessionId};

use super::link::{Link, Repeat};
use super::record::{AHEAD_MS, list_key, set_key};
use super::script::{ENROL, ENROL_SET, SWEEP};

/// A session as a write left it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) id: String,
    /// Empty for a session that older software made.
    pub(super) mark: String,
}

impl Member {
    pub(super) fn new(id: &SessionId, mark: Option<&str>) -> Self {
        Self { id: id.reveal().to_owned(), mark: mark.unwrap_or_default().to_owned() }
    }

    fn parse(text: &str) -> Self {
        // Ids hold no dots.
        let (id, mark) = text.split_once('.').unwrap_or((text, ""));
        Self { id: id.to_owned(), mark: mark.to_owned() }
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.id, self.mark)
    }
}

/// What the two keys of a user hold.
#[derive(Debug, Default)]
pub(super) struct Roll {
    /// Memberships and their ends in milliseconds.
    list: BTreeMap<Member, i64>,
    /// The set of older software.
    set: BTreeSet<String>,
    /// When the set ends in milliseconds; -1 never, -2 there is none.
    set_ends: i64,
}

/// Makes sessions members of a user's list until an instant in milliseconds, at least.
pub(super) async fn enrol(
    link: &Link,
    operation: &'static str,
    user: &UserId,
    members: &[(Member, i64)],
) -> Result<()> {
    let (list, set) = (list_key(user), set_key(user));
    let of_list: Vec<String> =
        members.iter().flat_map(|(member, until)| [until.to_string(), member.to_string()]).collect();
    let last = members.iter().map(|(_, until)| *until).max().unwrap_or_default();
    let mut of_set = vec![last.to_string()];
    of_set.extend(members.iter().map(|(member, _)| member.id.clone()));
    let (forgotten, _) = try_join(
        link.run::<Vec<String>>(operation, &ENROL, Some(&list), &of_list, Repeat::Harmless),
        link.run::<redis::Value>(operation, &ENROL_SET, Some(&set), &of_set, Repeat::Harmless),
    )
    .await?;
    let kept: BTreeSet<&str> = members.iter().map(|(member, _)| member.id.as_str()).collect();
    let ended = forgotten.value.iter().map(|member| Member::parse(member).id);
    let ended: Vec<String> = ended.filter(|id| !kept.contains(id.as_str())).collect();
    remove(link, operation, "SREM", &set, &ended).await;
    Ok(())
}

/// Takes memberships back whose sessions can no longer be found as they were. With `from_set` no session of these ids is the
/// user's any more.
pub(super) async fn withdraw(
    link: &Link,
    operation: &'static str,
    user: &UserId,
    members: &[Member],
    from_set: bool,
) {
    let (list, set) = (list_key(user), set_key(user));
    let of_list: Vec<String> = members.iter().map(ToString::to_string).collect();
    let ids = members.iter().filter(|_| from_set).map(|member| member.id.clone());
    let of_set: Vec<String> = ids.collect();
    join(remove(link, operation, "ZREM", &list, &of_list), remove(link, operation, "SREM", &set, &of_set))
        .await;
}

/// Removes members that mean nothing any more. That they stay for a while does no harm, so a failure is no reason to
/// refuse what was asked for, and done.
async fn remove(link: &Link, operation: &'static str, command: &str, key: &str, members: &[String]) {
    if members.is_empty() {
        return;
    }
    let mut command = redis::cmd(command);
    command.arg(key).arg(members);
    if let Err(error) = link.ask::<redis::Value>(operation, &command, Repeat::Harmless).await {
        tracing::warn!(%error, "a user's list keeps members that have ended");
    }
}

impl Roll {
    /// Reads both keys. Who is in the set and put there by us is in the list by then, because the set is read first.
    pub(super) async fn read(link: &Link, operation: &'static str, user: &UserId) -> Result<Self> {
        let (list, set) = (list_key(user), set_key(user));
        let mut commands = [redis::cmd("SMEMBERS"), redis::cmd("PEXPIRETIME"), redis::cmd("ZRANGE")];
        commands[0].arg(&set);
        commands[1].arg(&set);
        commands[2].arg(&list).arg(0).arg(-1).arg("WITHSCORES");
        let [members, ends, ranged] = &commands;
        let (members, ends) = try_join(
            link.ask::<Vec<Vec<u8>>>(operation, members, Repeat::Harmless),
            link.ask::<i64>(operation, ends, Repeat::Harmless),
        )
        .await?;
        let ranged = link.ask::<Vec<(String, i64)>>(operation, ranged, Repeat::Harmless).await?;
        Ok(Self {
            list: ranged.value.iter().map(|(member, until)| (Member::parse(member), *until)).collect(),
            // What is no text is no id, whoever put it there.
            set: members.value.into_iter().filter_map(|id| String::from_utf8(id).ok()).collect(),
            set_ends: ends.value,
        })
    }

    /// Every id that is named, live or not.
    pub(super) fn ids(&self) -> BTreeSet<&str> {
        self.list.keys().map(|member| member.id.as_str()).chain(self.set.iter().map(String::as_str)).collect()
    }

    /// Brings both keys in line with the sessions that were found, given with how long they must be named at least, in
    /// milliseconds. What can be told
    /// from them without it is unaffected, so a failure is only noted.
    pub(super) async fn repair(
        &self,
        link: &Link,
        operation: &'static str,
        user: &UserId,
        live: &[(Member, i64)],
        named: &[SessionId],
    ) {
        self.sweep(link, operation, user, live, named).await;
        let last = live.iter().map(|(_, needed)| *needed).max().unwrap_or_default();
        let set_is_short = (0..last).contains(&self.set_ends) || self.set_ends == -1;
        let is_missing = |(member, needed): &&(Member, i64)| {
            self.list.get(member).is_none_or(|until| until < needed) || !self.set.contains(&member.id)
        };
        let missing: Vec<_> =
            if set_is_short { live.iter().collect() } else { live.iter().filter(is_missing).collect() };
        if missing.is_empty() {
            return;
        }
        let missing: Vec<_> =
            missing.into_iter().map(|(member, needed)| (member.clone(), needed + AHEAD_MS)).collect();
        if let Err(error) = enrol(link, operation, user, &missing).await {
            tracing::warn!(%error, "a user's list could not be repaired");
        }
    }

    /// Removes the members that name no live session of the user; ids in `named` stay in the set.
    ///
    /// A membership whose session is not there may be that of a session which is about to appear: its maker enrols it
    /// first. So it stays until that session would have ended. In the set there is no telling, so there it stays as long
    /// as the list names it. Ids that only older software would take stay, too.
    pub(super) async fn sweep(
        &self,
        link: &Link,
        operation: &'static str,
        user: &UserId,
        live: &[(Member, i64)],
        named: &[SessionId],
    ) {
        let lives: BTreeSet<&Member> = live.iter().map(|(member, _)| member).collect();
        let suspects: Vec<&Member> = self.list.keys().filter(|member| !lives.contains(member)).collect();
        let mut left: BTreeSet<&Member> = self.list.keys().collect();
        if !suspects.is_empty() {
            let mut arguments = vec![AHEAD_MS.to_string()];
            arguments.extend(suspects.iter().map(ToString::to_string));
            let list = list_key(user);
            match link.run::<Vec<String>>(operation, &SWEEP, Some(&list), &arguments, Repeat::Harmless).await
            {
                Ok(swept) => {
                    for member in swept.value.iter().map(|member| Member::parse(member)) {
                        left.remove(&member);
                    }
                }
                Err(error) => tracing::warn!(%error, "a user's list keeps members that have ended"),
            }
        }
        let mut kept: BTreeSet<&str> = left.into_iter().map(|member| member.id.as_str()).collect();
        kept.extend(named.iter().map(SessionId::reveal));
        let dead = self.set.iter().filter(|id| is_session_id(id) && !kept.contains(id.as_str()));
        remove(link, operation, "SREM", &set_key(user), &dead.cloned().collect::<Vec<_>>()).await;
    }
}
