//! The clock of a connection.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::gate::Connection;
use crate::gateway::GatewayConfig;

/// Finds connections that make no progress. Times are kept in ticks, so the true limit is up to one tick later.
pub(super) struct Watch {
    tick: Duration,
    sleep: Pin<Box<Sleep>>,
    limits: Limits,
    /// Whether the last write had to wait, and whether one did not since the last tick.
    write_waits: bool,
    write_progress: bool,
    requests_seen: u64,
    idle_ticks: u32,
    stalled_ticks: u32,
}

/// In ticks.
struct Limits {
    head: u32,
    idle: u32,
    write: u32,
}

/// A tick is this part of the shortest limit.
const TICKS_PER_LIMIT: u32 = 4;
const SHORTEST_TICK: Duration = Duration::from_millis(20);
const LONGEST_TICK: Duration = Duration::from_secs(5);

impl Watch {
    pub(super) fn new(config: &GatewayConfig) -> Self {
        let shortest = config
            .head_timeout
            .min(config.write_timeout)
            .min(config.keep_alive);
        let tick = (shortest / TICKS_PER_LIMIT).clamp(SHORTEST_TICK, LONGEST_TICK);
        let ticks =
            |limit: Duration| u32::try_from(limit.as_millis().div_ceil(tick.as_millis())).unwrap_or(u32::MAX);
        Self {
            tick,
            sleep: Box::pin(tokio::time::sleep(tick)),
            limits: Limits {
                head: ticks(config.head_timeout),
                idle: ticks(config.keep_alive),
                write: ticks(config.write_timeout),
            },
            write_waits: false,
            write_progress: false,
            requests_seen: 0,
            idle_ticks: 0,
            stalled_ticks: 0,
        }
    }

    pub(super) fn wrote(&mut self, ready: bool) {
        self.write_waits = !ready;
        self.write_progress |= ready;
    }

    /// To be called whenever the connection is looked at: the tick wakes it for that.
    pub(super) fn check(&mut self, cx: &mut Context<'_>, connection: &Connection) -> io::Result<()> {
        while self.sleep.as_mut().poll(cx).is_ready() {
            let next = Instant::now() + self.tick;
            self.sleep.as_mut().reset(next);
            self.on_tick(connection)?;
        }
        Ok(())
    }

    fn on_tick(&mut self, connection: &Connection) -> io::Result<()> {
        let requests = connection.requests();
        if connection.is_serving() || requests != self.requests_seen {
            self.requests_seen = requests;
            self.idle_ticks = 0;
        } else {
            self.idle_ticks += 1;
            let limit = if connection.awaits_head_rest() {
                self.limits.head
            } else {
                self.limits.idle
            };
            if self.idle_ticks > limit {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no request came in time"));
            }
        }
        self.stalled_ticks = if self.write_waits && !self.write_progress {
            self.stalled_ticks + 1
        } else {
            0
        };
        self.write_progress = false;
        if self.stalled_ticks > self.limits.write {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client does not take its answer",
            ));
        }
        Ok(())
    }
}
