//! What an MQTT trigger wants.

use std::sync::Arc;

use super::settings::{ConnectionSettings, SettingsError};
use crate::action::ActionHandle;
use crate::domain::JobId;
use crate::invocation::TriggerRef;
use crate::manifest::{QualityOfService, RetryPolicy};
use crate::topic::TopicFilter;

/// What an MQTT trigger publishes.
#[derive(Clone, Debug)]
pub struct MqttSeed {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub job_name: Arc<str>,
    /// The trigger.
    pub trigger: TriggerRef,
    /// Its place among the triggers of its package.
    pub position: usize,
    /// Which messages.
    pub topics: Vec<TopicFilter>,
    /// How hard they are delivered.
    pub qos: QualityOfService,
    /// Where they come from.
    pub connection: Result<ConnectionSettings, SettingsError>,
    /// Who handles them.
    pub action: ActionHandle,
    /// What the version says about attempts after a failed one.
    pub retries: RetryPolicy,
    /// How many messages its action can have at once, with all its runners: a broker that asks is told to send no more.
    pub window: u32,
}
