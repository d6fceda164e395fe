//! The cases of [`Store`], and what runs beside them: [`sample`] rows, and the [`differential`] runner.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed case is a panic")]

pub mod absence;
pub mod cascade;
pub mod catalogue;
pub mod commit;
pub mod differential;
pub mod orders;
pub mod probe;
pub mod races;
pub mod reads;
pub mod retry;
pub mod roundtrip;
pub mod sample;
pub mod scan;
pub mod sequence;
pub mod unique;

use waiterix_ports::Store;

crate::cases! {
    ($)
    /// Expands to one test per case of [`waiterix_ports::Store`]; takes the path of an
    /// `async fn() -> Fixture<dyn Store>`.
    store_contract, store, dyn Store;
    reads::s01_an_account_is_the_user_then_the_restaurant,
    reads::s01_tables_come_by_id_bytewise,
    reads::s01_a_menu_comes_by_creation_then_id,
    reads::s01_assistance_requests_come_newest_first_with_the_current_label,
    reads::s01_assistance_facts_name_tables_by_id_or_label,
    reads::s01_ai_knowledge_holds_the_house_part_by_part,
    reads::s01_questions_come_newest_first_and_with_their_answers,
    reads::s01_abandoned_uploads_come_oldest_first,
    reads::s01_answers_hold_whole_rows,
    reads::s01_a_blank_restaurant_is_answered_as_it_is,
    reads::s01_a_microsecond_decides_the_order,
    orders::s01_live_orders_come_newest_first_without_old_completed_ones,
    orders::s01_a_period_holds_its_start_and_not_its_end,
    orders::s01_an_order_comes_with_its_house_and_lines,
    orders::s01_ratings_come_oldest_first_for_an_order_and_newest_first_for_a_house,
    orders::s01_order_facts_hold_what_placing_an_order_relies_on,
    orders::s01_counts_come_most_frequent_first_then_by_label,
    orders::s01_old_idempotency_keys_come_oldest_first,
    orders::s03_a_composite_answer_shows_one_moment,
    absence::s02_unknown_ids_give_empty_answers,
    absence::s02_an_empty_store_answers_every_query,
    absence::s04_reading_changes_nothing,
    absence::s06_impossible_texts_are_not_found,
    absence::s06_the_rest_of_the_question_is_answered,
    absence::s10_a_commit_is_visible_to_every_later_read,
    absence::s10_all_changes_of_a_set_are_visible,
    roundtrip::s05_every_column_survives_a_round_trip,
    roundtrip::s05_inserted_rows_survive_a_round_trip,
    roundtrip::s05_queries_and_scans_agree_on_every_value,
    roundtrip::s05_null_is_nothing_else,
    roundtrip::s05_microseconds_survive,
    roundtrip::s05_long_values_survive,
    roundtrip::s05_any_text_can_be_a_key,
    commit::s11_a_failed_commit_changes_nothing,
    commit::s11_a_failed_set_succeeds_once_its_cause_is_gone,
    commit::s12_inserting_over_another_row_conflicts,
    commit::s12_inserting_the_very_same_row_is_done_already,
    commit::s13_every_column_guards_an_update,
    commit::s13_a_stale_update_conflicts_at_its_place,
    commit::s13_an_update_to_what_another_commit_made_of_the_row_conflicts,
    commit::s13_an_update_of_another_key_is_invalid,
    commit::s15_add_counts_exactly,
    commit::s15_counting_an_absent_row_conflicts,
    commit::s15_a_count_outside_32_bits_is_invalid,
    commit::s16_a_requirement_that_fails_fails_the_set,
    commit::s16_every_column_counts_as_changed,
    commit::s22_a_set_of_the_greatest_size_is_committed,
    commit::s22_requirements_count_as_changes,
    commit::s23_a_text_with_nul_is_invalid,
    commit::s24_an_empty_set_succeeds,
    sequence::s21_parents_and_children_go_in_one_set,
    sequence::s21_a_child_before_its_parent_conflicts,
    sequence::s21_changes_build_on_one_another,
    sequence::s21_a_change_sees_what_went_before_it,
    sequence::s21_what_was_freed_may_be_taken,
    sequence::s21_a_delete_takes_what_is_there_at_its_turn,
    unique::s17_an_insert_that_breaks_a_rule_conflicts_with_that_rule,
    unique::s17_an_update_that_breaks_a_rule_conflicts_with_that_rule,
    unique::s17_rows_that_only_look_alike_are_not_refused,
    unique::s17_a_row_does_not_clash_with_itself,
    cascade::s14_every_foreign_key_is_followed,
    cascade::s14_deleting_a_user_deletes_the_house_but_not_the_uploads,
    cascade::s14_all_children_are_reached,
    cascade::s14_a_row_can_lose_several_parents_at_once,
    cascade::s14_deleting_an_absent_row_is_done_already,
    cascade::s18_a_reference_to_nothing_conflicts,
    cascade::s18_a_parent_deleted_in_the_same_set_is_gone,
    retry::s19_a_set_sent_again_changes_nothing,
    retry::s19_an_update_sent_again_leaves_a_value_that_came_back,
    retry::s19_a_count_sent_again_counts_once,
    retry::s19_a_delete_sent_again_leaves_a_row_made_anew,
    retry::s19_a_set_sent_again_does_not_ask_again,
    retry::s19_a_set_sent_again_takes_nothing_back,
    retry::s19_a_set_sent_many_times_at_once_happens_once,
    races::s12_one_of_many_inserts_gets_the_key,
    races::s12_many_inserts_of_the_same_row_all_succeed,
    races::s15_many_adds_at_once_are_all_counted,
    races::s17_one_of_many_clashing_inserts_succeeds,
    races::s18_no_child_survives_its_parent,
    races::s20_one_of_many_updates_succeeds,
    races::s20_one_of_many_equal_updates_succeeds,
    races::s20_no_update_is_lost,
    races::s20_an_update_never_brings_a_deleted_row_back,
    races::s25_two_that_require_what_the_other_updates,
    races::s25_two_that_require_the_absence_of_the_other,
    races::s25_two_that_require_the_presence_of_the_other,
    races::s25_a_count_changes_what_another_requires,
    scan::s30_pages_give_every_row_once_in_bytewise_order,
    scan::s30_only_the_last_page_is_short,
    scan::s30_a_range_is_open_at_its_start_and_closed_at_its_end,
    scan::s30_every_table_is_walked,
    scan::s31_a_row_that_stays_is_in_the_walk,
    scan::s31_a_walk_under_writes_holds_all_that_stays,
    scan::s32_a_page_has_at_most_ten_thousand_rows,
    scan::s40_the_digest_is_that_of_the_rows,
    scan::s40_the_digest_of_a_range_is_that_of_its_rows,
    scan::s40_the_digest_of_odd_values_is_that_of_the_rows,
    scan::s50_old_ids_are_forgotten_and_younger_ones_kept,
    scan::s50_no_more_than_the_limit_are_forgotten,
    scan::s50_inserts_are_recognised_without_their_id,
    scan::s60_a_working_store_says_so,
}
