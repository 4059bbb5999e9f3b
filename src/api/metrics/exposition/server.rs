//! The numbers of the server as a whole.

use std::fmt;

use jobber_actors::sink::RingGauge;
use prometheus_client::registry::Unit;

use super::writer::{Metrics, NO_LABELS, One, whole};
use crate::api::metrics::figures::Figures;

/// What the numbers of a ring are called, and what they are.
struct RingNames {
    waiting: [&'static str; 2],
    bytes: [&'static str; 2],
    limit: [&'static str; 2],
    written: [&'static str; 2],
    dropped: [&'static str; 2],
}

const LOGS: RingNames = RingNames {
    waiting: ["log_lines_waiting", "Log lines on their way to the log store"],
    bytes: ["log_bytes_waiting", "Bytes of these lines"],
    limit: [
        "log_bytes_waiting_limit",
        "Most bytes of these lines; what is beyond is dropped",
    ],
    written: ["log_lines_written", "Log lines that the log store has taken"],
    dropped: [
        "log_lines_dropped",
        "Log lines that were dropped because they could not be kept in time",
    ],
};
const RECORDS: RingNames = RingNames {
    waiting: [
        "records_waiting",
        "Records of invocations on their way to the database",
    ],
    bytes: ["record_bytes_waiting", "Bytes of these records"],
    limit: [
        "record_bytes_waiting_limit",
        "Most bytes of these records; what is beyond is dropped",
    ],
    written: [
        "records_written",
        "Records of invocations that the database has taken",
    ],
    dropped: [
        "records_dropped",
        "Records of invocations that were dropped because they could not be kept in time",
    ],
};

impl Figures {
    /// The server, its actors, its buffers, its database.
    pub(super) fn server(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let version: One<'_> = [("version", env!("CARGO_PKG_VERSION"))];
        metrics.gauges("build_info", "The version that runs", [(version, 1)])?;
        self.database(metrics)?;
        self.actors(metrics)?;
        ring(metrics, &LOGS, Some(self.logs))?;
        ring(metrics, &RECORDS, self.records)?;
        metrics.gauge(
            "rollups_waiting",
            "Counts of minutes on their way to the database",
            whole(self.rollups.waiting()),
        )?;
        let help = "Counts of minutes that were dropped because they could not be kept in time";
        metrics.counter("rollups_dropped", help, self.rollups.dropped())?;
        self.gateway(metrics)
    }

    fn database(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let answers = i64::from(self.stored.is_some());
        metrics.gauge("database_up", "Whether the database answers", answers)?;
        let pool = self.pool;
        let connections = [
            ([("state", "idle")], whole(pool.idle)),
            ([("state", "busy")], whole(pool.busy)),
        ];
        metrics.gauges("database_connections", "Connections to the database", connections)?;
        metrics.gauge("database_connections_limit", "Most connections", whole(pool.most))?;
        metrics.gauge(
            "database_connections_awaited",
            "How many wait for a connection",
            whole(pool.awaited),
        )?;
        let jobs = self.stored.iter().flat_map(|stored| {
            [
                ([("status", "enabled")], stored.jobs.enabled),
                ([("status", "disabled")], stored.jobs.disabled),
            ]
        });
        metrics.gauges("jobs", "Jobs", jobs)
    }

    fn actors(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let restarts = self.restarts.iter();
        let restarts = restarts.map(|(kind, count)| ([("kind", *kind)], whole(*count)));
        let help = "Restarts of the actors that are there now";
        metrics.gauges("actor_restarts", help, restarts)?;
        let failures = self.failures.iter();
        let failures = failures.map(|(kind, count)| ([("kind", *kind)], *count));
        let help = "How often actors have failed, whatever became of them";
        metrics.counters("actor_failures", help, failures)?;
        let lags = self.lags.iter();
        let lags = lags.map(|(arbiter, lag)| ([("arbiter", &**arbiter)], lag.as_secs_f64()));
        let help = "How late a timer has been at most, of late, on each thread that runs actors";
        metrics.gauges_in(Some(&Unit::Seconds), "arbiter_lag", help, lags)
    }

    fn gateway(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let gateway = &self.gateway;
        let help = "Requests that came to the gateway, reserved paths included";
        metrics.counter("gateway_requests", help, gateway.requests)?;
        let help = "Requests that functions work on, streamed answers included";
        metrics.gauge("gateway_requests_in_flight", help, whole(gateway.in_flight))?;
        let codes = gateway.refused.iter();
        let codes = codes.map(|(code, count)| ([("code", *code)], *count));
        let help = "Answers of the gateway that were not a function's, by their code";
        metrics.counters("gateway_refusals", help, codes)
    }
}

fn ring(metrics: &mut Metrics<'_, '_>, names: &RingNames, ring: Option<RingGauge>) -> fmt::Result {
    let level = |number: fn(RingGauge) -> usize| ring.map(|ring| (NO_LABELS, whole(number(ring))));
    let [name, help] = names.waiting;
    metrics.gauges(name, help, level(|ring| ring.waiting))?;
    let [name, help] = names.bytes;
    metrics.gauges(name, help, level(|ring| ring.bytes))?;
    let [name, help] = names.limit;
    metrics.gauges(name, help, level(|ring| ring.limit))?;
    let [name, help] = names.written;
    metrics.counters(name, help, ring.map(|ring| (NO_LABELS, ring.written)))?;
    let [name, help] = names.dropped;
    metrics.counters(name, help, ring.map(|ring| (NO_LABELS, ring.dropped)))
}
