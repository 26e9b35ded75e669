//! Values of options, as clap reads them. Each refusal says what to write instead.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use jiff::civil::Date;

pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:8080")
}

/// For what has nothing to keep secrets with.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, &'static str> {
    let address = address(text)?;
    if address.ip().is_loopback() { Ok(address) } else { Err("it listens on loopback only: 127.0.0.1 or [::1]") }
}

pub(super) fn seed(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "write a whole number from 0 to 18446744073709551615")
}

pub(super) fn date(text: &str) -> Result<Date, &'static str> {
    text.parse().map_err(|_| "write a date, such as 2026-11-20")
}

pub(super) fn rows(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "write a whole number from 1")
}

/// At most an hour.
pub(super) fn seconds(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|seconds| *seconds <= 3_600).ok_or("write a whole number from 0 to 3600")
}

/// What mends it that an address cannot be listened on, as a line of its own, where that is known.
pub(super) fn mend_of_address(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AddrInUse => "\n  something listens there already; stop it, or choose another address",
        ErrorKind::AddrNotAvailable => "\n  this machine has no such address; choose one that it has",
        _ => "",
    }
}
