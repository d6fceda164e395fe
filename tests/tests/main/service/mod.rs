//! The whole service over real sockets, on every composition: what an owner and guests do in an evening, and what they hear.

mod account;
mod admin;
mod kitchen;
mod mail;
mod menu;
mod orders;
mod pictures;
mod realtime;
mod restaurant;
mod tables;
mod talk;

use waiterix_tests::stage::Stage;

/// Every case as a test of a composition.
macro_rules! suite {
    ($composition:ident, $stage:expr) => {
        mod $composition {
            use super::*;

            suite! { @cases $stage;
                account::a_mailed_code_signs_in_once_and_the_cookie_is_safe,
                account::signing_out_ends_this_session_and_no_other,
                account::the_account_is_shown_accepts_terms_and_goes_with_everything,
                admin::the_office_is_locked_opened_and_reset,
                mail::a_receipt_goes_to_the_guest_and_says_what_was_paid,
                mail::support_is_asked_in_the_owners_name,
                menu::dishes_are_added_changed_described_and_removed,
                menu::the_menu_goes_in_and_out_as_csv,
                orders::an_order_costs_what_the_menu_says_and_goes_its_way,
                orders::an_order_sent_again_is_the_same_order,
                orders::other_prices_than_the_menus_are_refused,
                orders::many_guests_at_once_lose_no_order,
                orders::guests_rate_and_the_owner_counts,
                pictures::a_picture_is_uploaded_attached_served_and_replaced,
                realtime::r1_r19_chefs_need_a_session_and_the_restaurant_before_the_handshake_is_answered,
                realtime::r21_a_foreign_page_cannot_listen_with_the_owners_cookie,
                realtime::a_ticket_opens_the_channel_once,
                realtime::r26_pings_are_answered_and_nonsense_is_ignored,
                realtime::r5_r6_r9_everybody_hears_exactly_what_concerns_them_once,
                realtime::questions_answers_and_calls_travel_between_guest_and_chef,
                realtime::r24_logging_out_closes_the_chefs_connections_of_that_session_only,
                realtime::a_message_that_is_too_big_closes_the_connection_and_nothing_else,
                restaurant::a_restaurant_is_opened_changed_and_shown_without_secrets,
                restaurant::nobody_reaches_what_is_anothers,
                tables::tables_are_named_listed_scanned_and_removed,
                talk::what_chefs_answer_is_read_and_learnt,
                talk::calls_for_the_waiter_are_listed_and_resolved,
            }
        }
    };
    (@cases $stage:expr; $($room:ident::$case:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                if let Some(stage) = $stage.await {
                    $room::$case(&stage).await;
                }
            }
        )+
    };
}

suite!(local, async { Some(Stage::local()) });
suite!(legacy, Stage::legacy());
suite!(aws, Stage::aws());
suite!(dual, Stage::dual());
