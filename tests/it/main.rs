//! The gateway's behaviours, a module each, in one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is tests, and a test that cannot go on fails"
)]

mod ask;
mod call_reading;
mod catalogue_matches_the_facts;
mod decisions;
mod facts;
mod naive_evaluator;
mod support;
