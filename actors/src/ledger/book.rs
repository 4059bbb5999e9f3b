//! What the invocations of one version have in common, and where their records go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::clock::Clock;
use crate::domain::{JobId, VersionId};
use crate::manifest::Capture;
use crate::metrics::JobTally;
use crate::ports::InvocationRecord;
use crate::sink::{Ring, RingItem, RingLimits};

/// What a record costs besides its texts and bodies.
const RECORD_OVERHEAD_BYTES: usize = 400;
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
            records,
            refused_second: AtomicU64::new(0),
            refused_count: AtomicU32::new(0),
        })
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
        let error = self.error.as_ref().map_or(0, |error| error.message.len());
        // Heads are small beside bodies, and capped by the gateway.
        let payload = self.payload.as_ref().map_or(0, |payload| {
            payload.input_body.bytes.len() + payload.output_body.bytes.len() + 2 * RECORD_OVERHEAD_BYTES
        });
        RECORD_OVERHEAD_BYTES + self.subject.len() + error + payload
    }

    fn in_place_of_dropped(_: JobId, _: u64) -> Option<Self> {
        None
    }
}
