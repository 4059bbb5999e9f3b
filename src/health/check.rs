//! What is checked, and what a finding means. No clock, no I/O.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// Which of the two HTTP ports is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The API.
    Admin,
    /// The triggers.
    Gateway,
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Whether the server is to go on.
    Server,
    /// Postgres.
    Database,
    /// Whether it is known which jobs there are.
    Catalogue,
    /// What starts runners.
    Engine,
    /// Where the functions' log lines are kept.
    LogStore,
    /// Whether the port of the triggers is served.
    Gateway,
    /// Whether all jobs that serve have runners, or could have them.
    Jobs,
    /// Whether the brokers of MQTT triggers are connected.
    Brokers,
}

impl Check {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 8] = [
        Self::Server,
        Self::Database,
        Self::Catalogue,
        Self::Engine,
        Self::LogStore,
        Self::Gateway,
        Self::Jobs,
        Self::Brokers,
    ];

    /// Whether a port is not ready while this is amiss. A port is ready if it does what another server in its place would do:
    /// direct calls do not need Postgres, which all servers share, and taking all of them out of the load balancer would
    /// make a small failure a large one.
    #[must_use]
    pub const fn decides(self, port: Port) -> bool {
        match self {
            Self::Server | Self::Catalogue | Self::Engine | Self::Gateway => true,
            Self::Database => matches!(port, Port::Admin),
            // A broker is somebody else's; no other server would reach it better.
            Self::LogStore | Self::Jobs | Self::Brokers => false,
        }
    }
}

/// Why something is amiss; stable, and harmless for strangers to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The server goes down.
    ShuttingDown,
    /// It is not known yet.
    Starting,
    /// It says no, or can not be reached.
    Unavailable,
    /// It did not answer in time.
    TimedOut,
    /// Nobody has looked for so long that what was known is worth nothing.
    NotChecked,
    /// The last log lines could not be kept, or wait.
    NotKept,
    /// The port is not served.
    NotServed,
    /// Runners of some jobs can not be started.
    NoRunners,
    /// Connections to brokers are lost, and tried again.
    NotConnected,
}

/// What a look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Well,
    /// Not as it should be.
    Amiss {
        /// Why.
        reason: Reason,
        /// What was seen, for the operator. Holds no secrets.
        detail: Option<String>,
    },
}

impl Finding {
    /// Something is amiss, and there is no more to be said of it.
    #[must_use]
    pub const fn amiss(reason: Reason) -> Self {
        Self::Amiss { reason, detail: None }
    }

    /// Well if this is so.
    #[must_use]
    pub fn well_if(is_so: bool, reason: Reason) -> Self {
        if is_so { Self::Well } else { Self::amiss(reason) }
    }

    /// Whether two findings come to the same, whatever their details.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let reason = |finding: &Self| match finding {
            Self::Well => None,
            Self::Amiss { reason, .. } => Some(*reason),
        };
        reason(self) == reason(other)
    }
}

/// What a finding comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Amiss, and the port is ready all the same.
    Degraded,
    /// Amiss, and the port is not ready.
    Failed,
}

/// How it stands with one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckReport {
    /// What was checked.
    pub check: Check,
    /// What it comes to.
    pub status: CheckStatus,
    /// Why it is not `ok`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What was seen, on the admin port only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Since when it is not `ok`, on the admin port only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

impl CheckReport {
    /// What a port says of a finding that holds since then.
    pub(super) fn of(check: Check, finding: Finding, since: DateTime<Utc>, port: Port) -> Self {
        let Finding::Amiss { reason, detail } = finding else {
            return Self {
                check,
                status: CheckStatus::Ok,
                reason: None,
                detail: None,
                since: None,
            };
        };
        let told = port == Port::Admin;
        Self {
            check,
            status: if check.decides(port) {
                CheckStatus::Failed
            } else {
                CheckStatus::Degraded
            },
            reason: Some(reason),
            detail: detail.filter(|_| told),
            since: told.then_some(since),
        }
    }
}

/// How it stands with a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    /// The worst of the checks: `ok` and `degraded` are ready, `failed` is not.
    pub status: CheckStatus,
    /// Each check.
    pub checks: Vec<CheckReport>,
}

impl Report {
    pub(super) fn of(checks: Vec<CheckReport>) -> Self {
        let any = |status| checks.iter().any(|check| check.status == status);
        let status = if any(CheckStatus::Failed) {
            CheckStatus::Failed
        } else if any(CheckStatus::Degraded) {
            CheckStatus::Degraded
        } else {
            CheckStatus::Ok
        };
        Self { status, checks }
    }

    /// Whether requests should come to this port.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status != CheckStatus::Failed
    }

    /// What a port says that only asks whether the process answers.
    #[must_use]
    pub fn alive(&self) -> Alive {
        Alive {
            status: "alive",
            amiss: self.amiss().map(|check| check.check).collect(),
        }
    }

    /// What is not as it should be.
    pub fn amiss(&self) -> impl Iterator<Item = &CheckReport> {
        self.checks.iter().filter(|check| check.status != CheckStatus::Ok)
    }
}

/// That the process answers, and what is amiss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Alive {
    /// `alive`.
    status: &'static str,
    /// What is not as it should be; `/readyz` says why.
    amiss: Vec<Check>,
}
