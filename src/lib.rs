//! A reverse proxy that lends internal apps exactly the part of a ClickBank API key they may use.

/// The two files that people write.
pub mod config;
/// The rules, pure.
pub mod domain;
/// Our keys.
pub mod keys;
/// One generation of everything that decides about a request.
pub mod snapshot;
/// TLS on both sides.
pub mod tls;
