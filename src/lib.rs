//! A reverse proxy that lends internal apps exactly the part of a ClickBank API key they may use.

/// The operator's listener.
pub mod admin;
/// The outermost layer: one record per request.
pub mod audit;
/// The command line.
pub mod cli;
/// The two files that people write.
pub mod config;
/// The rules, pure.
pub mod domain;
/// `/livez` and `/readyz`.
pub mod health;
/// Our keys.
pub mod keys;
/// ClickBank's limits.
pub mod limit;
/// The only place where the stages are put together.
pub mod pipeline;
/// Every reason for which the gateway refuses.
pub mod rejection;
/// Listening, connections, and the end of both.
pub mod server;
/// A stand-in for ClickBank.
pub mod simulator;
/// One generation of everything that decides about a request.
pub mod snapshot;
/// The stages of a request, in order.
pub mod stage;
/// Where log lines go and how they look.
pub mod telemetry;
/// TLS on both sides.
pub mod tls;
