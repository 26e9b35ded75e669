//! Where whatever comes has to wait, or not.

use tokio::sync::watch;

use super::within;

/// It is open until it is shut.
pub(crate) struct Gate {
    waiting: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { waiting: watch::Sender::new(0), open: watch::Sender::new(true) }
    }

    pub(crate) fn shut(&self) {
        self.waiting.send_replace(0);
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until so many wait.
    pub(crate) async fn has(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        within("all to wait at a gate", waiting.wait_for(|waiting| *waiting >= count)).await.unwrap();
    }

    pub(crate) async fn pass(&self) {
        let mut open = self.open.subscribe();
        if !*open.borrow() {
            self.waiting.send_modify(|waiting| *waiting += 1);
            // When the gate is gone, so is whoever waited.
            let _ = open.wait_for(|open| *open).await;
        }
    }
}
