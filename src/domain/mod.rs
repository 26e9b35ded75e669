//! The rules, pure: what a nickname, a permission, an endpoint, a request target and a decision are.
//!
//! Nothing here does I/O, waits, or knows of tower, hyper or tokio, so every rule can be called from a test, from
//! `can-i` and from a live request alike.

// Whether an answer is what it says it is.
pub mod answer;
// A request as it was understood: one endpoint and its values.
pub mod call;
// How much may be changed in any hour.
pub mod caps;
// ClickBank's endpoints, read from the catalogue.
pub mod catalogue;
// Which ClickBank keys would confine every caller, and are missing.
pub mod coverage;
// What acts at ClickBank: real keys and their reach, and which of them acts for a call.
pub mod credential;
// The decision on a call.
pub mod decision;
// The search for a secret in a text.
pub(crate) mod echo;
// One endpoint: method, path template, permissions, owner rule, parameters.
pub mod endpoint;
// What is granted and cannot be given, and the other way round.
pub mod gaps;
// Grants, and whom a call is about.
pub mod matrix;
// Account nicknames, sets of them, and scopes.
pub mod nickname;
// Whose an order is, and which rows a caller gets.
pub mod ownership;
// The five boxes of ClickBank's API Management page.
pub mod permission;
// Whose rows an answer holds, and an answer without some of them.
pub mod rows;
// Secrets, as types that cannot be printed.
pub mod secret;
// The request target: read strictly once, written anew for the upstream.
pub mod target;
