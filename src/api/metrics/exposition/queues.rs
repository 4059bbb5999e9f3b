//! The numbers of what comes from elsewhere: the durable queue, MQTT.

use std::fmt;

use jobber_actors::mqtt::{LineState, MqttGauge};
use prometheus_client::registry::Unit;

use super::writer::{Metrics, NO_LABELS, One, whole};
use crate::api::metrics::figures::Figures;
use crate::store::QueueUsage;

const QUALITIES: [&str; 3] = ["0", "1", "2"];

impl Figures {
    /// The durable queue, and what this server does with it.
    pub(super) fn queue(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let help = "Deliveries in the durable queue, dead letters included";
        metrics.gauges("queue_deliveries", help, self.of_queues(|queue| queue.deliveries))?;
        let help = "Bytes of these deliveries";
        metrics.gauges("queue_bytes", help, self.of_queues(|queue| queue.bytes))?;
        let help = "Asynchronous calls among these deliveries";
        metrics.gauges("queue_calls", help, self.of_queues(|queue| queue.calls))?;
        let help = "Results of asynchronous calls that are still to be posted";
        let callbacks = self.stored.as_ref().map(|stored| (NO_LABELS, stored.callbacks));
        metrics.gauges("callbacks_pending", help, callbacks)?;
        let help = "Deliveries in the durable queue that were given up";
        metrics.gauges("dead_letters", help, self.of_queues(|queue| queue.dead))?;
        let help = "Since when the delivery is due that is due longest";
        let oldest = self.of_queues(|queue| queue.oldest_seconds);
        metrics.gauges_in(Some(&Unit::Seconds), "queue_oldest_due", help, oldest)?;
        let help = "Deliveries in this server's hands";
        metrics.gauge("deliveries_held", help, whole(self.desk.held))?;
        let unwritten = [
            ([("what", "delivery")], whole(self.desk.to_keep)),
            ([("what", "settlement")], whole(self.desk.to_settle)),
        ];
        let help = "What waits to be written to the durable queue";
        metrics.gauges("deliveries_unwritten", help, unwritten)?;
        let ends = [
            ([("ending", "delivered")], self.desk.delivered),
            ([("ending", "retried")], self.desk.retried),
            ([("ending", "dead")], self.desk.dead),
        ];
        let help = "Attempts of deliveries that ended, by how";
        metrics.counters("delivery_attempts", help, ends)
    }

    fn of_queues<T>(&self, number: fn(&QueueUsage) -> T) -> impl Iterator<Item = (One<'_>, T)> {
        let queues = self.stored.iter().flat_map(|stored| &stored.queues);
        queues.map(move |queue| ([("job", &*queue.job)], number(queue)))
    }

    /// Connections to brokers, and what came by them.
    pub(super) fn mqtt(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let connections = self.mqtt.iter().flat_map(|(job, gauge)| {
            LineState::NAMES.map(|state| {
                let there = gauge.states.iter().filter(|one| one.name() == state);
                ([("job", &**job), ("state", state)], whole(there.count()))
            })
        });
        let help = "Connections to brokers, by how they stand";
        metrics.gauges("mqtt_connections", help, connections)?;
        let received = self.mqtt.iter().flat_map(|(job, gauge)| {
            let counts = QUALITIES.into_iter().zip(gauge.messages.each());
            let counts = counts.filter(|(_, counts)| counts.received > 0);
            counts.map(|(qos, counts)| ([("job", &**job), ("qos", qos)], counts.received))
        });
        let help = "Messages that came from brokers, copies and repeats included";
        metrics.counters("mqtt_messages_received", help, received)?;
        let outcomes = self.mqtt.iter().flat_map(|(job, gauge)| {
            let counts = QUALITIES.into_iter().zip(gauge.messages.each());
            // All outcomes from the first message on: of a number that begins with what it is about, no growth would be seen.
            let counts = counts.filter(|(_, counts)| counts.received > 0);
            counts.flat_map(move |(qos, counts)| {
                counts.outcomes().map(move |(outcome, count)| {
                    ([("job", &**job), ("qos", qos), ("outcome", outcome)], count)
                })
            })
        });
        let help = "Messages by what became of them at the first attempt";
        metrics.counters("mqtt_messages", help, outcomes)?;
        let help = "Messages that no handler has finished with";
        let unacknowledged = self.of_brokers(|gauge| gauge.unacknowledged);
        metrics.gauges("mqtt_messages_unacknowledged", help, unacknowledged)?;
        let help = "Of these, messages that wait for a place in the job's queue";
        metrics.gauges(
            "mqtt_messages_waiting",
            help,
            self.of_brokers(|gauge| gauge.waiting),
        )?;
        let help = "What functions have published and brokers have not acknowledged";
        let publications = self.of_brokers(|gauge| gauge.publications);
        metrics.gauges("mqtt_publications_waiting", help, publications)
    }

    fn of_brokers(&self, number: fn(&MqttGauge) -> usize) -> impl Iterator<Item = (One<'_>, i64)> {
        let gauges = self.mqtt.iter();
        gauges.map(move |(job, gauge)| ([("job", &**job)], whole(number(gauge))))
    }
}
