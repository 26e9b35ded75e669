//! Everything that this process says, the gateways in it at their most talkative: log lines and panics. It is kept, so
//! that each test can search what was said in its time for what it planted.

use std::io;
use std::sync::{Mutex, Once};

use clickbank_gateway::telemetry::{Format, subscriber};
use tracing::level_filters::LevelFilter;

static SAID: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Where everything goes that is said.
#[derive(Clone, Copy)]
struct Ear;

impl io::Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SAID.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens from now on. Gives the place from which [`since`] repeats.
pub(crate) fn listen() -> usize {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let trace = LevelFilter::TRACE;
        tracing::subscriber::set_global_default(subscriber(Format::Json, trace, trace, false, || Ear)).unwrap();
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // A test that fails says what it found; that is nothing of the gateway's.
            let ours = panic.location().is_some_and(|location| location.file().starts_with("src/"));
            if let Some(message) = panic.payload_as_str().filter(|_| ours) {
                SAID.lock().unwrap().extend_from_slice(message.as_bytes());
            }
            shown(panic);
        }));
    });
    SAID.lock().unwrap().len()
}

/// What has been said since.
pub(crate) fn since(place: usize) -> Vec<u8> {
    SAID.lock().unwrap()[place..].to_vec()
}
