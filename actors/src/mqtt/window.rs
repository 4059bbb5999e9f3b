//! The messages of a connection that are not acknowledged yet: a pure state machine.
//!
//! Acknowledgements go out in the order in which the messages came (MQTT 3.1.1 and 5, section 4.6). They belong to one network
//! connection: when it is lost, the broker sends again whatever it has no acknowledgement for, and a message that is still being
//! worked on is recognised then, instead of being handled a second time.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use crate::manifest::QualityOfService;
use crate::ports::PacketId;

/// A message within its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct EntryId(u64);

/// How much may be unfinished. Packet ids bound what is finished and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WindowLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of their payloads, topics and properties. One message is taken whatever its size, if it is the only one.
    pub bytes: usize,
}

#[derive(Debug)]
struct Entry {
    packet: Option<(PacketId, QualityOfService)>,
    /// What tells the message from another one with the same packet id.
    content: u64,
    bytes: usize,
    /// Triggers that have not finished with it.
    parts: usize,
    /// The connection that it came on is gone: the broker will send it again, if it still knows it.
    awaited: bool,
}

/// The unacknowledged messages of one session.
#[derive(Debug)]
pub(super) struct AckWindow {
    limits: WindowLimits,
    entries: HashMap<EntryId, Entry, RandomState>,
    /// In the order in which they came on the present connection.
    order: VecDeque<EntryId>,
    by_packet: HashMap<PacketId, EntryId, RandomState>,
    next: u64,
    bytes: usize,
    /// Messages that are not finished, of any quality.
    open: usize,
}

/// What a message with a packet id is to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Not seen before, or forgotten.
    New,
    /// Known: it is being worked on, or finished and not acknowledged.
    Known,
}

impl AckWindow {
    /// An empty window.
    #[must_use]
    pub(super) fn new(limits: WindowLimits) -> Self {
        Self {
            limits,
            entries: HashMap::default(),
            order: VecDeque::new(),
            by_packet: HashMap::default(),
            next: 0,
            bytes: 0,
            open: 0,
        }
    }

    /// Looks whether a message has come before in this session.
    pub(super) fn arrival(&mut self, packet: PacketId, content: u64) -> Arrival {
        let Some(id) = self.by_packet.get(&packet).copied() else {
            return Arrival::New;
        };
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.content == content) else {
            // The broker has given the number to another message: it knows nothing of the old one any more.
            self.orphan(id);
            return Arrival::New;
        };
        if std::mem::take(&mut entry.awaited) {
            self.order.push_back(id);
        }
        Arrival::Known
    }

    /// Whether there is room for one more message. What was read before the connection was told to pause may take as much
    /// again as the limits say.
    #[must_use]
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.open == 0
            || (self.open < self.limits.messages.saturating_mul(2)
                && self.bytes.saturating_add(bytes) <= self.limits.bytes.saturating_mul(2))
    }

    /// Whether there is more than the limits say: nothing further should be read.
    #[must_use]
    pub(super) fn is_full(&self) -> bool {
        self.open > self.limits.messages || (self.open > 1 && self.bytes > self.limits.bytes)
    }

    /// Takes a message, for so many triggers.
    pub(super) fn open(
        &mut self,
        packet: Option<(PacketId, QualityOfService)>,
        content: u64,
        bytes: usize,
        parts: usize,
    ) -> EntryId {
        let id = EntryId(self.next);
        self.next += 1;
        self.bytes += bytes;
        let entry = Entry {
            packet,
            content,
            bytes,
            parts,
            awaited: false,
        };
        if let Some((number, _)) = packet {
            self.by_packet.insert(number, id);
            self.order.push_back(id);
        }
        self.entries.insert(id, entry);
        if parts > 0 {
            self.open += 1;
        } else {
            self.remove_if_unacknowledgeable(id);
        }
        id
    }

    /// A trigger has finished with a message.
    pub(super) fn finish(&mut self, id: EntryId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.parts == 0 {
            return;
        }
        entry.parts -= 1;
        if entry.parts == 0 {
            self.open -= 1;
            // What is left of it until its acknowledgement is out is a number.
            self.bytes -= std::mem::take(&mut entry.bytes);
            self.remove_if_unacknowledgeable(id);
        }
    }

    /// The acknowledgements that can go out now, in order. The window forgets these messages.
    pub(super) fn take_ready(&mut self) -> Vec<(PacketId, QualityOfService)> {
        let mut ready = Vec::new();
        while let Some(id) = self.order.front().copied() {
            let done = self.entries.get(&id).is_none_or(|entry| entry.parts == 0);
            if !done {
                break;
            }
            self.order.pop_front();
            ready.extend(self.remove(id));
        }
        ready
    }

    /// Whether [`Self::take_ready`] would give something.
    #[must_use]
    pub(super) fn has_ready(&self) -> bool {
        self.order
            .front()
            .is_some_and(|id| self.entries.get(id).is_none_or(|entry| entry.parts == 0))
    }

    /// The network connection is gone. The session may go on with the next one.
    pub(super) fn disconnected(&mut self) {
        self.order.clear();
        // Finished long ago, and not sent again during a whole connection: nobody waits for the acknowledgement.
        let forgotten: Vec<EntryId> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.awaited && entry.parts == 0)
            .map(|(id, _)| *id)
            .collect();
        for id in forgotten {
            self.remove(id);
        }
        for entry in self.entries.values_mut() {
            entry.awaited = entry.packet.is_some();
        }
    }

    /// The broker has forgotten the session: nothing of it is sent again, or waits for an acknowledgement.
    pub(super) fn session_lost(&mut self) {
        self.order.clear();
        let known: Vec<EntryId> = self.by_packet.values().copied().collect();
        for id in known {
            self.orphan(id);
        }
    }

    /// Whether the broker has this message, too, until it is acknowledged.
    #[must_use]
    pub(super) fn is_acknowledgeable(&self, id: EntryId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.packet.is_some())
    }

    /// Messages that are not finished.
    #[must_use]
    pub(super) fn open_messages(&self) -> usize {
        self.open
    }

    /// Whether half of the window is free: enough to go on after it was full.
    #[must_use]
    pub(super) fn is_half_free(&self) -> bool {
        self.open <= self.limits.messages / 2 && self.bytes <= self.limits.bytes / 2
    }

    /// The message is worked on to its end, and never acknowledged.
    fn orphan(&mut self, id: EntryId) {
        if let Some(entry) = self.entries.get_mut(&id)
            && let Some((number, _)) = entry.packet.take()
            && self.by_packet.get(&number) == Some(&id)
        {
            self.by_packet.remove(&number);
        }
        self.order.retain(|other| *other != id);
        self.remove_if_unacknowledgeable(id);
    }

    fn remove_if_unacknowledgeable(&mut self, id: EntryId) {
        let over = |entry: &Entry| entry.parts == 0 && entry.packet.is_none();
        if self.entries.get(&id).is_some_and(over) {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: EntryId) -> Option<(PacketId, QualityOfService)> {
        let entry = self.entries.remove(&id)?;
        self.bytes -= entry.bytes;
        if entry.parts > 0 {
            self.open -= 1;
        }
        let (number, qos) = entry.packet?;
        if self.by_packet.get(&number) == Some(&id) {
            self.by_packet.remove(&number);
        }
        Some((number, qos))
    }
}
