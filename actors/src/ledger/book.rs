//! What the invocations of one version have in common, and where their records go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::domain::{Environment, JobId, VersionId};
use crate::invocation::Input;
use crate::manifest::Capture;
use crate::metrics::JobTally;
use crate::ports::{CapturedPayload, InvocationRecord};
use crate::session::Mask;
use crate::sink::{Ring, RingItem, RingLimits};

/// What a record costs besides its texts and bodies.
const RECORD_OVERHEAD_BYTES: usize = 400;
/// What a header field or a property costs besides its texts.
const PAIR_OVERHEAD_BYTES: usize = 48;
/// Of requests that find no place, this many are recorded in a second; all are counted. Else a flood of them would push out the
/// records of what was run.
const REFUSED_PER_SECOND: u32 = 10;

/// Records on their way to where they are kept.
pub type RecordRing = Ring<InvocationRecord>;

/// How many records may wait unless the operator says otherwise.
pub const RECORD_RING_LIMITS: RingLimits = RingLimits {
    total_bytes: 64 * 1024 * 1024,
    job_bytes: 32 * 1024 * 1024,
};

/// The ledger's page of one version of a job.
#[derive(Debug)]
pub struct Book {
    pub(super) job: JobId,
    pub(super) version: VersionId,
    pub(super) capture: Capture,
    pub(super) clock: Clock,
    pub(super) tally: Arc<JobTally>,
    /// Finds the job's secrets in what no runner has got. Runners know those that they were given.
    mask: ArcSwap<Mask>,
    /// Nothing is recorded without.
    records: Option<Arc<RecordRing>>,
    refused_second: AtomicU64,
    refused_count: AtomicU32,
}

impl Book {
    /// An empty page.
    #[must_use]
    pub fn new(
        job: JobId,
        version: VersionId,
        capture: Capture,
        clock: Clock,
        tally: Arc<JobTally>,
        records: Option<Arc<RecordRing>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            job,
            version,
            capture,
            clock,
            tally,
            mask: ArcSwap::default(),
            records,
            refused_second: AtomicU64::new(0),
            refused_count: AtomicU32::new(0),
        })
    }

    /// These are the job's variables now.
    pub(crate) fn set_environment(&self, environment: &Environment) {
        self.mask.store(Arc::new(Mask::of(environment)));
    }

    /// Finds the secrets that the job has now.
    pub(crate) fn mask(&self) -> Arc<Mask> {
        self.mask.load_full()
    }

    /// Counts what the job's invocations come to.
    pub(crate) fn tally(&self) -> &JobTally {
        &self.tally
    }

    /// Whether anything is recorded.
    pub(super) fn is_open(&self) -> bool {
        self.records.is_some()
    }

    pub(super) fn put(&self, record: InvocationRecord) {
        if let Some(records) = &self.records {
            records.push(record);
        }
    }

    /// Whether this refusal is recorded, or only counted.
    pub(super) fn takes_refusal(&self) -> bool {
        let second = u64::try_from(self.clock.now().timestamp()).unwrap_or_default();
        if self.refused_second.swap(second, Ordering::Relaxed) != second {
            self.refused_count.store(0, Ordering::Relaxed);
        }
        self.refused_count.fetch_add(1, Ordering::Relaxed) < REFUSED_PER_SECOND
    }
}

fn payload_cost(payload: &CapturedPayload) -> usize {
    let head = payload
        .output
        .as_ref()
        .map_or(0, |head| pairs_cost(&head.headers));
    let input = match &payload.input {
        Input::Http { http } => {
            let params = http.params.iter();
            http.target.len()
                + pairs_cost(&http.headers)
                + params
                    .map(|(name, value)| PAIR_OVERHEAD_BYTES + name.len() + value.len())
                    .sum::<usize>()
        }
        Input::Mqtt { mqtt } => mqtt.topic.len() + pairs_cost(&mqtt.properties.user_properties),
        Input::Schedule { .. } => 0,
    };
    let bodies = payload.input_body.bytes.len() + payload.output_body.bytes.len();
    2 * RECORD_OVERHEAD_BYTES + input + head + bodies
}

fn pairs_cost(pairs: &[(String, String)]) -> usize {
    let cost = |(name, value): &(String, String)| PAIR_OVERHEAD_BYTES + name.len() + value.len();
    pairs.iter().map(cost).sum()
}

#[cfg(any(test, feature = "testing"))]
impl Default for Book {
    /// A page of nobody's, on which nothing is recorded.
    fn default() -> Self {
        let book = Self::new(
            JobId::generate(),
            VersionId::generate(),
            Capture::None,
            Clock::System,
            Arc::default(),
            None,
        );
        Arc::into_inner(book).expect("nobody else has it")
    }
}

impl RingItem for InvocationRecord {
    fn job(&self) -> JobId {
        self.job
    }

    fn cost(&self) -> usize {
        let error = self.error.as_ref().map_or(0, |error| {
            error.code.len() + error.name.as_ref().map_or(0, String::len) + error.message.len()
        });
        let payload = self.payload.as_ref().map_or(0, |payload| payload_cost(payload));
        RECORD_OVERHEAD_BYTES + self.subject.len() + error + payload
    }

    fn without_room(mut self) -> Option<Self> {
        // It stands there as running, and would for ever. There are no more of these than invocations under way.
        self.payload = None;
        self.replaces.then_some(self)
    }

    fn in_place_of_dropped(_: JobId, _: u64) -> Option<Self> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::domain::{InvocationId, TriggerId};
    use crate::invocation::{HttpInput, Outcome, TriggerRef};
    use crate::ledger::Entry;
    use crate::ports::{CapturedBody, InvocationStatus};

    #[test]
    fn the_end_of_what_was_put_down_finds_room_and_nothing_else_does() {
        let ring = Arc::new(RecordRing::new(RingLimits {
            total_bytes: 1_000,
            job_bytes: 1_000,
        }));
        let (job, version) = (JobId::generate(), VersionId::generate());
        let records = Some(Arc::clone(&ring));
        let book = Book::new(job, version, Capture::All, Clock::System, Arc::default(), records);
        let entry = || {
            let trigger = TriggerRef {
                id: TriggerId::generate(),
                name: None,
            };
            let id = InvocationId::generate();
            Entry::new(&book, id, 1, &trigger, Input::HTTP, Instant::now())
        };
        let mut long = entry();
        long.put_down(Instant::now(), Duration::ZERO, None);
        for _ in 0..10 {
            entry().end(&Outcome::Settled, false, Instant::now());
        }
        let dropped = ring.gauge().dropped;
        assert!(dropped > 0);
        long.end(&Outcome::Settled, false, Instant::now());
        assert_eq!(ring.gauge().dropped, dropped);
        let batch = ring.take(100);
        let last = batch.items().last().expect("there are some");
        assert!(last.replaces && last.status == InvocationStatus::Succeeded);
    }

    #[test]
    fn heads_count_as_what_they_are() {
        let http = HttpInput {
            method: "GET".into(),
            target: "/".into(),
            scheme: "http".into(),
            authority: "shop".into(),
            headers: vec![("x-large".into(), "x".repeat(30_000))],
            params: BTreeMap::new(),
            ip: [127, 0, 0, 1].into(),
            size: None,
        };
        let payload = CapturedPayload {
            input: Input::Http { http: Box::new(http) },
            input_body: CapturedBody::default(),
            output: None,
            output_body: CapturedBody::default(),
        };
        assert!(payload_cost(&payload) > 30_000);
    }
}
