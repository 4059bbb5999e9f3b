//! The numbers as Prometheus reads them. Labels are bounded: jobs that exist, kinds and endings.

use std::fmt;

use jobber_actors::metrics::{BOUNDS, Ending, HistogramView, JobTally};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::figures::Figures;

/// Of the text that [`text`] makes.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const NO_LABELS: [(&str, &str); 0] = [];

/// The numbers as text.
pub(super) fn text(figures: Figures) -> String {
    let mut registry = Registry::with_prefix("jobber");
    registry.register_collector(Box::new(figures));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).expect("a string takes whatever is written to it");
    text
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut metrics = Metrics(&mut encoder);
        self.instance(&mut metrics)?;
        self.invocations_of_jobs(&mut metrics)?;
        self.lanes_and_runners(&mut metrics)?;
        self.queue(&mut metrics)
    }
}

impl Figures {
    fn instance(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        metrics.gauges("build_info", "The version that runs", [(version, 1)])?;
        let answers = i64::from(self.stored.is_some());
        metrics.gauge("database_up", "Whether the database answers", answers)?;
        if let Some(stored) = &self.stored {
            let jobs = [
                ([("status", "enabled")], stored.jobs.enabled),
                ([("status", "disabled")], stored.jobs.disabled),
            ];
            metrics.gauges("jobs", "Jobs", jobs)?;
        }
        let restarts = self.restarts.iter();
        let restarts =
            restarts.map(|(kind, count)| ([("kind", *kind)], i64::try_from(*count).unwrap_or(i64::MAX)));
        metrics.gauges(
            "actor_restarts",
            "Restarts of the actors that are there now",
            restarts,
        )?;
        metrics.gauge(
            "log_lines_waiting",
            "Log lines on their way to the log store",
            whole(self.logs.waiting),
        )?;
        metrics.gauge(
            "log_bytes_waiting",
            "Bytes of these lines",
            whole(self.logs.bytes),
        )?;
        let help = "Log lines that were dropped because they could not be kept in time";
        metrics.counters("log_lines_dropped", help, [(NO_LABELS, self.logs.dropped)])
    }

    fn invocations_of_jobs(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let endings = self
            .tallies
            .iter()
            .flat_map(|(job, tally)| endings_of(job, tally));
        metrics.counters("invocations", "Invocations that ended, by how", endings)?;
        let durations = self.tallies.iter().flat_map(|(job, tally)| {
            let durations = tally
                .by_trigger()
                .map(|(trigger, counts)| (trigger, counts.durations()));
            durations
                .filter(|(_, durations)| durations.count() > 0)
                .map(move |(trigger, durations)| ([("job", &**job), ("trigger", trigger)], durations))
        });
        let help = "From the admission of an invocation to its answer";
        metrics.histograms("invocation_duration", help, durations)?;
        let turned_away = self
            .tallies
            .iter()
            .map(|(job, tally)| ([("job", &**job)], tally.turned_away()));
        metrics.counters(
            "requests_turned_away",
            "Requests that found no place in the queue",
            turned_away,
        )
    }

    fn lanes_and_runners(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let of_lanes = |number: fn(&super::figures::Lane) -> i64| {
            let lanes = self.lanes.iter();
            lanes.map(move |lane| ([("job", &*lane.job)], number(lane)))
        };
        let waiting = of_lanes(|lane| lane.gauge.waiting.into());
        metrics.gauges(
            "invocations_waiting",
            "Invocations that wait for a runner",
            waiting,
        )?;
        let running = of_lanes(|lane| lane.gauge.running.into());
        metrics.gauges(
            "invocations_running",
            "Invocations that a runner works on",
            running,
        )?;
        let serving = of_lanes(|lane| whole(lane.gauge.runners));
        metrics.gauges(
            "runners_serving",
            "Runners that serve the active version",
            serving,
        )?;
        let stages = self.runners().into_iter();
        let stages =
            stages.map(|(stage, count)| ([("stage", stage)], i64::try_from(count).unwrap_or(i64::MAX)));
        metrics.gauges("runners", "Runners by how far they have come", stages)
    }

    fn queue(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        if let Some(stored) = &self.stored {
            let of_queues = |number: fn(&crate::store::QueueUsage) -> i64| {
                let queues = stored.queues.iter();
                queues.map(move |queue| ([("job", &*queue.job)], number(queue)))
            };
            let help = "Deliveries in the durable queue, dead letters included";
            metrics.gauges("queue_deliveries", help, of_queues(|queue| queue.deliveries))?;
            metrics.gauges(
                "queue_bytes",
                "Bytes of these deliveries",
                of_queues(|queue| queue.bytes),
            )?;
            metrics.gauges(
                "queue_calls",
                "Asynchronous calls among these deliveries",
                of_queues(|queue| queue.calls),
            )?;
            let help = "Results of asynchronous calls that are still to be posted";
            metrics.gauge("callbacks_pending", help, stored.callbacks)?;
        }
        let held = whole(self.desk.held);
        metrics.gauge("deliveries_held", "Deliveries in this server's hands", held)?;
        let ends = [
            ([("ending", "delivered")], self.desk.delivered),
            ([("ending", "retried")], self.desk.retried),
            ([("ending", "dead")], self.desk.dead),
        ];
        metrics.counters(
            "delivery_attempts",
            "Attempts of deliveries that ended, by how",
            ends,
        )
    }
}

type Endings<'a> = Vec<([(&'static str, &'a str); 3], u64)>;

/// Counts that are not zero, so that a job that nothing but HTTP starts has no series of messages.
fn endings_of<'a>(job: &'a str, tally: &'a JobTally) -> Endings<'a> {
    let counts = tally.by_trigger().flat_map(|(trigger, counts)| {
        Ending::ALL.map(|ending| {
            let labels = [("job", job), ("trigger", trigger), ("ending", ending.name())];
            (labels, counts.ended(ending))
        })
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Writes metrics with the labels of each.
struct Metrics<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Metrics<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.gauges(name, help, [(NO_LABELS, value)])
    }

    fn gauges<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (S, i64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            encoder.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counters<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (S, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            encoder
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    fn histograms<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (S, HistogramView)>,
    ) -> fmt::Result {
        let unit = Unit::Seconds;
        let mut encoder = self
            .0
            .encode_descriptor(name, help, Some(&unit), MetricType::Histogram)?;
        for (labels, view) in values {
            // What is beyond all bounds is in the whole count.
            let buckets: Vec<_> = BOUNDS.into_iter().zip(view.counts).collect();
            encoder.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                view.sum.as_secs_f64(),
                view.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}
