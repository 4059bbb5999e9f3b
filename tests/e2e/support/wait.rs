//! Waiting for a level, with a bound.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(50);

/// Looks again and again until there is something to see.
///
/// # Panics
/// After `bound`, with what was waited for.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    bound: Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let until = Instant::now() + bound;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < until, "not within {bound:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
