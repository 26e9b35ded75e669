//! The gateway's behaviours, a module each, in one binary.
//!
//! `support` starts a simulator and a gateway on loopback and checks every answer; what is here says what is sent and
//! what has to come of it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should fail loudly"
)]

mod added_behind_wide_credentials;
mod allowed_calls_reach_clickbank;
mod answers_pass_unchanged;
mod answers_that_are_not_what_they_claim;
mod ask;
mod behind_wide_credentials;
mod boundaries;
mod call_reading;
mod callers_over_tls;
mod caps_bound_changes;
mod catalogue_matches_the_facts;
mod changes_happen_once;
mod changes_survive_kills;
mod clickbank_breaks;
mod command_line;
mod community_specification;
mod connections_to_clickbank;
mod crafted_answers;
mod debug_shows_nothing;
mod decisions;
mod demo;
mod documentation;
mod drain_and_signals;
mod echoed_credential;
mod example_configurations;
mod expiring_keys;
mod facts;
mod golden;
mod hostile_requests;
mod idempotency;
mod key_file_survives;
mod last_use_is_kept;
mod ledger_survives_kills;
mod live_changes;
mod memory_is_private;
mod metrics;
mod naive_evaluator;
mod naming_the_nickname;
mod one_answer_for_every_bad_key;
mod operators_ask;
mod ownership_table;
mod pacing;
mod promise;
mod properties;
mod reading_again;
mod real_clients;
mod refunds_as_documented;
mod revoked_while_queued;
mod rotation;
mod rows_against_a_naive_reader;
mod secrets_do_not_leak;
mod simulator_control;
mod simulator_faults;
mod simulator_limits;
mod support;
mod unused_grants;
mod upstream_is_verified;
mod upstream_trouble;
mod wrong_configurations;
