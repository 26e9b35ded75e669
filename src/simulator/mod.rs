//! The simulator: a stand-in for ClickBank's REST API, because ClickBank has no sandbox.
//!
//! It serves tests, `demo` and `simulate`. It binds loopback only and says in every answer, by
//! `Server: clickbank-simulator`, that it is not ClickBank. It knows nothing of the gateway: what it reads, it
//! reads with its own code, and as leniently as a JAX-RS application does, for that leniency is what the gateway
//! has to be safe against.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | what a simulator is started with |
//! | [`keys`] | the simulator's API keys: permission → nicknames |
//! | [`world`] | accounts, orders, tickets, products, and the demo data made from a seed |
//! | [`wire`] | request, route, answer, and the XML and JSON writers |
//! | `service` | one file per service of the API: pure functions from world and request to answer |
//! | [`server`] | the same world behind TLS on a socket |
//! | [`fault`] | what goes wrong on demand, and on which requests |
//! | [`limit`] | requests a second and a day |
//!
//! [`World::answer`](world::World::answer) is the whole of ClickBank without sockets: a property test calls it
//! directly. [`Simulator`] puts it behind HTTP/1.1 over TLS.
//!
//! # Faithful, and guessed
//!
//! Paths, parameters, permissions, field names, the JSON image of the XML, `Page` and 206, and "403 for everything"
//! follow ClickBank's help pages, its XML schemas, and what client authors observed. Where nobody knows, the module
//! concerned says that it guesses. The guesses that matter most:
//!
//! * A key sees exactly its reach, row by row, in lists and in counts.
//! * A sale that a key reaches as seller and as affiliate shows once, as the seller's
//!   ([`SharedSale`] changes that).
//! * Customer fields are nil in rows whose role is not `VENDOR`.
//! * Root elements of the XML lists.
//! * Most errors of changes, and what a change does beyond the words of the help pages.

pub mod config;
pub mod fault;
pub mod keys;
pub mod limit;
mod money;
mod nickname;
mod pattern;
mod random;
pub mod server;
mod service;
pub mod wire;
pub mod world;

pub use config::{EmptyList, Settings, SharedSale, SimulatorConfig};
pub use fault::{ActiveFault, EchoForm, Fault, FaultPath, FaultRule};
pub use keys::{KeySecret, KeySpec, Nicknames, Permission, Reach, SimulatorKey};
pub use limit::Limits;
pub use money::Cents;
pub use nickname::{Nickname, NicknameSet};
pub use server::{Outcome, Received, Simulator};
pub use wire::{Answer, Request};
pub use world::{World, WorldSpec};
