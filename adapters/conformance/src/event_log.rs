//! What every event log has to do, as one test for each promise of `dropbridge_port::EventLog`.
//!
//! An adapter implements [`Bench`] and writes [`event_log_cases!`](crate::event_log_cases) into a test file: each case
//! becomes a `#[test]` of its own. Cases share nothing: each has its own topics, transactional ids and groups, so all
//! of them may run at once on one broker.
//!
//! A log may need a moment between the answer to a commit and the time when readers see it (Kafka writes its markers
//! then), so cases wait for what must come. That something must *not* come is shown by what is committed behind it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod bench;
pub mod compaction;
pub mod fencing;
pub mod groups;
pub mod interleaving;
pub mod misuse;
pub mod placement;
pub mod reading;
pub mod records;
pub mod restart;
pub mod settling;
pub mod topics;
pub mod transactions;

pub use bench::Bench;

/// Makes a `#[test]` of each case. The argument is an expression that gives a [`Bench`]; it is evaluated anew for each.
#[macro_export]
macro_rules! event_log_cases {
    ($bench:expr) => {
        $crate::event_log_cases! { $bench;
            topics: creating_topics_again_changes_nothing, topics_that_are_missing_are_left_out,
                a_topic_that_does_not_exist_is_not_found;
            transactions: a_transaction_over_several_topics_appears_at_once, an_aborted_transaction_is_never_seen,
                an_open_transaction_stalls_committed_readers_of_its_partitions_only,
                readers_of_uncommitted_data_see_open_transactions, an_empty_transaction_commits,
                a_transaction_larger_than_any_buffer_appears_whole;
            fencing: a_second_writer_fences_the_first_between_transactions,
                a_second_writer_fences_the_first_in_mid_transaction, a_second_writer_fences_the_first_before_its_commit,
                what_the_first_left_open_is_aborted_before_the_second_has_the_id,
                other_transactional_ids_are_not_fenced;
            groups: offsets_are_committed_with_the_transaction, offsets_of_an_aborted_transaction_are_forgotten,
                groups_do_not_see_each_other;
            settling: ranges_are_exact_for_each_tag_topic_and_partition, ranges_grow_with_the_transaction,
                ranges_start_anew_with_each_transaction, watermarks_hold_what_is_settled;
            placement: keys_go_where_java_puts_them, a_key_stays_in_its_partition_and_in_order,
                a_named_partition_is_honoured, a_partition_that_does_not_exist_is_not_found;
            compaction: the_newest_record_of_each_key_stays, compaction_leaves_other_topics_alone;
            restart: everything_committed_is_there_after_a_restart,
                an_open_transaction_is_invisible_after_a_restart_and_aborted_by_the_next_writer;
            reading: the_end_of_an_empty_partition_is_told_once, the_end_is_told_again_after_new_records,
                the_end_is_told_behind_aborted_records, an_end_says_how_far_all_is_decided, readers_start_where_they_are_told_to,
                a_poll_without_news_is_idle;
            records: keys_values_and_headers_come_back_as_they_were_sent, a_large_value_comes_back_whole,
                a_record_that_is_too_large_is_unacceptable, a_compacted_topic_takes_no_record_without_a_key,
                timestamps_are_those_of_the_clock;
            misuse: beginning_twice_is_a_bug, aborting_without_a_transaction_is_fine;
            interleaving: every_committed_record_is_read_once_and_in_order;
        }
    };
    ($bench:expr; $($module:ident: $($case:ident),+;)+) => {
        $($(
            #[test]
            fn $case() {
                $crate::event_log::$module::$case(&$bench);
            }
        )+)+
    };
}
