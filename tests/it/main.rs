//! The gateway's behaviours, a module each, in one binary.

mod boundaries;
mod support;
