//! The gateway's behaviours, a module each, in one binary.

mod ask;
mod boundaries;
mod catalogue_matches_the_facts;
mod decisions;
mod facts;
mod naive_evaluator;
mod support;
