//! A gateway that ends does not take the socket of the one that has taken its place.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use crate::support::scene::{Scene, start_gateway};
use crate::support::setup::Setup;

#[tokio::test]
async fn the_end_of_the_old_gateway_leaves_the_new_ones_socket() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("proxy.sock");
    let Scene { simulator, gateway, written } =
        Scene::start(&Setup::acme().listen(&format!("address = \"unix:{}\"", socket.display()))).await;
    // Half a head keeps the old gateway draining.
    let mut slow = UnixStream::connect(&socket).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let draining = tokio::spawn(gateway.drain(Duration::from_secs(1)));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let successor = start_gateway(&written).await;
    draining.await.unwrap();
    UnixStream::connect(&socket).await.expect("the new gateway can be reached");
    successor.drain(Duration::ZERO).await;
    simulator.stop().await;
}
