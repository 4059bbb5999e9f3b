//! Watches the daemon for containers that end. Its event stream is a hint that comes quickly; the list of containers,
//! read after every reconnect and from time to time, is the truth.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerSummaryStateEnum, EventMessage};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use jobber_actors::domain::RunnerId;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::container::{INSTANCE_LABEL, RUNNER_LABEL};
use super::daemon::Daemon;

/// How often the list of containers is compared with what should be there.
const SWEEP: Duration = Duration::from_secs(15);
/// The wait before the event stream is opened again: doubled with each failure, from the first to the second.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Watches until `stop`.
pub(super) async fn watch(daemon: Arc<Daemon>, stop: CancellationToken) {
    let follow = async {
        let mut wait = RECONNECT.0;
        loop {
            if follow_events(&daemon).await {
                wait = RECONNECT.0;
            }
            tracing::debug!(
                ?wait,
                "the container engine's event stream ended; opening it again"
            );
            sleep(wait).await;
            wait = (wait * 2).min(RECONNECT.1);
        }
    };
    stop.run_until_cancelled(follow).await;
}

/// Reads one event stream to its end. `true` if it ever said something.
async fn follow_events(daemon: &Arc<Daemon>) -> bool {
    let filters = HashMap::from([
        ("type", vec!["container".to_owned()]),
        ("event", vec!["die".to_owned()]),
        (
            "label",
            vec![format!("{INSTANCE_LABEL}={}", daemon.config.instance)],
        ),
    ]);
    let mut events = Box::pin(
        daemon
            .docker
            .events(Some(EventsOptionsBuilder::new().filters(&filters).build())),
    );
    // The first tick comes at once: what ended while nobody was listening is found now, the rest by the stream, which
    // is being opened at the same time, or by the next tick.
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = false;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    heard = true;
                    if let Some((runner, code)) = died(event) {
                        finish(daemon, runner, code);
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "the container engine's event stream failed");
                    return heard;
                }
                None => return heard,
            },
            _ = sweep.tick() => compare(daemon).await,
        }
    }
}

/// Finds containers that are over, or gone, though nobody said so.
async fn compare(daemon: &Arc<Daemon>) {
    // Read first: what is started after the list was made must not be missed in it.
    let expected = daemon.live.started_ones();
    if expected.is_empty() {
        return;
    }
    let containers = match daemon.containers().await {
        Ok(containers) => containers,
        Err(error) => {
            tracing::warn!(%error, "the list of containers could not be read");
            return;
        }
    };
    let there: HashSet<RunnerId> = containers
        .into_iter()
        .filter(|(_, container)| !is_over(container.state))
        .map(|(runner, _)| runner)
        .collect();
    for runner in expected.into_iter().filter(|runner| !there.contains(runner)) {
        finish(daemon, runner, None);
    }
}

fn is_over(state: Option<ContainerSummaryStateEnum>) -> bool {
    use ContainerSummaryStateEnum::{DEAD, EXITED, REMOVING};
    matches!(state, Some(DEAD | EXITED | REMOVING))
}

/// Which runner an event is about, and the exit code it tells.
fn died(event: EventMessage) -> Option<(RunnerId, Option<i64>)> {
    let attributes = event.actor?.attributes?;
    let runner = attributes.get(RUNNER_LABEL)?.parse().ok()?;
    Some((
        runner,
        attributes.get("exitCode").and_then(|code| code.parse().ok()),
    ))
}

fn finish(daemon: &Arc<Daemon>, runner: RunnerId, code: Option<i64>) {
    let task = daemon.clone();
    daemon.begin(async move {
        if let Err(error) = task.finish(runner, code).await {
            tracing::warn!(%runner, %error, "a container that is over could not be removed; the reaper will try again");
        }
    });
}
