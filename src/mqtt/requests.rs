//! What a subscriber's line wants done, until the event loop has room for it.

use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::future::{self, BoxFuture};
use futures_util::stream::FuturesUnordered;
use jobber_actors::manifest::QualityOfService;
use jobber_actors::ports::{PacketId, SubscriberCommand, Subscription, SubscriptionAnswer};
use jobber_actors::topic::TopicFilter;

use super::dialect::{Client, Unsent};

/// Filters of one packet. There are brokers that take no more.
const FILTERS_PER_PACKET: usize = 8;
/// Bytes of filters in one packet; a single filter may have more.
const FILTER_BYTES_PER_PACKET: usize = 16 * 1024;
/// SUBSCRIBE and UNSUBSCRIBE packets without an answer.
const MAX_UNANSWERED: usize = 32;
/// Packets that may wait. Commands are taken as long as there are fewer.
const MAX_WAITING: usize = 1024;

/// The commands of a connection, in order. Acknowledgements do not wait for other packets.
pub(super) struct Requests<'a, C> {
    client: &'a C,
    /// Whether subscriptions are named, which takes a packet for each.
    identifiers: bool,
    acknowledgements: VecDeque<(PacketId, QualityOfService)>,
    packets: VecDeque<Packet>,
    answers: FuturesUnordered<BoxFuture<'static, Vec<SubscriptionAnswer>>>,
    leave: Leave,
}

enum Packet {
    Subscribe(Vec<Subscription>),
    Unsubscribe(Vec<TopicFilter>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    NotYet,
    Wanted,
    Sent,
}

impl<'a, C: Client> Requests<'a, C> {
    pub(super) fn new(client: &'a C, identifiers: bool) -> Self {
        Self {
            client,
            identifiers,
            acknowledgements: VecDeque::new(),
            packets: VecDeque::new(),
            answers: FuturesUnordered::new(),
            leave: Leave::NotYet,
        }
    }

    /// Whether another command may be taken.
    pub(super) fn has_room(&self) -> bool {
        !self.is_leaving() && self.packets.len() < MAX_WAITING
    }

    /// Whether the last command was to take leave.
    pub(super) fn is_leaving(&self) -> bool {
        self.leave != Leave::NotYet
    }

    /// Takes a command and sends what there is room for.
    pub(super) fn add(&mut self, command: SubscriberCommand) {
        match command {
            SubscriberCommand::Acknowledge(packets) => self.acknowledgements.extend(packets),
            SubscriberCommand::Subscribe(subscriptions) => {
                let most = if self.identifiers { 1 } else { FILTERS_PER_PACKET };
                let packets = in_packets(subscriptions, most, |subscription| {
                    subscription.filter.as_str().len()
                });
                self.packets.extend(packets.into_iter().map(Packet::Subscribe));
            }
            SubscriberCommand::Unsubscribe(filters) => {
                let packets = in_packets(filters, FILTERS_PER_PACKET, |filter| filter.as_str().len());
                self.packets.extend(packets.into_iter().map(Packet::Unsubscribe));
            }
            SubscriberCommand::Leave => {
                self.packets.clear();
                self.leave = Leave::Wanted;
            }
        }
        self.send();
    }

    /// Sends what the event loop has room for.
    pub(super) fn send(&mut self) {
        while let Some((packet, qos)) = self.acknowledgements.front() {
            if self.client.acknowledge(*packet, *qos) == Err(Unsent::Full) {
                return;
            }
            self.acknowledgements.pop_front();
        }
        while self.answers.len() < MAX_UNANSWERED
            && let Some(packet) = self.packets.pop_front()
        {
            match self.packet_sent(&packet) {
                Ok(answer) => self.answers.push(answer),
                Err(Unsent::Invalid(reason)) => self.answers.push(refused(packet, &reason)),
                Err(Unsent::Full) => {
                    self.packets.push_front(packet);
                    return;
                }
            }
        }
        if self.leave == Leave::Wanted && self.client.leave() != Err(Unsent::Full) {
            self.leave = Leave::Sent;
        }
    }

    fn packet_sent(&self, packet: &Packet) -> Result<BoxFuture<'static, Vec<SubscriptionAnswer>>, Unsent> {
        Ok(match packet {
            Packet::Subscribe(subscriptions) => {
                let granted = self.client.subscribe(subscriptions, self.identifiers)?;
                let filters: Vec<TopicFilter> = filters(subscriptions);
                Box::pin(async move {
                    let granted = granted.await.unwrap_or_default();
                    let answers = filters.into_iter().zip(granted);
                    answers
                        .map(|(filter, granted)| SubscriptionAnswer { filter, granted })
                        .collect()
                })
            }
            Packet::Unsubscribe(filters) => {
                let answered = self.client.unsubscribe(filters)?;
                Box::pin(async move {
                    answered.await;
                    Vec::new()
                })
            }
        })
    }

    /// Waits for the next answer of the broker; empty for one that says nothing of a subscription. Pending without end
    /// while none is to come. May be dropped while it waits without losing anything.
    pub(super) async fn answer(&mut self) -> Vec<SubscriptionAnswer> {
        match self.answers.next().await {
            Some(answers) => answers,
            None => future::pending().await,
        }
    }
}

fn filters(subscriptions: &[Subscription]) -> Vec<TopicFilter> {
    subscriptions
        .iter()
        .map(|subscription| subscription.filter.clone())
        .collect()
}

/// The answer to a packet that can not be sent.
fn refused(packet: Packet, reason: &str) -> BoxFuture<'static, Vec<SubscriptionAnswer>> {
    let answers = match packet {
        Packet::Subscribe(subscriptions) => filters(&subscriptions)
            .into_iter()
            .map(|filter| SubscriptionAnswer {
                filter,
                granted: Err(reason.to_owned()),
            })
            .collect(),
        Packet::Unsubscribe(_) => Vec::new(),
    };
    Box::pin(future::ready(answers))
}

/// Divides what is to be sent into packets of bounded size.
fn in_packets<T>(items: Vec<T>, most: usize, bytes_of: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut packets: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for item in items {
        bytes += bytes_of(&item);
        match packets.last_mut() {
            Some(packet) if packet.len() < most && bytes <= FILTER_BYTES_PER_PACKET => packet.push(item),
            _ => {
                bytes = bytes_of(&item);
                packets.push(vec![item]);
            }
        }
    }
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_bounded_in_number_and_bytes_and_keep_the_order() {
        let sizes = |items: &[usize], most| in_packets(items.to_vec(), most, |bytes| *bytes);
        assert_eq!(sizes(&[], 3), Vec::<Vec<usize>>::new());
        assert_eq!(sizes(&[1, 2, 3, 4], 3), [vec![1, 2, 3], vec![4]]);
        assert_eq!(sizes(&[1, 2], 1), [[1], [2]]);
        let large = FILTER_BYTES_PER_PACKET;
        assert_eq!(
            sizes(&[1, large, large + 1, 1, 2], 3),
            [vec![1], vec![large], vec![large + 1], vec![1, 2]]
        );
    }
}
