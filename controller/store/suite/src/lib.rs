//! What every store has to hold, as tests that an implementation runs on itself:
//!
//! ```ignore
//! fn place() -> (MyFactory, TempDir) { … }
//! pratique_store_suite::suite!(place);
//! ```
//!
//! `place` gives an empty place with whatever has to be kept until the test is over. What only one kind of store can show (files,
//! locks, a full disk, tampering) is tested beside it.
//!
//! * [`log`]: the log, its fence and its snapshots; [`tables`]: what lies beside it; [`reads`]: what people read
//! * [`erasing`]: retention and purge; [`outbox`]: notices; [`beside`]: ticks and held rows
//! * [`random`]: whatever is done in whatever order, a store gives what the one in memory gives
//! * [`samples`]: batches to try it with

pub mod beside;
pub mod erasing;
pub mod log;
pub mod outbox;
pub mod random;
pub mod reads;
pub mod samples;
pub mod tables;

/// All tests for the store that `$place` makes: a function that returns an empty
/// [`Factory`](pratique_store::factory::Factory) and what has to be kept for it.
#[macro_export]
macro_rules! suite {
    ($place:path) => {
        $crate::tests! { $place,
            log: [
                the_log_comes_back_as_it_was_appended_and_verifies,
                what_was_acknowledged_is_there_although_nobody_closed_the_store,
                who_does_not_know_the_last_entry_stores_nothing,
                two_snapshots_are_kept_and_the_newest_stands_for_what_came_before,
                an_anchor_from_another_log_is_found,
            ]
            tables: [
                everything_beside_the_log_comes_back_as_it_was_stored,
                what_is_stored_again_replaces_what_was,
                what_was_told_beside_sessions_comes_back_and_leaves_with_them,
                a_session_that_became_part_of_another_one_leaves,
                what_is_news_of_contacts_is_counted_and_silence_keeps_them,
                sightings_older_than_eight_days_before_the_newest_are_not_recent,
                recent_sightings_come_in_pieces_in_the_order_they_came,
                sightings_that_waited_belong_to_the_case_they_opened_together,
                who_told_again_is_named_once_and_never_beside_itself,
                batches_of_every_size_are_stored_whole,
            ]
            reads: [
                readers_see_a_case_its_texts_its_sightings_and_deliveries,
                evidence_is_found_by_address_and_network_and_nothing_else_is,
                deliveries_are_found_by_what_became_of_them,
                a_line_sees_its_own_sightings_but_not_what_only_informs_or_was_taken_back,
                attributed_sightings_come_in_order_without_what_only_informs,
                a_lines_checks_come_newest_first_bounded_and_without_anybody_elses,
                a_read_returns_no_more_than_a_page,
            ]
            erasing: [
                a_purged_line_is_gone_and_the_log_still_verifies,
                numbers_of_erased_rows_are_never_given_again,
                retention_spares_what_is_young_and_what_open_cases_rest_on,
                retention_goes_through_large_tables_piece_by_piece,
                a_line_goes_when_nothing_has_named_it_for_as_long_as_lines_are_kept,
                where_notices_go_is_kept_as_told_and_goes_with_its_line,
                refused_rows_go_by_age_and_with_the_line_that_they_name,
                a_place_of_another_store_is_refused,
            ]
            outbox: [
                the_same_entry_of_the_log_asks_once_and_the_position_outlives_a_restart,
                what_ended_is_tried_no_more_and_told_until_the_log_has_it,
                each_channel_has_a_queue_of_its_own,
                what_waited_too_long_ends_whether_it_was_tried_or_not,
                a_bounce_counts_once_and_only_for_what_was_sent,
                a_purged_line_and_a_log_that_went_back_leave_nothing_behind,
                what_was_told_is_forgotten_after_its_time,
                only_what_went_out_counts_towards_a_lines_share,
            ]
            beside: [
                ticks_come_back_in_their_order_until_others_take_their_place,
                a_piece_is_there_whole_until_it_is_taken_away,
            ]
        }

        #[test]
        fn whatever_is_done_it_gives_what_the_store_in_memory_gives() {
            $crate::random::whatever_is_done_it_gives_what_the_store_in_memory_gives($place);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! tests {
    ($place:path, $($module:ident: [$($name:ident),* $(,)?])*) => {
        $crate::tests! { @each $place, $($($module $name,)*)* }
    };
    (@each $place:path, $($module:ident $name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let (factory, _kept) = $place();
                $crate::$module::$name(&factory).await;
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_test_is_in_the_macro() {
        let rooms = [
            include_str!("log.rs"),
            include_str!("tables.rs"),
            include_str!("reads.rs"),
            include_str!("erasing.rs"),
            include_str!("outbox.rs"),
            include_str!("beside.rs"),
        ];
        let listed = include_str!("lib.rs");
        let mut found = 0;
        for room in rooms {
            for line in room.lines().filter_map(|line| line.strip_prefix("pub async fn ")) {
                let name = line.split('(').next().unwrap();
                assert!(listed.contains(&format!("                {name},\n")), "`{name}` is run by nobody");
                found += 1;
            }
        }
        assert_eq!(
            found,
            listed.lines().filter(|line| line.starts_with("                ") && line.ends_with(',')).count()
        );
    }
}
