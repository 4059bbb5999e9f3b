//! When backups are due, and who makes them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jobber_actors::clock::Clock;
use jobber_actors::schedule::Schedule;
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::watch;

use super::fault::BackupError;
use super::folder::BackupInfo;
use super::service::Backups;
use crate::store::{AuditEntry, AuditStore, BackupSession, DatabaseError, SCHEDULED, last_scheduled_backup};

/// The longest sleep: clocks are put right, and another server may have made the backup.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// After a failure it is tried again.
const RETRY: Duration = Duration::from_secs(3600);
/// How long after its instant a backup is too late.
const GRACE: TimeDelta = TimeDelta::hours(2);

/// Whether a backup is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Now; instants that passed while no server was there are made up for by one backup.
    Now,
    /// At this instant.
    At(DateTime<Utc>),
    /// The schedule has no further instant.
    Never,
}

/// Whether a backup is due, when the schedule was dealt with up to `last`. Pure.
#[must_use]
pub fn due(schedule: &Schedule, last: DateTime<Utc>, now: DateTime<Utc>) -> Due {
    match schedule.next_after(last) {
        Some(next) if next <= now => Due::Now,
        Some(next) => Due::At(next),
        None => Due::Never,
    }
}

/// Whether the newest backup is older than the schedule allows, with some hours for making it. Pure.
#[must_use]
pub fn is_overdue(schedule: &Schedule, newest: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    schedule
        .next_after(newest)
        .and_then(|next| next.checked_add_signed(GRACE))
        .is_some_and(|latest| latest < now)
}

/// Makes backups by a schedule.
pub struct BackupScheduler {
    backups: Backups,
    schedule: Schedule,
    audit: AuditStore,
    clock: Clock,
}

/// What a look at the schedule came to.
#[derive(Debug)]
enum Turn {
    Wait(Duration),
    Made(BackupInfo),
    /// Somebody else makes it.
    Elsewhere,
    Failed,
}

impl BackupScheduler {
    /// For these backups.
    #[must_use]
    pub fn new(backups: Backups, schedule: Schedule, clock: Clock) -> Self {
        let audit = AuditStore::new(backups.database().clone());
        Self {
            backups,
            schedule,
            audit,
            clock,
        }
    }

    /// Works until it is told to stop.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = self.work() => {}
        }
    }

    async fn work(&self) {
        loop {
            let pause = match self.turn().await {
                Ok(Turn::Wait(pause)) => pause.min(LOOK_EVERY),
                Ok(Turn::Made(_)) => Duration::ZERO,
                Ok(Turn::Elsewhere) => LOOK_EVERY,
                Ok(Turn::Failed) => RETRY,
                Err(error) => {
                    tracing::warn!(%error, "it can not be found out whether a backup is due");
                    LOOK_EVERY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Makes a backup if one is due and nobody else makes it. Gives what was made.
    ///
    /// # Errors
    /// [`DatabaseError`] when it can not be found out. A backup that fails is in the audit log.
    pub async fn make_if_due(&self) -> Result<Option<BackupInfo>, DatabaseError> {
        Ok(match self.turn().await? {
            Turn::Made(info) => Some(info),
            Turn::Wait(_) | Turn::Elsewhere | Turn::Failed => None,
        })
    }

    async fn turn(&self) -> Result<Turn, DatabaseError> {
        let last = last_scheduled_backup(self.backups.database()).await?;
        match due(&self.schedule, last, self.clock.now()) {
            Due::Now => {}
            Due::At(next) => {
                let pause = (next - self.clock.now()).to_std().unwrap_or_default();
                return Ok(Turn::Wait(pause));
            }
            Due::Never => return Ok(Turn::Wait(LOOK_EVERY)),
        }
        let Some(session) = BackupSession::begin(self.backups.database()).await? else {
            return Ok(Turn::Elsewhere);
        };
        // Another server may have made it between the look and the lock.
        let last = last_scheduled_backup(self.backups.database()).await?;
        let now = self.clock.now();
        if due(&self.schedule, last, now) != Due::Now {
            return Ok(Turn::Elsewhere);
        }
        let none: Option<SecretString> = None;
        let made = self.backups.make_in(session, none).await;
        self.record(&made, now).await;
        Ok(made.map_or(Turn::Failed, Turn::Made))
    }

    /// The audit log is also what tells all servers that this one has made it.
    async fn record(&self, made: &Result<BackupInfo, BackupError>, due: DateTime<Utc>) {
        let (status, resource, after) = match made {
            Ok(info) => (
                201,
                format!("/api/backups/{}", info.name),
                json!({ "due": due, "name": info.name, "bytes": info.bytes, "encrypted": info.encrypted }),
            ),
            Err(error) => (
                500,
                "/api/backups".to_owned(),
                json!({ "due": due, "error": error.to_string() }),
            ),
        };
        let entry = AuditEntry {
            user: None,
            username: None,
            token: None,
            address: String::new(),
            action: SCHEDULED.to_owned(),
            resource,
            status,
            before: None,
            after: Some(after),
        };
        if let Err(error) = self.audit.add(&entry).await {
            tracing::error!(%error, ?entry, "a scheduled backup is not in the audit log");
        }
    }
}

#[cfg(test)]
mod tests {
    use jobber_actors::schedule::{CronExpression, parse_zone};

    use super::*;

    fn schedule(cron: &str, zone: &str) -> Schedule {
        Schedule {
            cron: CronExpression::parse(cron).unwrap(),
            timezone: parse_zone(zone).unwrap(),
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_backup_is_due_at_its_instant_and_one_makes_up_for_all_that_were_missed() {
        let daily = schedule("0 0 * * *", "UTC");
        let last = at("2026-11-26T00:00:03Z");
        let next = at("2026-11-27T00:00:00Z");
        assert_eq!(due(&daily, last, at("2026-11-26T23:59:59Z")), Due::At(next));
        assert_eq!(due(&daily, last, next), Due::Now);
        assert_eq!(due(&daily, last, at("2026-12-24T18:00:00Z")), Due::Now);
        let made_up = at("2026-12-24T18:00:00Z");
        assert_eq!(due(&daily, made_up, made_up), Due::At(at("2026-12-25T00:00:00Z")));
    }

    #[test]
    fn midnight_is_that_of_the_zone_also_when_clocks_change() {
        let berlin = schedule("0 0 * * *", "Europe/Berlin");
        let last = at("2026-10-24T22:00:00Z");
        // The night that has 25 hours.
        assert_eq!(due(&berlin, last, last), Due::At(at("2026-10-25T23:00:00Z")));
    }

    #[test]
    fn the_newest_backup_may_be_as_old_as_the_schedule_says_and_some_hours_more() {
        let weekly = schedule("0 3 * * SUN", "UTC");
        let newest = at("2026-11-22T03:00:00Z");
        assert!(!is_overdue(&weekly, newest, at("2026-11-29T03:30:00Z")));
        assert!(is_overdue(&weekly, newest, at("2026-11-29T05:00:01Z")));
    }
}
