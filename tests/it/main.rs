//! The gateway's behaviours, a module each, in one binary.
//!
//! `support` starts a simulator and a gateway on loopback and checks every answer; what is here says what is sent and
//! what has to come of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is tests, and a test that cannot go on fails"
)]

mod allowed_calls_reach_clickbank;
mod demo;
mod drain_and_signals;
mod naming_the_nickname;
mod one_answer_for_every_bad_key;
mod one_message_is_one_request;
mod real_clients;
mod refusals_reach_nobody;
mod secrets_do_not_leak;
mod support;
mod upstream_trouble;
