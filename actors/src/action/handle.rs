//! What a trigger holds of an action.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use jobber_kernel::{ChildRef, ChildSpec, Intensity, Scope, tell};

use super::actor::{Action, ActionParts};
use super::intent::ActionIntent;
use super::lane::Lane;
use super::messages::{Reconsider, StopRunner};
use super::permit::Permit;
use super::slots::LaneGauge;
use crate::domain::{Environment, InvocationId, JobVersion};
use crate::invocation::{Invocation, Refusal, TriggerRef};
use crate::job::Job;
use crate::ledger::{self, Book};
use crate::log_sink::{Recurring, Subject};
use crate::session::Mask;
use crate::trace::InvocationSpans;
use crate::tree::{ActionSettings, Surroundings};

/// An action that stops gives up by itself after the drain time; this much later its supervisor kills it.
const STOP_MARGIN: Duration = Duration::from_secs(15);

/// The way to an action: its lane for permits and invocations, its actor for what it should be. Cheap to clone, usable on any
/// thread.
#[derive(Clone)]
pub struct ActionHandle {
    lane: Arc<Lane>,
    intent: Arc<ActionIntent>,
    address: Addr<Action>,
}

impl std::fmt::Debug for ActionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActionHandle")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

impl ActionHandle {
    /// Asks for a place, before a request's body is read.
    ///
    /// # Errors
    /// The [`Refusal`] to answer with.
    pub fn admit(&self) -> Result<Permit, Refusal> {
        self.lane.admit()
    }

    /// Asks for a place for work that can wait elsewhere. See [`Lane::admit_patient`].
    ///
    /// # Errors
    /// The [`Refusal`]; [`Refusal::QueueFull`] only says that there is no place now.
    pub fn admit_patient(&self) -> Result<Permit, Refusal> {
        self.lane.admit_patient()
    }

    /// How much patient work would be admitted now.
    #[must_use]
    pub fn patient_room(&self) -> u32 {
        self.lane.patient_room()
    }

    /// Its lane, to wait for [room](Lane::room) in.
    #[must_use]
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Hands an admitted invocation over. Never waits; the invocation's reply slot answers, which may be at once.
    pub fn invoke(&self, invocation: Invocation) {
        let now = invocation.admitted;
        self.lane.place(invocation, now);
    }

    /// Records a request that [found no place](Self::admit), unless many were recorded just now. `target` is its path and query.
    pub fn record_refused(
        &self,
        id: InvocationId,
        trigger: &TriggerRef,
        refusal: &Refusal,
        method: &str,
        target: &str,
    ) {
        let subject = || ledger::request_subject(method, target);
        ledger::refused(&self.lane.book, id, trigger, refusal, subject);
    }

    /// Finds the secrets that the job has now.
    pub(crate) fn mask(&self) -> Arc<Mask> {
        self.lane.book.mask()
    }

    /// How full its lane is.
    #[must_use]
    pub fn gauge(&self) -> LaneGauge {
        self.lane.gauge()
    }

    /// The variables that its runners should have. Running ones are replaced, without loss.
    pub(crate) fn set_environment(&self, environment: Arc<Environment>) {
        if self.intent.set_environment(Arc::clone(&environment)) {
            self.lane.book.set_environment(&environment);
            tell(&self.address, Reconsider);
        }
    }

    /// Keeps at least so many runners, whatever the package says: one while a version is made ready.
    pub(crate) fn hold(&self, runners: u32) {
        if self.intent.hold() != runners {
            self.intent.set_hold(runners);
            tell(&self.address, Reconsider);
        }
    }

    /// Another version serves: the action finishes what it has, then ends.
    pub(crate) fn retire(&self) {
        self.intent.retire();
        tell(&self.address, Reconsider);
    }

    /// Tries again at once what failed.
    pub(crate) fn reconsider(&self) {
        tell(&self.address, Reconsider);
    }

    /// Ends a runner. See [`StopRunner`].
    pub(crate) fn stop_runner(&self, stop: StopRunner) {
        tell(&self.address, stop);
    }
}

/// Starts an action as a child of `scope`, with a lane and an intent of its own that outlive its crashes.
pub(crate) fn spawn_action(
    scope: &Scope,
    seed: ActionSeed,
    around: &Arc<Surroundings>,
) -> (ChildRef<Action>, ActionHandle) {
    let settings = ActionSettings::of(&seed.version.manifest, &around.settings);
    let tally = around.tallies.of(seed.version.job, &seed.job_name);
    let spans = InvocationSpans {
        job: Arc::clone(&seed.job_name),
        version: Arc::clone(&seed.version.name),
        recorder: around.recorder.clone(),
    };
    let book = Book::new(
        seed.version.job,
        seed.version.id,
        seed.version.manifest.action.capture,
        around.settings.clock,
        tally,
        around.records.clone(),
    );
    book.set_environment(&seed.environment);
    let lane = Lane::with_spans(settings.lane, book, spans);
    let (logs, subject) = (Arc::clone(&around.log_intake), subject_of(&seed.version));
    lane.on_refusal(move |reason, calls| logs.count(subject, Recurring::CallsRefused(reason), calls));
    around.lanes.add(&lane);
    let intent = Arc::new(ActionIntent::new(seed.environment, seed.hold));
    // Transient: an action that retired ends, and one that crashed comes back.
    let spec = ChildSpec::transient(format!("action {}", seed.version.name))
        .intensity(Intensity::UNLIMITED)
        .stop_grace(around.settings.drain_time + STOP_MARGIN);
    let parts = ActionParts {
        job_name: seed.job_name,
        version: seed.version,
        intent: Arc::clone(&intent),
        lane: Arc::clone(&lane),
        job: seed.job,
    };
    let around = Arc::clone(around);
    let closing = CloseAtEnd(Arc::clone(&lane));
    let child = scope.spawn(spec, move || {
        // The factory lives as long as the actor does, over all of its lives.
        let _lane = &closing;
        Action::new(parts.clone(), Arc::clone(&around))
    });
    let address = child.addr().clone();
    (
        child,
        ActionHandle {
            lane,
            intent,
            address,
        },
    )
}

fn subject_of(version: &JobVersion) -> Subject {
    Subject {
        job: version.job,
        version: Some(version.id),
        runner: None,
    }
}

/// Closes a lane when its action has ended in whichever way: killed, or stopped while it waited for a restart, it had no
/// chance to do so itself, and what waits in the lane would wait for ever.
struct CloseAtEnd(Arc<Lane>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.0.close(&Refusal::ShuttingDown);
        self.0.remove_all_runners();
    }
}

/// What a new action needs to know.
pub(crate) struct ActionSeed {
    /// The job's name.
    pub(crate) job_name: Arc<str>,
    /// The version to run.
    pub(crate) version: Arc<JobVersion>,
    /// The job's variables.
    pub(crate) environment: Arc<Environment>,
    /// Runners wanted whatever the package says.
    pub(crate) hold: u32,
    /// Whom to report to.
    pub(crate) job: Addr<Job>,
}
