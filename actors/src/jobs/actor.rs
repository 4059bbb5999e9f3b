//! The Jobs actor.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler};
use jobber_kernel::{Child, ChildExit, ChildRef, ChildSpec, Context, Intensity, StopOrder, tell};
use serde_json::json;

use super::messages::{AbandonVersion, Prepare, Read, Refresh, RefreshJob, StopOneRunner, Then};
use crate::domain::{DesiredJob, JobId, JobVersion, VersionId};
use crate::job::{Abandon, Job, JobBrief, JobChanged, PrepareError, PrepareVersion, StopJobRunner};
use crate::ports::CatalogueError;
use crate::tree::Surroundings;

/// A reading that failed is tried again after this.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

struct Running {
    child: ChildRef<Job>,
    brief: Arc<JobBrief>,
    /// The reading that said what the brief says.
    read: u64,
}

/// The reconciler.
pub struct Jobs {
    around: Arc<Surroundings>,
    jobs: BTreeMap<JobId, Running>,
    /// Jobs that a reading said do not exist, and which reading that was.
    gone: HashMap<JobId, u64>,
    readings: u64,
    reading_everything: bool,
    read_again: bool,
    complete: bool,
    last_error: Option<String>,
}

impl Jobs {
    /// A reconciler that has not read anything yet.
    #[must_use]
    pub fn new(around: Arc<Surroundings>) -> Self {
        Self {
            around,
            jobs: BTreeMap::new(),
            gone: HashMap::new(),
            readings: 0,
            reading_everything: false,
            read_again: false,
            complete: false,
            last_error: None,
        }
    }

    fn next_reading(&mut self) -> u64 {
        self.readings += 1;
        self.readings
    }

    fn read_everything(&mut self, ctx: &Context<Self>) {
        if self.reading_everything {
            self.read_again = true;
            return;
        }
        self.reading_everything = true;
        let (asked, around, me) = (self.next_reading(), Arc::clone(&self.around), ctx.address());
        ctx.tasks().spawn_on(&self.around.io, "read jobs", async move {
            let jobs = around.catalogue.jobs().await;
            tell(&me, Read::Everything { asked, jobs });
        });
    }

    fn everything_read(&mut self, asked: u64, jobs: Vec<DesiredJob>, ctx: &mut Context<Self>) {
        let present: std::collections::HashSet<JobId> = jobs.iter().map(|job| job.id).collect();
        for job in jobs {
            self.job_read(asked, job, ctx);
        }
        let absent: Vec<JobId> = self
            .jobs
            .keys()
            .filter(|id| !present.contains(id))
            .copied()
            .collect();
        for id in absent {
            self.job_absent(asked, id);
        }
        // What jobs have published that went while nobody was there to take it away.
        self.around.keep_jobs(|job| present.contains(&job));
        // What an older reading could still say was answered before this one.
        self.gone.retain(|_, read| *read >= asked);
        self.complete = true;
        self.around.set_ready();
    }

    /// Lets a job be what a reading says, unless a newer one said something else. `None` if it does not exist.
    fn job_read(&mut self, asked: u64, desired: DesiredJob, ctx: &Context<Self>) {
        let id = desired.id;
        if self.gone.get(&id).is_some_and(|read| *read > asked) {
            return;
        }
        match self.jobs.get_mut(&id) {
            Some(running) if running.read > asked => {}
            Some(running) => {
                running.read = asked;
                running.brief.set(desired);
                running.child.tell(JobChanged::default());
            }
            None => {
                let running = self.start_job(asked, desired, ctx);
                self.jobs.insert(id, running);
            }
        }
    }

    fn job_absent(&mut self, asked: u64, id: JobId) {
        if self.jobs.get(&id).is_some_and(|running| running.read <= asked)
            && let Some(running) = self.jobs.remove(&id)
        {
            self.gone.insert(id, asked);
            running.child.stop("the job was deleted");
            // The job does so itself, unless it waits for its restart.
            self.around.keep_jobs(|job| job != id);
        }
    }

    fn start_job(&self, asked: u64, desired: DesiredJob, ctx: &Context<Self>) -> Running {
        let name = format!("job {}", desired.name);
        let id = desired.id;
        let brief = Arc::new(JobBrief::new(desired));
        let spec = ChildSpec::permanent(name)
            .intensity(Intensity::UNLIMITED)
            .on(self.around.arbiter_for(id))
            .stop_grace(self.around.settings.drain_time);
        let (shared, around) = (Arc::clone(&brief), Arc::clone(&self.around));
        let child = ctx.spawn_child(spec, move || Job::new(Arc::clone(&shared), Arc::clone(&around)));
        Running {
            child,
            brief,
            read: asked,
        }
    }

    /// Reads a job, and with it a version if one is named.
    fn read_job(
        &mut self,
        id: JobId,
        version: Option<VersionId>,
        then: impl FnOnce(Option<Arc<JobVersion>>) -> Then + Send + 'static,
        ctx: &Context<Self>,
    ) {
        let (asked, around, me) = (self.next_reading(), Arc::clone(&self.around), ctx.address());
        ctx.tasks().spawn_on(&self.around.io, "read a job", async move {
            let version = match version {
                None => Ok(None),
                Some(version) => around.catalogue.version(version).await,
            };
            let (job, version) = match version {
                Ok(version) => (around.catalogue.job(id).await, version),
                Err(error) => (Err(error), None),
            };
            tell(
                &me,
                Read::Job {
                    asked,
                    id,
                    job,
                    then: then(version),
                },
            );
        });
    }

    fn failed(&mut self, error: &CatalogueError) {
        tracing::warn!(%error, "the catalogue could not be read; what runs goes on as it is");
        self.last_error = Some(error.to_string());
    }

    fn on_job(
        &mut self,
        asked: u64,
        id: JobId,
        job: Result<Option<DesiredJob>, CatalogueError>,
        then: Then,
        ctx: &mut Context<Self>,
    ) {
        let job = match job {
            Ok(job) => job,
            Err(error) => {
                self.failed(&error);
                match then {
                    // Tried again until it works: who asked may wait, or not.
                    Then::Serve(served) => {
                        ctx.run_later(RETRY_PAUSE, move |_, ctx| {
                            tell(&ctx.address(), RefreshJob { job: id, served });
                        });
                    }
                    Then::Prepare { ready, .. } => {
                        drop(ready.send(Err(PrepareError::Unavailable(error.to_string()))));
                    }
                }
                return;
            }
        };
        self.last_error = None;
        match job {
            Some(job) => self.job_read(asked, job, ctx),
            None => self.job_absent(asked, id),
        }
        let child = self.jobs.get(&id).map(|running| running.child.clone());
        match (then, child) {
            (Then::Serve(served), Some(child)) => child.tell(JobChanged { served }),
            // It does not exist: nothing serves, as it should be.
            (Then::Serve(Some(served)), None) => drop(served.send(())),
            (Then::Serve(None), None) => {}
            (
                Then::Prepare {
                    version: Some(version),
                    ready,
                },
                Some(child),
            ) => {
                child.tell(PrepareVersion { version, ready });
            }
            (Then::Prepare { ready, .. }, _) => {
                drop(ready.send(Err(PrepareError::Unavailable(
                    "the version does not exist".into(),
                ))));
            }
        }
    }
}

impl Actor for Jobs {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        self.read_everything(ctx);
        ctx.run_interval(self.around.settings.sweep_every, |jobs, ctx| {
            jobs.read_everything(ctx);
        });
    }
}

impl Child for Jobs {
    const KIND: &'static str = "jobs";
    const STOP_CHILDREN: StopOrder = StopOrder::Together;

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) {
        // A job never gives up by itself; one that was killed with its arbiter is read, and started, again.
        let before = self.jobs.len();
        self.jobs.retain(|_, running| running.child.id() != exit.id);
        if self.jobs.len() < before {
            self.read_everything(ctx);
        }
    }

    fn observe(&self) -> serde_json::Value {
        json!({ "jobs": self.jobs.len(), "complete": self.complete, "lastError": self.last_error })
    }
}

impl Handler<Read> for Jobs {
    type Result = ();

    fn handle(&mut self, read: Read, ctx: &mut Context<Self>) {
        match read {
            Read::Everything { asked, jobs } => {
                self.reading_everything = false;
                match jobs {
                    Ok(jobs) => {
                        self.last_error = None;
                        self.everything_read(asked, jobs, ctx);
                    }
                    Err(error) => {
                        self.failed(&error);
                        ctx.run_later(RETRY_PAUSE, |jobs, ctx| jobs.read_everything(ctx));
                    }
                }
                if std::mem::take(&mut self.read_again) {
                    self.read_everything(ctx);
                }
            }
            Read::Job { asked, id, job, then } => self.on_job(asked, id, job, then, ctx),
        }
    }
}

impl Handler<Refresh> for Jobs {
    type Result = ();

    fn handle(&mut self, _: Refresh, ctx: &mut Context<Self>) {
        self.read_everything(ctx);
    }
}

impl Handler<RefreshJob> for Jobs {
    type Result = ();

    fn handle(&mut self, RefreshJob { job, served }: RefreshJob, ctx: &mut Context<Self>) {
        self.read_job(job, None, |_| Then::Serve(served), ctx);
    }
}

impl Handler<Prepare> for Jobs {
    type Result = ();

    fn handle(&mut self, Prepare { job, version, ready }: Prepare, ctx: &mut Context<Self>) {
        self.read_job(
            job,
            Some(version),
            |version| Then::Prepare { version, ready },
            ctx,
        );
    }
}

impl Handler<AbandonVersion> for Jobs {
    type Result = ();

    fn handle(&mut self, AbandonVersion { job, version }: AbandonVersion, _: &mut Context<Self>) {
        if let Some(running) = self.jobs.get(&job) {
            running.child.tell(Abandon(version));
        }
    }
}

impl Handler<StopOneRunner> for Jobs {
    type Result = ();

    fn handle(&mut self, StopOneRunner { job, version, stop }: StopOneRunner, _: &mut Context<Self>) {
        if let Some(running) = self.jobs.get(&job) {
            running.child.tell(StopJobRunner { version, stop });
        }
    }
}
