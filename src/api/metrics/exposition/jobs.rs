//! The numbers of jobs: invocations, queues, runners, schedules.

use std::collections::BTreeMap;
use std::fmt;

use jobber_actors::metrics::{Ending, HistogramView, JobTally, Phase};
use jobber_actors::tree::LaneView;

use super::writer::{Metrics, One, whole};
use crate::api::metrics::figures::{Figures, Job};

type Two<'a> = [(&'static str, &'a str); 2];
type Three<'a> = [(&'static str, &'a str); 3];

impl Figures {
    /// What invocations came to, and how long they took.
    pub(super) fn invocations_of_jobs(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let endings = self.jobs.iter().flat_map(endings_of);
        metrics.counters("invocations", "Invocations that ended, by how", endings)?;
        let help = "From the admission of an invocation to its answer";
        metrics.histograms("invocation_duration", help, self.times(Phase::Total))?;
        let help =
            "How long an invocation waited for room at a runner; waiting for a new runner is not in it";
        metrics.histograms("invocation_queue", help, self.times(Phase::Queue))?;
        let cold = [("connect", Phase::Connect), ("load", Phase::Load)];
        let cold = cold.into_iter().flat_map(|(name, phase)| {
            let times = self.times(phase);
            times.map(move |([job, trigger], view)| ([job, trigger, ("phase", name)], view))
        });
        let help = "How long an invocation that needed a new runner waited for it";
        metrics.histograms("invocation_cold_start", help, cold)?;
        let help = "How long a runner had an invocation, until the answer";
        metrics.histograms("invocation_handler", help, self.times(Phase::Handler))?;
        let cold = self.jobs.iter().flat_map(|job| {
            let kinds = job
                .tally
                .by_trigger()
                .filter(|(_, counts)| counts.cold_starts() > 0);
            kinds.map(|(trigger, counts)| ([("job", &*job.name), ("trigger", trigger)], counts.cold_starts()))
        });
        metrics.counters("cold_starts", "Invocations that waited for a new runner", cold)?;
        let turned_away = self.of_tallies(JobTally::turned_away);
        metrics.counters(
            "requests_turned_away",
            "Requests that found no place in the queue",
            turned_away,
        )?;
        let refusals = self.jobs.iter().flat_map(|job| {
            let reasons = job.tally.refusals().filter(|(_, count)| *count > 0);
            reasons.map(|(reason, count)| ([("job", &*job.name), ("reason", reason)], count))
        });
        let help = "Callers that were refused, before or after they had a place in the queue";
        metrics.counters("refusals", help, refusals)
    }

    fn times(&self, phase: Phase) -> impl Iterator<Item = (Two<'_>, HistogramView)> {
        self.jobs.iter().flat_map(move |job| {
            job.tally.by_trigger().map(move |(trigger, counts)| {
                ([("job", &*job.name), ("trigger", trigger)], counts.times(phase))
            })
        })
    }

    fn of_tallies(&self, number: impl Fn(&JobTally) -> u64) -> impl Iterator<Item = (One<'_>, u64)> {
        self.jobs
            .iter()
            .map(move |job| ([("job", &*job.name)], number(&job.tally)))
    }

    /// How full queues and runners are, and what became of runners.
    pub(super) fn lanes_and_runners(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let of_lanes = |number: fn(&LaneView) -> i64| {
            let lanes = self.lanes.iter();
            lanes.map(move |lane| ([("job", &*lane.name)], number(lane)))
        };
        let waiting = of_lanes(|lane| lane.gauge.waiting.into());
        let help = "Invocations that wait for a runner";
        metrics.gauges("invocations_waiting", help, waiting)?;
        let limit = of_lanes(|lane| lane.gauge.queue_length.into());
        let help = "Most invocations that may wait, besides those that free runners could take";
        metrics.gauges("invocations_waiting_limit", help, limit)?;
        let running = of_lanes(|lane| lane.gauge.running.into());
        let help = "Invocations that a runner works on";
        metrics.gauges("invocations_running", help, running)?;
        let limit = of_lanes(|lane| lane.gauge.capacity.into());
        let help = "Most invocations that the runners that serve now take at once";
        metrics.gauges("invocations_running_limit", help, limit)?;
        let serving = of_lanes(|lane| whole(lane.gauge.runners));
        let help = "Runners that serve the active version";
        metrics.gauges("runners_serving", help, serving)?;
        let troubled = of_lanes(|lane| i64::from(lane.troubled));
        let help = "Whether the last runner that the job asked for could not be had";
        metrics.gauges("runner_start_failing", help, troubled)?;
        self.runners_of_jobs(metrics)
    }

    fn runners_of_jobs(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let stages = self.runners().into_iter();
        let stages = stages.map(|(stage, count)| ([("stage", stage)], whole(count)));
        metrics.gauges("runners", "Runners by how far they have come", stages)?;
        let names: BTreeMap<_, _> = self.jobs.iter().map(|job| (job.id, &*job.name)).collect();
        let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for runner in &self.stages {
            // Of a job that was removed there are no other numbers either.
            if let Some(name) = names.get(&runner.job) {
                *counts.entry((name, runner.stage.name())).or_default() += 1;
            }
        }
        let counts = counts.into_iter();
        let counts = counts.map(|((job, stage), count)| ([("job", job), ("stage", stage)], count));
        metrics.gauges(
            "job_runners",
            "Runners of each job by how far they have come",
            counts,
        )?;
        let starts = self.jobs.iter().flat_map(|job| {
            let runners = job.tally.runners();
            [
                ([("job", &*job.name), ("result", "ready")], runners.ready()),
                ([("job", &*job.name), ("result", "failed")], runners.failed()),
            ]
        });
        let help =
            "Runners that came to serve, and those that could not be started or could not import the module";
        metrics.counters("runner_starts", help, starts)?;
        let lost = self.of_tallies(|tally| tally.runners().lost());
        let help = "Runners that ended although nobody had told them to";
        metrics.counters("runners_lost", help, lost)
    }

    /// What became of the instants of schedules.
    pub(super) fn schedules(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let instants = self.jobs.iter().flat_map(|job| {
            let counts = job.tally.instants().counts();
            // A job without schedules has none of these.
            let any = counts.iter().any(|(_, count)| *count > 0);
            let counts = counts.into_iter().filter(move |_| any);
            counts.map(|(outcome, count)| ([("job", &*job.name), ("outcome", outcome)], count))
        });
        let help = "Instants of schedules, by what became of them";
        metrics.counters("schedule_instants", help, instants)?;
        let lateness = self.jobs.iter();
        let lateness = lateness.map(|job| ([("job", &*job.name)], job.tally.instants().lateness()));
        let help = "How long after its instant a schedule started the function";
        metrics.histograms("schedule_lateness", help, lateness)
    }
}

/// Counts that are not zero, so that a job that nothing but HTTP starts has no series of messages.
fn endings_of(job: &Job) -> impl Iterator<Item = (Three<'_>, u64)> {
    let counts = job.tally.by_trigger().flat_map(|(trigger, counts)| {
        Ending::ALL.map(|ending| {
            let labels = [
                ("job", &*job.name),
                ("trigger", trigger),
                ("ending", ending.name()),
            ];
            (labels, counts.ended(ending))
        })
    });
    counts.filter(|(_, count)| *count > 0)
}
