//! Waiting for what will be, not for how long it may take.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Longest wait for anything.
const BOUND: Duration = Duration::from_secs(20);

/// Asks until the answer is `Some`; fails after a bound.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
