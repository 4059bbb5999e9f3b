//! What the MQTT triggers have published, and the lines that serve them. Lives outside of the actors: a trigger or a connection
//! that restarts loses nothing.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::assignment::{SessionKey, assign};
use super::line::{CountsByQos, Line, LineState, LineStatus};
use super::outlet::{PublishError, PublishReply, check_topic};
use super::seed::MqttSeed;
use super::settings::SettingsError;
use crate::domain::{JobId, TriggerId};
use crate::ports::{Publication, SessionName, SessionSettings};

#[derive(Default)]
struct Published {
    seeds: HashMap<TriggerId, Arc<MqttSeed>>,
    /// Jobs that are disabled, with the sessions in which brokers go on keeping messages for them.
    paused: HashMap<JobId, Vec<SessionSettings>>,
    /// Sessions of jobs that were removed while they were disabled.
    abandoned: Vec<SessionSettings>,
    /// Triggers that can not be served beside others, with the reason.
    conflicts: HashMap<TriggerId, String>,
}

/// The lines that serve each job's triggers; more than one for a trigger with shared subscriptions.
pub(super) type LinesOfJobs = HashMap<JobId, Vec<(TriggerId, Arc<Line>)>>;

/// The published MQTT triggers.
#[derive(Default)]
pub struct MqttBoard {
    published: Mutex<Published>,
    /// The lines that serve a job's triggers, in the order of its package.
    lines: Mutex<LinesOfJobs>,
    /// All lines, over all lives of the actors.
    kept: Mutex<HashMap<SessionKey, Arc<Line>>>,
    /// What was counted on lines that are gone, so that a job's counts never fall.
    gone: Mutex<HashMap<JobId, CountsByQos>>,
    changed: Notify,
}

impl std::fmt::Debug for MqttBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MqttBoard")
            .field("triggers", &self.lock().seeds.len())
            .finish_non_exhaustive()
    }
}

/// How it stands with an MQTT trigger.
#[derive(Clone, Debug)]
pub enum MqttStatus {
    /// Its broker can not be reached as the package says.
    Unusable(SettingsError),
    /// It can not be served beside another trigger.
    Conflict(String),
    /// Its connections have not been started yet.
    Starting,
    /// Its lines: more than one if it has shared subscriptions.
    Lines(Vec<LineStatus>),
}

/// How it stands with the connections of one job.
#[derive(Clone, Debug, Default)]
pub struct MqttGauge {
    /// How it stands with the network, of each connection.
    pub states: Vec<LineState>,
    /// Messages since the server's start, also of connections that are gone.
    pub messages: CountsByQos,
    /// Messages that are not finished.
    pub unacknowledged: usize,
    /// Of those, messages that wait for a place in the action's lane.
    pub waiting: usize,
    /// What functions have published and the brokers have not acknowledged.
    pub publications: usize,
}

impl MqttBoard {
    fn lock(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> MutexGuard<'_, LinesOfJobs> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a trigger, instead of what it was.
    pub(crate) fn publish(&self, seed: MqttSeed) {
        let mut published = self.lock();
        published.paused.remove(&seed.job);
        published.seeds.insert(seed.trigger.id, Arc::new(seed));
        drop(published);
        self.changed.notify_one();
    }

    /// Takes away the triggers of a job that are not these: another version serves. Brokers forget the sessions of those that are
    /// gone.
    pub(crate) fn keep_only(&self, job: JobId, triggers: &HashSet<TriggerId>) {
        self.retain(|seed| seed.job != job || triggers.contains(&seed.trigger.id));
    }

    /// Takes away all triggers of a job that is disabled. Brokers go on keeping messages for it in these sessions.
    pub(crate) fn pause(&self, job: JobId, sessions: Vec<SessionSettings>) {
        self.lock().paused.insert(job, sessions);
        self.retain(|seed| seed.job != job);
    }

    /// Takes away the triggers of jobs for which this does not hold: the jobs are gone, and brokers forget their sessions.
    pub(crate) fn keep_jobs(&self, stays: impl Fn(JobId) -> bool) {
        let mut published = self.lock();
        let Published {
            paused, abandoned, ..
        } = &mut *published;
        let before = abandoned.len();
        for (_, sessions) in paused.extract_if(|job, _| !stays(*job)) {
            abandoned.extend(sessions);
        }
        let grown = abandoned.len() > before;
        drop(published);
        self.gone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|job, _| stays(*job));
        self.retain(|seed| stays(seed.job));
        if grown {
            self.changed.notify_one();
        }
    }

    /// The sessions of jobs that were removed while they were disabled, once.
    pub(super) fn take_abandoned(&self) -> Vec<SessionSettings> {
        std::mem::take(&mut self.lock().abandoned)
    }

    fn retain(&self, stays: impl Fn(&MqttSeed) -> bool) {
        let mut published = self.lock();
        let gone: Vec<TriggerId> = published
            .seeds
            .iter()
            .filter(|(_, seed)| !stays(seed))
            .map(|(id, _)| *id)
            .collect();
        let withdrawn: Vec<_> = gone.iter().filter_map(|id| published.seeds.remove(id)).collect();
        drop(published);
        if !withdrawn.is_empty() {
            self.changed.notify_one();
        }
    }

    /// All published triggers.
    pub(super) fn seeds(&self) -> Vec<Arc<MqttSeed>> {
        let mut seeds: Vec<_> = self.lock().seeds.values().cloned().collect();
        seeds.sort_by_key(|seed| (seed.job, seed.position, seed.trigger.id));
        seeds
    }

    /// Whether this job is disabled, and its sessions are to be kept.
    pub(super) fn is_paused(&self, job: JobId) -> bool {
        self.lock().paused.contains_key(&job)
    }

    /// Whether a published trigger has this session, or a disabled job keeps it.
    pub(super) fn wants(&self, session: &SessionName) -> bool {
        let serves = |key: &SessionKey| key.broker == session.broker && key.client_id == session.client_id;
        let keeps = |kept: &SessionSettings| {
            kept.broker.to_string() == session.broker && kept.client_id == session.client_id
        };
        let (seeds, kept) = {
            let published = self.lock();
            let seeds: Vec<_> = published.seeds.values().cloned().collect();
            (seeds, published.paused.values().flatten().any(keeps))
        };
        kept || assign(&seeds).connections.keys().any(serves)
    }

    /// These triggers can not be served beside others.
    pub(super) fn set_conflicts(&self, conflicts: HashMap<TriggerId, String>) {
        self.lock().conflicts = conflicts;
    }

    /// The line of this session, made if there is none.
    pub(super) fn line(&self, key: &SessionKey, make: impl FnOnce() -> Arc<Line>) -> Arc<Line> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry(key.clone()).or_insert_with(make))
    }

    /// The session is over for good.
    pub(super) fn drop_line(&self, key: &SessionKey) {
        let line = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
        if let Some(line) = line {
            let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
            gone.entry(line.job()).or_default().add(&line.status().by_qos);
        }
    }

    /// How it stands with each job's connections, by the jobs' ids.
    #[must_use]
    pub fn gauges(&self) -> HashMap<JobId, MqttGauge> {
        let mut gauges: HashMap<JobId, MqttGauge> = HashMap::new();
        for (job, counts) in &*self.gone.lock().unwrap_or_else(PoisonError::into_inner) {
            gauges.entry(*job).or_default().messages.add(counts);
        }
        let lines: Vec<_> = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.values().cloned().collect()
        };
        for line in lines {
            let status = line.status();
            let gauge = gauges.entry(line.job()).or_default();
            gauge.states.push(status.state);
            gauge.messages.add(&status.by_qos);
            gauge.unacknowledged += status.open;
            gauge.waiting += status.waiting;
            gauge.publications += line.outlet().waiting();
        }
        gauges
    }

    /// Resolves when other triggers are published than before. Many changes resolve it once.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// These lines serve the triggers now.
    pub(super) fn set_lines(&self, lines: LinesOfJobs) {
        *self.lines() = lines;
    }

    /// How it stands with a trigger; `None` for one that is not published.
    #[must_use]
    pub fn status(&self, trigger: TriggerId) -> Option<MqttStatus> {
        let (seed, conflict) = {
            let published = self.lock();
            let seed = published.seeds.get(&trigger).cloned()?;
            (seed, published.conflicts.get(&trigger).cloned())
        };
        if let Err(error) = &seed.connection {
            return Some(MqttStatus::Unusable(error.clone()));
        }
        if let Some(reason) = conflict {
            return Some(MqttStatus::Conflict(reason));
        }
        let lines = self.lines_of(seed.job, trigger);
        if lines.is_empty() {
            return Some(MqttStatus::Starting);
        }
        Some(MqttStatus::Lines(
            lines.iter().map(|line| line.status()).collect(),
        ))
    }

    fn lines_of(&self, job: JobId, trigger: TriggerId) -> Vec<Arc<Line>> {
        let lines = self.lines();
        let of_job = lines.get(&job).into_iter().flatten();
        of_job
            .filter(|(id, _)| *id == trigger)
            .map(|(_, line)| Arc::clone(line))
            .collect()
    }

    /// Publishes a message for a function: at the broker of this trigger, or at the first one that its package names. It has its
    /// place in the order when this returns.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn send(
        &self,
        job: JobId,
        trigger: Option<TriggerId>,
        publication: Publication,
    ) -> Result<PublishReply, PublishError> {
        check_topic(&publication.topic)?;
        let line = self.line_for(job, trigger).ok_or_else(|| self.no_line(job))?;
        line.outlet().publish(publication)
    }

    /// Publishes a message for a person: at the broker of this trigger, and at no other.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn send_by(
        &self,
        job: JobId,
        trigger: TriggerId,
        publication: Publication,
    ) -> Result<PublishReply, PublishError> {
        check_topic(&publication.topic)?;
        let lines = self.lines_of(job, trigger);
        let line = lines.first().ok_or_else(|| self.no_line_of(trigger))?;
        line.outlet().publish(publication)
    }

    fn no_line_of(&self, trigger: TriggerId) -> PublishError {
        PublishError::NoBroker(match self.status(trigger) {
            None => "the version that serves does not have this trigger, or none serves".to_owned(),
            Some(MqttStatus::Unusable(error)) => error.to_string(),
            Some(MqttStatus::Conflict(reason)) => reason,
            Some(MqttStatus::Starting | MqttStatus::Lines(_)) => {
                "the connection to the broker is being set up".to_owned()
            }
        })
    }

    fn line_for(&self, job: JobId, trigger: Option<TriggerId>) -> Option<Arc<Line>> {
        let lines = self.lines();
        let of_job = lines.get(&job)?;
        let of_trigger = of_job.iter().find(|(id, _)| Some(*id) == trigger);
        of_trigger.or(of_job.first()).map(|(_, line)| Arc::clone(line))
    }

    fn no_line(&self, job: JobId) -> PublishError {
        let published = self.lock();
        let mut of_job = published.seeds.values().filter(|seed| seed.job == job);
        let reason = match of_job.next().map(|seed| &seed.connection) {
            None => "the package has no MQTT trigger, and so no broker".to_owned(),
            Some(Err(error)) => error.to_string(),
            Some(Ok(_)) => "the connection to the broker is being set up".to_owned(),
        };
        PublishError::NoBroker(reason)
    }
}
