//! How a child is to be supervised.

use std::time::Duration;

use actix::ArbiterHandle;

/// When an actor that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Always, unless it was asked to stop.
    Permanent,
    /// Only after a crash.
    Transient,
    /// Never.
    Temporary,
}

/// How many restarts are too many: more than `max_restarts` within the sliding window `within`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts that are still accepted within the window.
    pub max_restarts: u32,
    /// The length of the window.
    pub within: Duration,
}

impl Intensity {
    /// Never gives up. For what must come back whenever its surroundings do; pair it with a long backoff.
    pub const UNLIMITED: Self = Self {
        max_restarts: u32::MAX,
        within: Duration::ZERO,
    };
}

impl Default for Intensity {
    fn default() -> Self {
        Self {
            max_restarts: 5,
            within: Duration::from_secs(60),
        }
    }
}

/// How long to wait before a restart: `initial`, then `factor` times as long each time, up to `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The wait before the first restart.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// What each further wait is multiplied with.
    pub factor: f64,
    /// The part of a wait, from 0 to 1, that is random: a wait is between `(1 - jitter) × d` and `d`.
    pub jitter: f64,
    /// An actor that lived this long has recovered: its next wait is `initial` again.
    pub reset_after: Duration,
}

impl Backoff {
    /// Restarts at once.
    pub const NONE: Self = Self {
        initial: Duration::ZERO,
        max: Duration::ZERO,
        factor: 1.0,
        jitter: 0.0,
        reset_after: Duration::ZERO,
    };
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(30),
            factor: 2.0,
            jitter: 0.3,
            reset_after: Duration::from_secs(60),
        }
    }
}

/// Which thread runs the child.
#[derive(Clone, Debug, Default)]
pub enum Placement {
    /// The parent's own: sends between them stay on one thread.
    #[default]
    Here,
    /// That arbiter's.
    Arbiter(ArbiterHandle),
}

/// In which order an actor's children are stopped when it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOrder {
    /// One after the other, the youngest first: for children that need their elder siblings to stop well.
    Reverse,
    /// All at once: for many children of one kind, whose graces should not add up.
    Together,
}

/// How one child is to be supervised. Begin with [`permanent`](Self::permanent),
/// [`transient`](Self::transient) or [`temporary`](Self::temporary) and change what should differ.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    /// The last part of the child's path: `"action 1.2.0"`. Need not be unique.
    pub name: String,
    /// When it is started again.
    pub policy: RestartPolicy,
    /// When to give up.
    pub intensity: Intensity,
    /// How long to wait before a restart.
    pub backoff: Backoff,
    /// Where it runs.
    pub placement: Placement,
    /// The time from the request to stop until the child has to have stopped; after it the child is killed.
    /// The time that its own children take to stop comes on top.
    pub stop_grace: Duration,
}

impl ChildSpec {
    /// A child that is always there.
    pub fn permanent(name: impl Into<String>) -> Self {
        Self::new(name, RestartPolicy::Permanent)
    }

    /// A child with an end, which a crash is not.
    pub fn transient(name: impl Into<String>) -> Self {
        Self::new(name, RestartPolicy::Transient)
    }

    /// A child that is replaced instead of restarted.
    pub fn temporary(name: impl Into<String>) -> Self {
        Self::new(name, RestartPolicy::Temporary)
    }

    fn new(name: impl Into<String>, policy: RestartPolicy) -> Self {
        Self {
            name: name.into(),
            policy,
            intensity: Intensity::default(),
            backoff: Backoff::default(),
            placement: Placement::Here,
            stop_grace: Duration::from_secs(5),
        }
    }

    /// Sets when to give up.
    pub fn intensity(mut self, intensity: Intensity) -> Self {
        self.intensity = intensity;
        self
    }

    /// Sets how long to wait before a restart.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets where the child runs.
    pub fn on(mut self, arbiter: ArbiterHandle) -> Self {
        self.placement = Placement::Arbiter(arbiter);
        self
    }

    /// Sets how long the child may take to stop.
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.stop_grace = grace;
        self
    }
}
