//! Which connections the published triggers need: a pure decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::seed::MqttSeed;
use super::settings::{ConnectionSettings, derived_id};
use crate::domain::{JobId, TriggerId};
use crate::ports::{BrokerSettings, SessionSettings};
use crate::topic::TopicFilter;

/// What makes two connections the same session: what else changes (a password) reconnects it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SessionKey {
    pub(super) job: JobId,
    /// Protocol, host and port.
    pub(super) broker: String,
    pub(super) client_id: String,
}

/// A connection, and whom it serves.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) broker: BrokerSettings,
    pub(super) clean: bool,
    /// The triggers, each with those of its filters that belong to this connection.
    pub(super) seeds: Vec<(Arc<MqttSeed>, Vec<TopicFilter>)>,
}

/// All connections, and the triggers that get none.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    pub(super) connections: BTreeMap<SessionKey, Wanted>,
    /// With the reason.
    pub(super) conflicts: Vec<(TriggerId, String)>,
}

/// Groups triggers by what they want of which broker. Each group of shared subscriptions has a connection of its own: a broker
/// sends such a group's messages besides those of ordinary subscriptions, and nothing would tell the one from the other.
pub(super) fn assign(seeds: &[Arc<MqttSeed>]) -> Assignment {
    let mut assignment = Assignment::default();
    for seed in seeds {
        let Ok(settings) = &seed.connection else { continue };
        let mut groups: BTreeMap<Option<&str>, Vec<TopicFilter>> = BTreeMap::new();
        for topic in &seed.topics {
            groups.entry(topic.group()).or_default().push(topic.clone());
        }
        for (group, topics) in groups {
            if let Err(reason) = add(&mut assignment, seed, settings, group, topics) {
                assignment.conflicts.push((seed.trigger.id, reason));
            }
        }
    }
    assignment
}

fn add(
    assignment: &mut Assignment,
    seed: &Arc<MqttSeed>,
    settings: &ConnectionSettings,
    group: Option<&str>,
    topics: Vec<TopicFilter>,
) -> Result<(), String> {
    let client_id = group_id(settings, group);
    let broker = settings.broker.to_string();
    let taken = assignment
        .connections
        .iter()
        .find(|(key, _)| key.job != seed.job && key.broker == broker && key.client_id == client_id);
    if let Some((_, wanted)) = taken {
        let name = wanted
            .seeds
            .first()
            .map_or("another", |(seed, _)| &*seed.job_name);
        return Err(format!(
            "the job {name} has the client id {client_id} at this broker: each would throw out the other"
        ));
    }
    let key = SessionKey {
        job: seed.job,
        broker,
        client_id,
    };
    let wanted = assignment.connections.entry(key).or_insert_with(|| Wanted {
        broker: settings.broker.clone(),
        clean: settings.clean,
        seeds: Vec::new(),
    });
    if wanted.broker != settings.broker || wanted.clean != settings.clean {
        return Err("another trigger of the package has this client id with other settings".to_owned());
    }
    wanted.seeds.push((Arc::clone(seed), topics));
    Ok(())
}

/// The sessions that a broker has for a trigger whose job is disabled: enough to tell it to forget them.
pub(crate) fn dormant_sessions(
    settings: &ConnectionSettings,
    topics: &[TopicFilter],
) -> Vec<SessionSettings> {
    let groups: BTreeSet<Option<&str>> = topics.iter().map(TopicFilter::group).collect();
    let session = |group: Option<&str>| SessionSettings {
        broker: settings.broker.clone(),
        client_id: group_id(settings, group),
        clean: settings.clean,
        receive_maximum: 1,
        max_packet_bytes: 64 * 1024,
    };
    groups.into_iter().map(session).collect()
}

fn group_id(settings: &ConnectionSettings, group: Option<&str>) -> String {
    match group {
        Some(group) => sub_id(&settings.client_id, group),
        None => settings.client_id.clone(),
    }
}

/// The id of a further connection beside the one with this id.
pub(super) fn sub_id(client_id: &str, what: &str) -> String {
    let suffix = derived_id("", &[&client_id, &what]);
    if client_id.len() > 16 && client_id.starts_with("jobber-") {
        // One of our own, as long as every broker allows.
        return format!("jobber{suffix}");
    }
    format!("{client_id}{}", &suffix[..7])
}
