//! What was found last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::check::{Check, CheckReport, Finding, Port, Reason, Report};

/// What the monitor has found is worth nothing after this: it looks every second.
const STALE: Duration = Duration::from_secs(15);

/// What is known of the server's health. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    /// In the order of [`Check::ALL`].
    of: [Option<Entry>; Check::ALL.len()],
}

#[derive(Clone, Debug)]
struct Entry {
    finding: Finding,
    /// Since when it is like this.
    since: DateTime<Utc>,
    /// When it was looked at.
    at: Instant,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Entries are changed as a whole; a panic leaves none of them half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts down what was found.
    pub fn found(&self, check: Check, finding: Finding) {
        let mut entries = self.lock();
        let Some(entry) = entries.of.get_mut(check as usize) else {
            return;
        };
        let before = entry.as_ref().filter(|before| before.finding.is_like(&finding));
        let since = before.map_or_else(Utc::now, |before| before.since);
        let told = before.is_none().then(|| finding.clone());
        *entry = Some(Entry {
            finding,
            since,
            at: Instant::now(),
        });
        drop(entries);
        if let Some(Finding::Amiss { reason, detail }) = told {
            tracing::debug!(?check, ?reason, detail, "a check found something amiss");
        }
    }

    /// The server goes down: from here on no port is ready, whatever is found.
    pub fn shutting_down(&self) {
        self.found(Check::Server, Finding::amiss(Reason::ShuttingDown));
    }

    /// How it stands with a port.
    #[must_use]
    pub fn report(&self, port: Port) -> Report {
        let entries = self.lock().of.clone();
        let now = Instant::now();
        let checks = Check::ALL.into_iter().zip(entries);
        let checks = checks.map(|(check, entry)| {
            let (finding, since) = standing(check, entry, now);
            CheckReport::of(check, finding, since, port)
        });
        Report::of(checks.collect())
    }
}

/// What an entry is worth now.
fn standing(check: Check, entry: Option<Entry>, now: Instant) -> (Finding, DateTime<Utc>) {
    match entry {
        // Nothing has to be found for a server to go on.
        None if check == Check::Server => (Finding::Well, Utc::now()),
        None => (Finding::amiss(Reason::Starting), Utc::now()),
        Some(entry) if is_looked_after(check) && now.saturating_duration_since(entry.at) > STALE => {
            (Finding::amiss(Reason::NotChecked), entry.since)
        }
        Some(entry) => (entry.finding, entry.since),
    }
}

/// Whether the monitor looks after it again and again. The others are put down by whoever changes them.
fn is_looked_after(check: Check) -> bool {
    match check {
        Check::Server | Check::Catalogue | Check::Gateway => false,
        Check::Database | Check::Engine | Check::LogStore | Check::Jobs | Check::Brokers => true,
    }
}
