//! A job's triggers: one actor each, kept over versions that name the same trigger.

mod seeds;

use std::collections::HashSet;
use std::sync::Arc;

use jobber_kernel::{ActorId, ChildSpec, Intensity, Scope};

use self::seeds::{Kept, Seeds};
use super::serving::Serving;
use crate::action::ActionHandle;
use crate::domain::{DesiredJob, JobVersion, TriggerId};
use crate::tree::Surroundings;
use crate::trigger::{HttpTrigger, MqttTrigger, ScheduleTrigger};

/// The trigger actors of one job, by kind.
#[derive(Default)]
pub(super) struct Triggers {
    http: Kept<HttpTrigger>,
    schedule: Kept<ScheduleTrigger>,
    mqtt: Kept<MqttTrigger>,
}

impl Triggers {
    /// Lets exactly the triggers of this version run, and has them lead to this action. All is published here and now, so that the
    /// caller knows the edition of the routes to wait for; the actors publish the same again whenever they are started.
    pub(super) fn lead_to(
        &mut self,
        job: &DesiredJob,
        version: &JobVersion,
        action: &ActionHandle,
        scope: &Scope,
        around: &Arc<Surroundings>,
    ) {
        let seeds = Seeds::of(job, version, action, around);
        let serving = Serving {
            job_name: Arc::clone(&job.name),
            action: action.clone(),
            retries: version.manifest.action.retries.clone(),
        };
        around.serving.publish(job.id, serving);

        for (id, seed) in &seeds.http {
            let board = Arc::clone(&around.routes);
            self.http.keep(*id, seed, |seed| {
                scope.spawn(spec(*id), move || {
                    HttpTrigger::new(Arc::clone(&seed), Arc::clone(&board))
                })
            });
            around.routes.publish(seed.pattern.clone(), seed.target.clone());
        }
        for (id, seed) in &seeds.schedule {
            let board = Arc::clone(&around.schedules);
            self.schedule.keep(*id, seed, |seed| {
                scope.spawn(spec(*id), move || {
                    ScheduleTrigger::new(Arc::clone(&seed), Arc::clone(&board))
                })
            });
            around.schedules.publish(seed.clone());
        }
        for (id, seed) in &seeds.mqtt {
            let board = Arc::clone(&around.mqtt);
            self.mqtt.keep(*id, seed, |seed| {
                scope.spawn(spec(*id), move || {
                    MqttTrigger::new(Arc::clone(&seed), Arc::clone(&board))
                })
            });
            around.mqtt.publish(seed.clone());
        }

        let (http, schedule, mqtt) = (ids(&seeds.http), ids(&seeds.schedule), ids(&seeds.mqtt));
        around.routes.keep_only(job.id, &http);
        around.schedules.keep_only(job.id, &schedule);
        around.mqtt.keep_only(job.id, &mqtt);
        self.http.keep_only(&http);
        self.schedule.keep_only(&schedule);
        self.mqtt.keep_only(&mqtt);
    }

    /// Stops every trigger of a job that is disabled. Brokers go on keeping messages for those of MQTT, until the job serves again
    /// or is removed.
    pub(super) fn pause(&mut self, job: &DesiredJob, around: &Surroundings) {
        around.mqtt.pause(job.id, seeds::dormant_sessions_of(job, around));
        self.stop(job, around);
    }

    /// Stops every trigger, of a job that is removed or of a server that ends. What becomes of its MQTT sessions is for whoever
    /// removes the job to say.
    pub(super) fn stop(&mut self, job: &DesiredJob, around: &Surroundings) {
        around.serving.withdraw(job.id);
        around.routes.keep_only(job.id, &HashSet::new());
        around.schedules.keep_only(job.id, &HashSet::new());
        self.http.keep_only(&HashSet::new());
        self.schedule.keep_only(&HashSet::new());
        self.mqtt.keep_only(&HashSet::new());
    }

    /// A trigger actor ended; one that did not do so on purpose is missed when the triggers are next looked at.
    pub(super) fn ended(&mut self, child: ActorId) {
        self.http.ended(child);
        self.schedule.ended(child);
        self.mqtt.ended(child);
    }
}

fn ids<T>(seeds: &[(TriggerId, T)]) -> HashSet<TriggerId> {
    seeds.iter().map(|(id, _)| *id).collect()
}

fn spec(id: TriggerId) -> ChildSpec {
    ChildSpec::permanent(format!("trigger {id}")).intensity(Intensity::UNLIMITED)
}
