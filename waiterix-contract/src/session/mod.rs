//! The cases of [`SessionStore`].
//!
//! One case is about records that cannot be understood, which no port can write: the fixture of a session store
//! needs [`crate::Fixture::vandalised`], which spoils the stored record of a session.

pub mod create;
pub mod delete;
pub mod differential;
pub mod load;
pub mod temp;
pub mod touch;
pub mod update;
pub mod upkeep;
pub mod users;

use std::borrow::Borrow;

use serde_json::Map;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::{Session, SessionId, SessionStore};

use crate::Fixture;

/// A fresh session store.
type Fresh = Fixture<dyn SessionStore>;

/// An hour in seconds: longer than any case takes.
const HOUR_S: i64 = 3600;

fn id(name: &str) -> SessionId {
    SessionId::new(format!("{name:_<24}"))
}

/// A session that starts now and ends in `ttl_s` seconds.
fn session(fixture: &Fresh, name: &str, user: Option<&str>, ttl_s: i64) -> Session {
    let now = Timestamp::from_millis(fixture.now().as_millis()).unwrap_or_default();
    Session {
        id: id(name),
        user_id: user.map(UserId::from),
        email: user.map(|user| format!("{user}@example.org")),
        created_at: now,
        last_activity: now,
        expires_at: now.plus_seconds(ttl_s),
        extra: Map::new(),
    }
}

/// An instant rounded up to the second, which is as exact as expiry is in some stores.
fn second(at: Timestamp) -> i64 {
    -(-at.as_micros()).div_euclid(1_000_000)
}

#[track_caller]
fn assert_same(found: &Session, stored: &Session) {
    assert_eq!(found.id, stored.id);
    assert_eq!(found.user_id, stored.user_id);
    assert_eq!(found.email, stored.email);
    assert_eq!(found.created_at.as_millis(), stored.created_at.as_millis(), "created_at");
    assert_eq!(found.last_activity.as_millis(), stored.last_activity.as_millis(), "last_activity");
    assert_eq!(second(found.expires_at), second(stored.expires_at), "expires_at");
    assert_eq!(found.extra, stored.extra);
}

async fn is_there(fixture: &Fresh, id: impl Borrow<SessionId> + Send) -> bool {
    matches!(fixture.port.load(id.borrow()).await, Ok(Some(_)))
}

async fn is_gone(fixture: &Fresh, id: impl Borrow<SessionId> + Send) -> bool {
    matches!(fixture.port.load(id.borrow()).await, Ok(None))
}

/// The names of the live sessions of a user, sorted.
async fn listed(fixture: &Fresh, user: &str) -> Vec<String> {
    let listed = fixture.port.sessions_of(&UserId::from(user)).await.unwrap_or_default();
    let mut names: Vec<_> = listed.iter().map(|id| id.reveal().trim_end_matches('_').to_owned()).collect();
    names.sort();
    names
}

crate::cases! {
    ($)
    /// Expands to one test per clause of [`waiterix_ports::SessionStore`]; takes the path of an
    /// `async fn() -> Fixture<dyn SessionStore>`.
    session_contract, session, dyn SessionStore;
    create::n1_an_id_in_use_conflicts_and_the_old_session_stays,
    create::n1_of_several_creates_of_one_id_exactly_one_succeeds,
    create::n1_an_ended_id_may_be_used_again,
    create::n2_session_and_membership_appear_together,
    create::n3_everything_survives_a_round_trip,
    create::n3_a_session_without_user_or_email_survives,
    create::n3_extra_cannot_forge_the_user,
    create::n3_text_a_store_may_dislike_survives_or_is_invalid,
    create::n4_an_ended_session_is_invalid_and_not_stored,
    create::n4_a_lifetime_above_the_limit_is_invalid,
    create::n4_a_malformed_id_is_invalid_and_not_stored,
    create::n4_ids_at_the_limits_are_fine,
    create::n4_a_record_at_the_limit_is_fine_and_above_it_invalid,
    load::n10_unknown_deleted_and_malformed_ids_are_none,
    load::n10_an_ended_session_is_none,
    load::n10_a_session_is_found_to_its_end,
    load::n11_reading_changes_nothing,
    load::n11_reading_does_not_move_the_expiry,
    load::n12_a_record_that_cannot_be_understood_is_corrupt,
    update::n20_an_update_replaces_everything,
    update::n20_a_session_changed_since_conflicts,
    update::n20_of_several_updates_exactly_one_succeeds,
    update::n20_updates_that_read_again_lose_nothing,
    update::n20_an_update_that_ends_the_session_or_is_oversize_is_invalid,
    update::n20_a_session_made_anew_under_the_same_id_conflicts,
    update::n21_a_session_that_is_gone_is_not_found,
    update::n21_an_ended_session_is_not_found,
    update::n21_a_delete_at_the_same_time_wins,
    update::n22_a_changed_user_moves_the_session,
    update::n23_the_answered_revision_is_the_next,
    touch::n30_a_touch_notes_the_use_and_moves_the_expiry,
    touch::n30_a_touch_lengthens_and_shortens,
    touch::n30_a_session_that_is_gone_is_false,
    touch::n30_an_ended_session_is_not_revived,
    touch::n30_a_delete_at_the_same_time_wins,
    touch::n30_an_expiry_outside_the_limits_is_invalid,
    touch::n31_an_update_succeeds_after_a_touch,
    touch::n31_a_touch_never_undoes_an_update,
    delete::n40_a_deleted_session_is_gone_everywhere,
    delete::n40_of_several_deletes_exactly_one_found_it,
    delete::n40_a_delete_wins_over_updates_and_touches,
    users::n50_exactly_the_live_sessions_of_the_user,
    users::n50_ended_sessions_are_not_named,
    users::n50_a_short_session_does_not_hide_a_long_one,
    users::n50_a_touched_session_stays_listed,
    users::n50_users_with_similar_names_are_strangers,
    users::n50_many_sessions_are_all_named,
    users::n60_every_session_of_the_user_is_gone_and_no_other,
    users::n60_a_user_without_sessions_has_none_to_end,
    users::n60_sessions_created_before_are_gone_even_when_others_come,
    temp::n70_any_json_survives,
    temp::n70_a_value_is_replaced,
    temp::n70_a_value_ends_with_its_time_to_live,
    temp::n70_a_value_is_found_to_its_end,
    temp::n70_setting_again_starts_the_time_anew,
    temp::n70_times_to_live_outside_the_limits_are_invalid,
    temp::n70_keys_at_the_limits_are_fine,
    temp::n70_malformed_keys_are_invalid_on_writes_and_absent_on_reads,
    temp::n70_a_value_at_the_limit_is_fine_and_above_it_invalid,
    temp::n70_similar_keys_are_strangers,
    temp::n71_only_an_absent_value_is_set,
    temp::n71_of_several_at_once_exactly_one_succeeds,
    temp::n71_an_expired_value_counts_as_absent,
    temp::n71_a_refused_set_changes_nothing,
    temp::n72_reading_changes_nothing,
    temp::n72_reading_does_not_move_the_end,
    temp::n73_a_value_is_taken_once,
    temp::n73_of_several_at_once_exactly_one_gets_it,
    temp::n73_an_ended_value_is_not_taken,
    temp::n74_counts_from_one,
    temp::n74_many_at_once_get_each_number_once,
    temp::n74_later_calls_do_not_move_the_end,
    temp::n74_bad_keys_and_times_are_invalid,
    temp::n75_counters_and_values_do_not_meet,
    upkeep::n80_only_what_has_ended_is_removed,
    upkeep::n80_no_more_than_the_limit_at_once,
    upkeep::n90_a_working_store_is_proven_and_unchanged,
}
