//! The gateway's behaviours, a module each, in one binary.

mod catalogue_matches_the_facts;
mod facts;
mod support;
