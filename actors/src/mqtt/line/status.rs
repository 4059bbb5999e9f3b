//! What can be seen of a line.

use chrono::{DateTime, Utc};

use crate::manifest::QualityOfService;

/// How it stands with the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineState {
    /// It is being connected for the first time.
    Connecting,
    /// The broker has let it in.
    Connected,
    /// It is not connected; it is tried again and again.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// It was dropped on purpose, until there is room for what the broker sends.
    Full,
    /// Another server on the same database has the session. This one connects when that one lets go of it.
    Elsewhere,
}

impl std::fmt::Display for LineState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connecting => f.write_str("being connected"),
            Self::Connected => f.write_str("connected"),
            Self::Disconnected { reason } => write!(f, "not connected: {reason}"),
            Self::Full => f.write_str(
                "the broker sent more than may be unacknowledged; it is connected again when there is room",
            ),
            Self::Elsewhere => {
                f.write_str("another server has the connection; this one takes over when that one ends")
            }
        }
    }
}

/// What can be seen of a line.
#[derive(Clone, Debug)]
pub struct LineStatus {
    /// The broker.
    pub broker: String,
    /// The client's id.
    pub client_id: String,
    /// How it stands with the network.
    pub state: LineState,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Subscriptions that the broker has not answered yet.
    pub unanswered: usize,
    /// Filters that the broker refused, with its reason.
    pub refused: Vec<(String, String)>,
    /// Whether the durable queue takes no more of the job's failed messages.
    pub queue_full: bool,
    /// Messages of this line, since the server's start.
    pub counts: LineCounts,
    /// The same by quality of service: 0, 1, 2.
    pub by_qos: CountsByQos,
    /// Messages that are not finished.
    pub open: usize,
    /// Of those, messages that wait for a place in the action's lane.
    pub waiting: usize,
}

/// Counts of messages, since the server's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LineCounts {
    /// Came from the broker, copies and repeats included.
    pub received: u64,
    /// Handled with success at the first attempt.
    pub handled: u64,
    /// Failed at the first attempt.
    pub failed: u64,
    /// Of QoS 0, dropped because there was no room.
    pub dropped: u64,
    /// There was no trigger for them any more.
    pub unrouted: u64,
    /// Known already: a copy, or a repeat of what is being worked on.
    pub repeated: u64,
}

/// Counts of messages by the quality of service with which they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountsByQos([LineCounts; 3]);

impl LineState {
    /// What metrics call each of them.
    pub const NAMES: [&'static str; 5] = ["connecting", "connected", "disconnected", "full", "elsewhere"];

    /// What metrics call it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::Full => "full",
            Self::Elsewhere => "elsewhere",
        }
    }
}

impl LineCounts {
    /// By what became of the messages.
    #[must_use]
    pub const fn outcomes(&self) -> [(&'static str, u64); 5] {
        [
            ("handled", self.handled),
            ("failed", self.failed),
            ("dropped", self.dropped),
            ("unrouted", self.unrouted),
            ("repeated", self.repeated),
        ]
    }

    fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.handled += other.handled;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.unrouted += other.unrouted;
        self.repeated += other.repeated;
    }
}

impl CountsByQos {
    /// Those of one quality of service.
    pub(super) fn of(&mut self, qos: QualityOfService) -> &mut LineCounts {
        let [most_once, least_once, exactly_once] = &mut self.0;
        match qos {
            QualityOfService::AtMostOnce => most_once,
            QualityOfService::AtLeastOnce => least_once,
            QualityOfService::ExactlyOnce => exactly_once,
        }
    }

    /// Those of 0, of 1 and of 2.
    #[must_use]
    pub const fn each(&self) -> &[LineCounts; 3] {
        &self.0
    }

    /// All together.
    #[must_use]
    pub fn sum(&self) -> LineCounts {
        let mut sum = LineCounts::default();
        for counts in &self.0 {
            sum.add(counts);
        }
        sum
    }

    /// Puts another one's counts to these.
    pub(in crate::mqtt) fn add(&mut self, other: &Self) {
        for (counts, more) in self.0.iter_mut().zip(&other.0) {
            counts.add(more);
        }
    }
}
