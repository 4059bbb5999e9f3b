//! The side of the broker: messages come in, acknowledgements and subscriptions go out.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use super::flow::{Handover, Part};
use super::{Line, LineState, State, Told};
use crate::domain::InvocationId;
use crate::invocation::MqttInput;
use crate::mqtt::subscriptions::change;
use crate::mqtt::window::Arrival;
use crate::ports::{MqttMessage, SubscriberCommand, SubscriberLine, SubscriptionAnswer, Taken};

/// Subscriptions that are asked for at once.
const SUBSCRIBE_AT_ONCE: usize = 100;
/// What a message takes besides its texts and its payload.
const MESSAGE_OVERHEAD: usize = 256;

#[async_trait]
impl SubscriberLine for Line {
    fn connected(&self, session_present: bool) {
        let mut state = self.lock();
        if state.connected.is_some() {
            // Whoever ran the former connection was gone before it could say that it had ended.
            state.window.disconnected();
        }
        if !session_present {
            state.window.session_lost();
        }
        state.told.connected(session_present);
        state.paused = false;
        state.network = LineState::Connected;
        state.since = self.clock.now();
        state.connected = Some(Instant::now());
    }

    fn message(&self, message: MqttMessage) -> Taken {
        let mut state = self.lock();
        let mut handovers = Handovers::default();
        let nothing_waited = state.waiting.is_empty();
        let taken = state.message(message, &mut handovers);
        let commands = state.has_news();
        // What waited before has woken whoever hands over, or was told to wait.
        let waits = nothing_waited && !state.waiting.is_empty();
        drop(state);
        if commands {
            self.command.notify_waiters();
        }
        if waits {
            self.moved.notify_waiters();
        }
        let Handovers { first, further } = handovers;
        if let Some(first) = first {
            let now = Instant::now();
            self.hand_over(first, now);
            for handover in further {
                self.hand_over(handover, now);
            }
        }
        taken
    }

    fn subscribed(&self, answers: Vec<SubscriptionAnswer>) {
        let mut state = self.lock();
        for answer in answers {
            if let Err(reason) = &answer.granted {
                tracing::warn!(broker = %self.broker, filter = %answer.filter, %reason, "a subscription was refused");
            }
            state.told.answered(answer);
        }
        drop(state);
        self.command.notify_waiters();
    }

    async fn command(&self) -> SubscriberCommand {
        loop {
            let notified = self.command.notified();
            tokio::pin!(notified);
            // Registered before the look, so that a change between the two is not missed.
            notified.as_mut().enable();
            if let Some(command) = self.lock().command() {
                return command;
            }
            notified.await;
        }
    }

    async fn room(&self) {
        self.when_moved(|state| {
            let free = state.window.is_half_free();
            state.paused &= !free;
            free.then_some(())
        })
        .await;
    }
}

impl Told {
    fn connected(&mut self, session_present: bool) {
        self.asked.clear();
        self.agreed = false;
        // What was refused is asked for again: rights may have changed.
        let refused = std::mem::take(&mut self.refused);
        self.subscribed.retain(|filter, _| !refused.contains_key(filter));
        if !session_present {
            self.subscribed.clear();
            self.given_up.clear();
        }
    }

    /// Somebody else may have subscribed in this session: what the broker had is asked for anew, or given up.
    pub(super) fn may_have_changed(&mut self) {
        for subscription in self.subscribed.values_mut() {
            // No subscription that is wanted has this one.
            subscription.identifier = 0;
        }
        self.agreed = false;
    }

    fn answered(&mut self, answer: SubscriptionAnswer) {
        let Some(asked) = self.asked.remove(&answer.filter) else {
            return;
        };
        self.given_up.remove(&answer.filter);
        match answer.granted {
            Ok(_) => drop(self.refused.remove(&answer.filter)),
            Err(reason) => drop(self.refused.insert(answer.filter.clone(), reason)),
        }
        self.subscribed.insert(answer.filter, asked);
    }
}

impl State {
    /// What the connection is to do now, if anything.
    fn command(&mut self) -> Option<SubscriberCommand> {
        self.news_told = false;
        if self.window.has_ready() {
            return Some(SubscriberCommand::Acknowledge(self.window.take_ready()));
        }
        if self.leaving {
            return self.is_idle().then_some(SubscriberCommand::Leave);
        }
        if self.told.agreed || !self.told.asked.is_empty() {
            // One after the other: the broker answers at its own pace.
            return None;
        }
        let mut change = change(&self.wanted, &self.told.subscribed);
        if !change.unsubscribe.is_empty() {
            for filter in &change.unsubscribe {
                self.told.subscribed.remove(filter);
                self.told.refused.remove(filter);
                self.told.given_up.insert(filter.clone());
            }
            return Some(SubscriberCommand::Unsubscribe(change.unsubscribe));
        }
        change.subscribe.truncate(SUBSCRIBE_AT_ONCE);
        if change.subscribe.is_empty() {
            self.told.agreed = true;
            return None;
        }
        let asked = change.subscribe.iter();
        self.told.asked = asked
            .map(|subscription| (subscription.filter.clone(), subscription.clone()))
            .collect();
        Some(SubscriberCommand::Subscribe(change.subscribe))
    }

    /// Takes a message, and adds what is to be handed over now.
    fn message(&mut self, message: MqttMessage, handovers: &mut Handovers) -> Taken {
        self.counts.of(message.qos).received += 1;
        // Nobody asks for that of any other message, and it takes longer the longer the payload is.
        let content = if message.packet.is_some() || !message.subscriptions.is_empty() {
            content(&message, &self.contents)
        } else {
            0
        };
        if let Some(packet) = message.packet
            && self.window.arrival(packet, content) == Arrival::Known
        {
            self.counts.of(message.qos).repeated += 1;
            return Taken::Yes;
        }
        let packet = message.packet.map(|packet| (packet, message.qos));
        let mut triggers = std::mem::take(&mut self.matched);
        self.router.find(&message.topic, &mut triggers);
        triggers.sort_unstable();
        triggers.dedup();
        let further = self.is_further_copy(&message, content);
        if further || triggers.is_empty() {
            let counts = self.counts.of(message.qos);
            let count = if further {
                &mut counts.repeated
            } else {
                &mut counts.unrouted
            };
            *count += 1;
            self.window.open(packet, content, 0, 0);
            return Taken::Yes;
        }
        let bytes = size(&message);
        if !self.window.has_room(bytes) {
            if packet.is_none() {
                self.counts.of(message.qos).dropped += 1;
                return Taken::Yes;
            }
            // It comes again, and is counted then.
            self.counts.of(message.qos).received -= 1;
            return Taken::NoRoom;
        }
        let entry = self.window.open(packet, content, bytes, triggers.len());
        let MqttMessage {
            topic,
            payload,
            qos,
            retain,
            duplicate,
            properties,
            ..
        } = message;
        let input = Arc::new(MqttInput {
            topic,
            qos,
            retain,
            duplicate,
            properties,
        });
        for index in triggers.drain(..) {
            let part = Part {
                entry,
                trigger: self.targets[index].trigger.id,
                id: InvocationId::generate(),
                input: Arc::clone(&input),
                payload: payload.clone(),
            };
            if let Some(handover) = self.place(part) {
                handovers.add(handover);
            }
        }
        self.matched = triggers;
        if self.window.is_full() {
            self.paused = true;
            Taken::Last
        } else {
            Taken::Yes
        }
    }

    fn is_further_copy(&mut self, message: &MqttMessage, content: u64) -> bool {
        // Only a broker of MQTT 5 tells its copies apart, and only several subscriptions make several.
        !message.subscriptions.is_empty()
            && self.identifiers.matches(&message.topic).len() > 1
            && self.copies.is_further(content, &message.subscriptions)
    }
}

/// What one message comes to. Most are for one trigger.
#[derive(Default)]
struct Handovers {
    first: Option<Handover>,
    further: Vec<Handover>,
}

impl Handovers {
    fn add(&mut self, handover: Handover) {
        if self.first.is_none() {
            self.first = Some(handover);
        } else {
            self.further.push(handover);
        }
    }
}

/// What tells a message from others.
fn content(message: &MqttMessage, contents: &impl BuildHasher) -> u64 {
    let mut hasher = contents.build_hasher();
    message.topic.hash(&mut hasher);
    message.payload.hash(&mut hasher);
    message.properties.user_properties.hash(&mut hasher);
    message.properties.correlation_data.hash(&mut hasher);
    hasher.finish()
}

fn size(message: &MqttMessage) -> usize {
    let properties = &message.properties.user_properties;
    let properties: usize = properties
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    message.topic.len() + message.payload.len() + properties + MESSAGE_OVERHEAD
}
