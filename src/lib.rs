//! A reverse proxy that lends internal apps exactly the part of a ClickBank API key that they may use.
//!
//! > For every caller the gateway behaves as if ClickBank itself had issued that caller a key with exactly its grants,
//! > or it refuses.
//!
//! An app presents a key of the gateway; the gateway recognises the ClickBank endpoint, resolves which account nicknames
//! the call is about, asks the matrix *key × nickname × permission*, waits for the call's turn within ClickBank's
//! limits, sends it in its own words with the real credential, and lets back only what that app may see.
//!
//! Read the modules in this order: what the rules are ([`domain`]), where they come from ([`keys`], [`config`],
//! [`snapshot`], [`known`]), how a request meets them ([`pipeline`], [`stage`], [`limit`], [`rejection`], [`audit`],
//! [`metrics`]), what runs it
//! all ([`server`], [`health`], [`admin`], [`tls`], [`telemetry`], [`process`], [`cli`]), and what stands in for ClickBank
//! ([`simulator`]).

// The rules, pure: nicknames, permissions, endpoints, targets, the matrix and its decision.
pub mod domain;

// The two files that people write, parsed into types that cannot hold a bad value.
pub mod config;
// Our keys: who presents which, how one is made, how the key file is written.
pub mod keys;
// What was learned of ClickBank: whose orders are whose.
pub mod known;
// One generation of everything that decides about a request.
pub mod snapshot;

// What is remembered of changes, so that each happens at most once and within its caps.
pub mod ledger;
// When keys were last used.
pub mod last_use;
// The outermost layer: one record per request.
pub mod audit;
// ClickBank's limits, held fairly for all callers.
pub mod limit;
// What is counted and timed, and how it is told.
pub mod metrics;
// The only place where the stages are put together.
pub mod pipeline;
// Every reason for which the gateway refuses, with its public code.
pub mod rejection;
// The stages of a request, in order, and what drives them.
pub mod stage;
// What is known of a request so far.
pub mod trail;

// The operator's listener.
pub mod admin;
// Listeners for brief questions.
mod brief;
// The command line.
pub mod cli;
// A caller's connection, from its first byte to its last.
mod connection;
// `/livez` and `/readyz`.
pub mod health;
// Addresses that are listened on.
mod listen;
// HTTP/1's grammar, read strictly where the HTTP library is lenient.
pub mod http1;
// Whether ClickBank accepts each credential, asked by the gateway itself.
pub mod probe;
// What the process asks of the system for itself.
pub mod process;
// Configuration files that change while the gateway runs.
pub mod reload;
// What each caller gets, to compare configurations.
pub mod roster;
// Listening, connections, and the end of both.
pub mod server;
// Where log lines go and how they look.
pub mod telemetry;
// TLS on both sides.
pub mod tls;

// A stand-in for ClickBank, which has no sandbox.
pub mod simulator;
