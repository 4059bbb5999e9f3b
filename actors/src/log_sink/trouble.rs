//! Whether lines can be kept. Outside of the actor, so that whoever asks need not wait for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A store that takes longer than this for a batch is in trouble.
const SLOW: Duration = Duration::from_secs(10);

/// Why lines can not be kept, if they can not.
#[derive(Debug, Default)]
pub struct LogTrouble(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the batch was handed over that the store has not answered yet.
    asked: Option<Instant>,
    /// What the store said to the last batch, if it did not keep it.
    refused: Option<String>,
}

impl LogTrouble {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch is handed to the store.
    pub(super) fn asked(&self) {
        self.lock().asked = Some(Instant::now());
    }

    /// The store has answered; with nothing if it kept the batch.
    pub(super) fn answered(&self, refused: Option<String>) {
        *self.lock() = State { asked: None, refused };
    }

    /// Why the last lines are not kept, if they are not.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        let state = self.lock();
        let silent = state
            .asked
            .map(|since| since.elapsed())
            .filter(|silent| *silent > SLOW);
        match silent {
            Some(silent) => Some(format!("no answer for {} s", silent.as_secs())),
            None => state.refused.clone(),
        }
    }
}
