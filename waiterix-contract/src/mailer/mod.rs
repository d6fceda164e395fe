//! The cases of [`Mailer`].
//!
//! A fixture brings an [`Inbox`] along, in which the cases read what arrived; taking received mail apart is the
//! business of the adapter's test.

mod inbox;
pub mod marked;
pub mod send;
pub mod suppress;

use waiterix_ports::{Mail, MailId, MailKind, Mailer, Outcome};

pub use inbox::{Inbox, MailFixture, Received};

/// An ordinary mail with this id and recipient.
#[allow(clippy::expect_used, reason = "a failed case is a panic")]
fn mail(id: &str, to: &str) -> Mail {
    Mail {
        id: MailId::new(id).expect("a mail id"),
        kind: MailKind::Receipt,
        to: to.to_owned(),
        reply_to: None,
        subject: format!("Order receipt {id:.60}"),
        html: "<p>Thank you &amp; good bye</p>".to_owned(),
        text: "Thank you & good bye".to_owned(),
    }
}

impl MailFixture {
    #[allow(clippy::unwrap_used, reason = "a failed case is a panic")]
    async fn send(&self, mail: &Mail) -> Outcome {
        self.port().send(mail).await.unwrap()
    }

    /// Sends what must be taken; answers the message id.
    #[allow(clippy::panic, reason = "a failed case is a panic")]
    async fn accepted(&self, mail: &Mail) -> String {
        match self.send(mail).await {
            Outcome::Accepted { message_id } => {
                assert!(!message_id.is_empty(), "an accepted mail has an id");
                message_id
            }
            other => panic!("{other:?} for a mail that is in order"),
        }
    }
}

crate::cases! {
    ($)
    /// Expands to one test per clause of [`waiterix_ports::Mailer`]; takes the path of an `async fn() -> MailFixture`.
    mailer_contract, mailer, dyn Mailer, MailFixture;
    send::m1_an_accepted_mail_arrives_as_it_was_rendered,
    send::m1_any_unicode_arrives,
    send::m1_text_that_looks_like_mail_syntax_arrives,
    send::m1_every_kind_and_long_ids_are_sent,
    send::m2_the_same_mail_again_is_a_duplicate,
    send::m2_ids_that_look_alike_are_different,
    send::m3_the_same_id_with_other_content_is_a_conflict,
    send::m4_a_suppressed_recipient_gets_nothing,
    send::m5_malformed_addresses_are_rejected,
    send::m5_headers_cannot_be_smuggled_in,
    send::m5_subjects_at_the_limit_are_fine_and_above_it_rejected,
    send::m5_an_empty_part_is_rejected,
    send::m5_a_mail_at_the_limit_is_fine_and_above_it_rejected,
    send::m5_a_rejected_mail_can_be_sent_when_it_is_mended,
    send::m6_several_sends_of_one_id_at_once_send_one_mail,
    suppress::m10_suppression_takes_effect_for_the_next_send,
    suppress::m10_repeating_is_harmless_and_the_case_of_the_domain_does_not_matter,
    suppress::m10_a_malformed_address_is_invalid,
    suppress::m11_the_answer_is_what_was_set_last,
    suppress::m90_a_working_mailer_is_proven_and_sends_nothing,
}
