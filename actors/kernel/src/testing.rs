//! For tests of actors: paused time and bounded waiting.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long a test may take in its own, paused time. Longer than any wait that a test means, and reached at
/// once by a test that would hang.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs a test on an arbiter whose time stands still: when nothing is left to do it jumps to the next timer.
///
/// Work on other threads (other arbiters, blocking calls, sockets) does not hold the time back. Tests of such
/// things use [`run`].
///
/// # Panics
/// If the test does, or if it has not ended after a day of paused time.
pub fn run_paused<T>(test: impl Future<Output = T>) -> T {
    run_with(true, LONGEST, test)
}

/// Runs a test on an arbiter with real time, for at most a minute.
///
/// # Panics
/// If the test does, or if it has not ended after a minute.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    run_with(false, Duration::from_secs(60), test)
}

fn run_with<T>(paused: bool, longest: Duration, test: impl Future<Output = T>) -> T {
    let system = actix_rt::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(paused)
            .build()
            .expect("a test gets a runtime")
    });
    system.block_on(async { timeout(longest, test).await.expect("the test ends in time") })
}

/// Waits until `condition` holds, looking every millisecond.
///
/// # Panics
/// If it does not hold within `bound`; the message names the line that waited.
#[track_caller]
pub fn eventually(bound: Duration, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let waited_at = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + bound;
        while !condition() {
            assert!(
                Instant::now() < deadline,
                "{waited_at}: the condition did not hold within {bound:?}"
            );
            sleep(Duration::from_millis(1)).await;
        }
    }
}
