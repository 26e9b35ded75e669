//! What the behaviours share: a configuration written to a temporary directory, a simulator and a gateway behind
//! sockets of their own, a client that sends any bytes, and the checks that hold for every answer.

pub(crate) mod changes;
pub(crate) mod emissions;
pub(crate) mod gate;
pub(crate) mod in_process;
pub(crate) mod openmetrics;
pub(crate) mod process;
pub(crate) mod raw_tls;
pub(crate) mod scene;
pub(crate) mod secrets;
pub(crate) mod setup;
pub(crate) mod upstream;
pub(crate) mod wire;

use std::time::Duration;

/// Waits for something that has to happen. The bound is no statement about speed: it only keeps a broken gateway from
/// holding up the whole run.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_mins(1), future).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
