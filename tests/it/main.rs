//! The gateway's behaviours, a module each, in one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is tests, and a test that cannot go on fails"
)]

mod command_line;
mod example_configurations;
mod golden;
mod support;
mod wrong_configurations;
