//! Accounts: signing in, accepting the terms, leaving.

use crate::facts::Account;
use crate::id::UserId;
use crate::schema::{Table, Upload, User};
use crate::{ChangeSet, Decision, Effect, Env, Rejection, RejectionKind};

/// Who somebody is, as an identity provider (or a code sent by e-mail) proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider's subject, which becomes the user id of a new user.
    pub subject: UserId,
    /// The e-mail address, if there is one; never the empty text.
    pub email: Option<String>,
    /// Whether the provider vouches for the address.
    pub email_verified: bool,
    /// Full name, if known.
    pub name: Option<String>,
    /// Picture URL, if known.
    pub picture: Option<String>,
}

/// What signing in relies on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SignInFacts {
    /// The user whose id is the subject.
    pub by_subject: Option<User>,
    /// The user who has the identity's e-mail address.
    pub by_email: Option<User>,
}

/// The longest user id.
const MAX_SUBJECT_CHARS: usize = 128;

/// Finds or makes the user an identity means, and takes over what the provider says about it.
///
/// The subject decides. A user with the same e-mail address is meant only if the provider vouches for the address (D1);
/// otherwise the new user is made without one. A missing address is null and never meets another (D2). An address that
/// changed is taken over, unless somebody else has it (D3). What the provider does not say stays as it was (D8).
///
/// # Errors
/// `Invalid` for a subject that cannot be a user id.
pub fn sign_in(
    facts: &SignInFacts,
    identity: &Identity,
    env: &mut Env<'_>,
) -> Result<Decision<User>, Rejection> {
    let subject = identity.subject.as_str();
    if subject.is_empty()
        || subject.chars().count() > MAX_SUBJECT_CHARS
        || subject.chars().any(char::is_control)
    {
        return Err(Rejection::new(RejectionKind::Unauthorized, "Invalid token"));
    }
    let linked = facts.by_email.as_ref().filter(|_| identity.email_verified);
    let changes = env.changes();
    if let Some(user) = facts.by_subject.as_ref().or(linked) {
        let taken = facts.by_email.as_ref().is_some_and(|other| other.id != user.id);
        let after = refreshed(user, identity, taken, env);
        return Ok(Decision::new(changes.update(user.clone(), after.clone()), after));
    }
    let blank = User {
        id: identity.subject.clone(),
        email: None,
        first_name: None,
        last_name: None,
        profile_image_url: None,
        accepted_terms: false,
        accepted_terms_at: None,
        created_at: Some(env.now),
        updated_at: Some(env.now),
    };
    let user = refreshed(&blank, identity, facts.by_email.is_some(), env);
    Ok(Decision::new(changes.insert(user.clone()), user))
}

/// A user with what the identity says; unchanged, `updated_at` included, when it says nothing new.
fn refreshed(user: &User, identity: &Identity, email_taken: bool, env: &Env<'_>) -> User {
    let said = |text: Option<&str>| {
        text.map(str::trim).filter(|text| !text.is_empty() && !text.contains('\0')).map(str::to_owned)
    };
    let name = said(identity.name.as_deref());
    let (first, last) = match name.as_deref().map(|name| name.split_once(char::is_whitespace)) {
        Some(Some((first, last))) => (Some(first.to_owned()), said(Some(last))),
        Some(None) => (name, None),
        None => (None, None),
    };
    let email = said(identity.email.as_deref()).filter(|_| !email_taken);
    let mut after = user.clone();
    after.email = email.or(after.email);
    after.first_name = first.or(after.first_name);
    after.last_name = last.or(after.last_name);
    after.profile_image_url = said(identity.picture.as_deref()).or(after.profile_image_url);
    if after != *user {
        after.updated_at = Some(env.now);
    }
    after
}

/// Notes that the terms were accepted, again on every call.
pub fn accept_terms(user: &User, env: &mut Env<'_>) -> Decision<User> {
    let mut after = user.clone();
    after.accepted_terms = true;
    after.accepted_terms_at = Some(env.now);
    after.updated_at = Some(env.now);
    Decision::new(env.changes().update(user.clone(), after.clone()), after)
}

/// Deletes a user and everything that hangs on it; pictures and sessions go afterwards. The upload rows are deleted only
/// with their objects, so what a crash leaves behind is found by the sweep of abandoned uploads.
pub fn delete(account: &Account, uploads: &[Upload], env: &mut Env<'_>) -> Decision<()> {
    let changes = detach_all(env.changes(), uploads).delete(Table::Users, &account.user.id);
    let revoke = Effect::RevokeSessions {
        user: account.user.id.clone(),
        restaurant: account.restaurant.as_ref().map(|restaurant| restaurant.id.clone()),
    };
    uploads.iter().fold(Decision::new(changes, ()).then(revoke), |decision, upload| {
        decision.then(Effect::DeleteBlob { key: upload.id.to_string() })
    })
}

/// Marks uploads as unused, so that the sweep of abandoned uploads may delete them.
#[must_use]
pub fn detach_all(changes: ChangeSet, uploads: &[Upload]) -> ChangeSet {
    uploads.iter().fold(changes, |changes, upload| {
        changes.update(upload.clone(), Upload { attached_at: None, ..upload.clone() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Ids;
    use crate::{Change, Timestamp};

    struct Counting(u8);

    impl Ids for Counting {
        fn random(&mut self) -> [u8; 16] {
            self.0 += 1;
            [self.0; 16]
        }
    }

    fn decide(facts: &SignInFacts, identity: &Identity, at_ms: i64) -> Decision<User> {
        let mut env = Env { now: Timestamp::from_millis(at_ms).unwrap(), ids: &mut Counting(0) };
        sign_in(facts, identity, &mut env).unwrap()
    }

    fn identity(subject: &str, email: Option<&str>, verified: bool) -> Identity {
        Identity {
            subject: subject.into(),
            email: email.map(str::to_owned),
            email_verified: verified,
            name: Some("Ada Byron King".to_owned()),
            picture: None,
        }
    }

    fn stored(subject: &str, email: Option<&str>) -> User {
        decide(&SignInFacts::default(), &identity(subject, email, true), 1).reply
    }

    #[test]
    fn a_new_subject_becomes_a_user_with_its_name_split() {
        let decision = decide(&SignInFacts::default(), &identity("s1", Some("a@b.c"), false), 7);
        let user = decision.reply;
        assert_eq!(
            (user.first_name.as_deref(), user.last_name.as_deref()),
            (Some("Ada"), Some("Byron King"))
        );
        assert_eq!(user.email.as_deref(), Some("a@b.c"));
        assert!(matches!(decision.changes.changes(), [Change::Insert(_)]));
    }

    #[test]
    fn d1_an_unverified_address_of_somebody_else_never_signs_in_as_them() {
        let facts = SignInFacts { by_subject: None, by_email: Some(stored("victim", Some("a@b.c"))) };
        let user = decide(&facts, &identity("attacker", Some("a@b.c"), false), 2).reply;
        assert_eq!((user.id.as_str(), user.email), ("attacker", None));
        let user = decide(&facts, &identity("same-person", Some("a@b.c"), true), 2).reply;
        assert_eq!(user.id.as_str(), "victim");
    }

    #[test]
    fn d2_a_missing_address_is_null() {
        for email in [None, Some(""), Some("  ")] {
            assert_eq!(decide(&SignInFacts::default(), &identity("s", email, false), 2).reply.email, None);
        }
    }

    #[test]
    fn d3_a_changed_address_is_taken_over_unless_somebody_else_has_it() {
        let mine = stored("me", Some("old@b.c"));
        let facts = SignInFacts { by_subject: Some(mine.clone()), by_email: None };
        let user = decide(&facts, &identity("me", Some("new@b.c"), false), 2).reply;
        assert_eq!(user.email.as_deref(), Some("new@b.c"));
        let facts = SignInFacts { by_subject: Some(mine), by_email: Some(stored("other", Some("new@b.c"))) };
        let user = decide(&facts, &identity("me", Some("new@b.c"), true), 2).reply;
        assert_eq!((user.id.as_str(), user.email.as_deref()), ("me", Some("old@b.c")));
    }

    #[test]
    fn d8_names_are_kept_when_the_provider_is_silent() {
        let mine = stored("me", Some("a@b.c"));
        let facts = SignInFacts { by_subject: Some(mine.clone()), by_email: Some(mine.clone()) };
        let silent = Identity { name: Some(String::new()), ..identity("me", None, false) };
        assert_eq!(decide(&facts, &silent, 99).reply, mine);
    }

    #[test]
    fn a_subject_that_cannot_be_an_id_is_refused() {
        let mut env = Env { now: Timestamp::EPOCH, ids: &mut Counting(0) };
        for subject in [String::new(), "x".repeat(129), "a\nb".to_owned()] {
            let identity = identity(&subject, None, false);
            assert!(sign_in(&SignInFacts::default(), &identity, &mut env).is_err(), "{subject:?}");
        }
    }

    #[test]
    fn accepting_the_terms_again_moves_the_time() {
        let mut env = Env { now: Timestamp::from_millis(5).unwrap(), ids: &mut Counting(0) };
        let first = accept_terms(&stored("me", None), &mut env).reply;
        assert!(first.accepted_terms);
        env.now = Timestamp::from_millis(9).unwrap();
        let again = accept_terms(&first, &mut env).reply;
        assert_eq!((again.accepted_terms_at, again.updated_at), (Some(env.now), Some(env.now)));
    }

    #[test]
    fn d10_d32_leaving_deletes_the_user_and_ends_sessions_and_pictures() {
        let account = Account { user: stored("me", None), restaurant: Some(crate::sample::row("r")) };
        let upload = Upload { attached_at: Some(Timestamp::EPOCH), ..crate::sample::row("public/uploads/a") };
        let mut env = Env { now: Timestamp::EPOCH, ids: &mut Counting(0) };
        let decision = delete(&account, std::slice::from_ref(&upload), &mut env);
        let detached = Upload { attached_at: None, ..upload.clone() };
        assert_eq!(
            decision.changes.changes(),
            [
                Change::Update { before: upload.into(), after: detached.into() },
                Change::Delete(crate::RowKey::new(Table::Users, "me")),
            ]
        );
        assert_eq!(
            decision.effects,
            [
                Effect::RevokeSessions { user: "me".into(), restaurant: Some("r".into()) },
                Effect::DeleteBlob { key: "public/uploads/a".to_owned() },
            ]
        );
    }
}
