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

mod allowed_calls_reach_clickbank;
mod ask;
mod boundaries;
mod call_reading;
mod catalogue_matches_the_facts;
mod command_line;
mod connections_to_clickbank;
mod decisions;
mod demo;
mod documentation;
mod drain_and_signals;
mod example_configurations;
mod facts;
mod golden;
mod naive_evaluator;
mod naming_the_nickname;
mod one_answer_for_every_bad_key;
mod one_message_is_one_request;
mod pacing;
mod properties;
mod real_clients;
mod refusals_reach_nobody;
mod secrets_do_not_leak;
mod support;
mod upstream_trouble;
mod wrong_configurations;
