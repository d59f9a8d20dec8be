//! The promises of the store, kept by every database.
//!
//! A new adapter joins with one line at the end of this file.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up must fail")]

mod adapters;
mod concurrency;
mod ids;
mod jobs;
mod journal;
mod legacy;
mod lists;
mod pages;
mod postgres_database;
mod records;
mod refusals;
mod rollback;
mod rows;
mod sqlite_file;

/// One test for each promise, on the adapter that `$open` opens.
macro_rules! kept_by {
    ($adapter:ident) => {
        mod $adapter {
            kept_by!(@each $adapter:
                ids::an_id_is_never_given_again_after_a_deletion,
                ids::an_id_that_was_brought_along_is_never_given_again,
                ids::a_rolled_back_transaction_gives_its_ids_back,
                ids::each_kind_counts_for_itself,
                ids::an_id_that_a_kept_savepoint_gave_is_not_given_again,
                ids::when_no_id_is_left_the_store_says_so,
                lists::pools_come_by_name_bytewise,
                lists::members_come_by_id,
                lists::vhosts_come_by_server_name_bytewise,
                lists::routes_come_longest_prefix_first_then_by_id,
                lists::a_pool_is_found_whatever_the_case_of_its_name,
                lists::pool_refs_tell_name_and_kind_of_every_pool,
                lists::only_pools_with_an_enabled_member_serve,
                lists::pools_backed_by_a_pool_are_found,
                lists::vhosts_that_use_a_pool_are_found_by_default_and_by_route,
                lists::a_route_is_found_by_its_prefix_without_the_slash_at_its_end,
                lists::the_routes_of_a_bucket_are_those_of_it_and_its_parts,
                lists::route_pool_ids_leave_the_automatic_route_out,
                lists::the_size_of_the_gateway_follows_its_rows,
                lists::routes_of_a_vhost_to_a_pool_are_taken_together,
                lists::buckets_are_counted_by_vhost_and_status,
                lists::what_is_not_there_is_none_and_empty,
                pages::pools_come_in_pages_by_name,
                pages::vhosts_come_in_pages_by_server_name,
                pages::members_come_in_pages_by_id,
                pages::routes_come_in_pages_longest_prefix_first_then_by_id,
                refusals::a_stale_save_is_refused_and_changes_nothing,
                refusals::a_save_of_a_deleted_row_is_stale,
                refusals::an_id_can_be_inserted_once,
                refusals::a_pool_name_is_unique_whatever_its_case,
                refusals::a_server_name_is_unique,
                refusals::a_prefix_is_unique_in_its_vhost_whatever_slash_ends_it,
                refusals::a_refused_save_leaves_the_transaction_usable,
                refusals::a_pool_in_use_is_not_deleted,
                refusals::a_row_may_not_refer_to_nothing,
                refusals::a_transaction_for_reading_cannot_write,
                refusals::deleting_what_is_gone_is_no_fault,
                refusals::deleting_a_pool_takes_its_members_and_frees_the_pools_it_backed,
                refusals::deleting_a_vhost_takes_its_routes,
                rollback::an_error_leaves_no_trace,
                rollback::a_panic_leaves_no_trace_and_a_store_that_works,
                rollback::a_savepoint_undoes_its_own_part_only,
                rollback::a_savepoint_that_is_kept_is_committed_with_the_rest,
                rollback::savepoints_can_be_nested,
                concurrency::a_reader_sees_nothing_uncommitted_and_does_not_wait_for_the_writer,
                concurrency::a_reader_keeps_one_state_while_a_writer_commits,
                concurrency::no_update_of_concurrent_writers_is_lost,
                concurrency::a_transaction_reads_its_own_writes,
                rows::every_field_of_a_pool_comes_back,
                rows::every_field_of_a_member_comes_back,
                rows::every_field_of_a_vhost_comes_back,
                rows::every_field_of_a_route_comes_back,
                rows::any_description_comes_back,
                rows::an_entity_of_another_life_begins_at_a_revision_of_its_own,
                journal::an_audit_entry_comes_back_as_it_was_written,
                journal::audit_entries_come_newest_first_in_pages,
                journal::audit_entries_are_filtered_by_subject_and_time,
                journal::a_file_record_is_replaced_and_forgotten,
                journal::a_fact_is_replaced,
                journal::an_ended_session_is_remembered_until_its_cookie_is_void,
                records::the_disabled_routes_of_a_vhost_are_found,
                records::a_credential_is_replaced_and_goes_with_its_pool,
                records::buckets_come_by_name_and_by_status_and_follow_their_vhost,
                records::many_buckets_are_saved_at_once_and_replace_what_was_there,
                records::when_buckets_were_listed_is_kept_for_each_vhost_and_goes_with_it,
                records::every_field_of_a_migration_comes_back_and_outlives_what_it_was_about,
                records::migrations_are_found_by_bucket_and_by_what_nginx_has_of_them,
                records::the_newest_migrations_are_found_by_phase_and_those_to_be_worked_on_by_what_is_left_to_do,
                records::the_log_of_a_migration_is_read_from_its_newest_line_and_cut_at_its_oldest,
                jobs::every_field_of_a_job_comes_back_and_the_newest_come_first,
                jobs::ended_jobs_are_forgotten_oldest_first_and_others_never,
                records::raised_ids_are_never_given_and_never_lowered,
                records::clearing_the_gateway_keeps_the_audit_log_ids_and_facts,
                records::old_audit_entries_are_pruned_in_steps,
            );
        }
    };
    (@each $adapter:ident: $($group:ident::$promise:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let opened = super::adapters::$adapter().await;
                super::$group::$promise(&opened.store).await;
            }
        )+
    };
}

kept_by!(memory);
kept_by!(sqlite);
kept_by!(postgres);
