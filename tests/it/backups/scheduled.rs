//! Backups by the schedule, of one server or of several.

use chrono::{DateTime, TimeDelta, Utc};
use jobber::backup::BackupScheduler;
use jobber_actors::clock::Clock;
use jobber_actors::schedule::{CronExpression, Schedule, parse_zone};

use super::{Small, backups_of};

fn daily() -> Schedule {
    Schedule {
        cron: CronExpression::parse("0 0 * * *").unwrap(),
        timezone: parse_zone("UTC").unwrap(),
    }
}

fn in_two_days() -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(2)
}

#[tokio::test]
async fn of_two_servers_one_makes_the_backup_and_the_audit_log_says_so() {
    let small = Small::new().await;
    let time = in_two_days();
    let (one_folder, other_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let scheduler = |folder: &std::path::Path, clock| {
        let backups = backups_of(&small.publishing.db, folder, 3);
        BackupScheduler::new(backups, daily(), clock)
    };
    let early = scheduler(one_folder.path(), Clock::System);
    assert_eq!(early.make_if_due().await.unwrap(), None, "the system is new");

    let one = scheduler(one_folder.path(), Clock::beginning_with(time));
    let other = scheduler(other_folder.path(), Clock::beginning_with(time));
    let (one_made, other_made) = tokio::join!(one.make_if_due(), other.make_if_due());
    let made: Vec<_> = [one_made.unwrap(), other_made.unwrap()]
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(made.len(), 1, "{made:?}");
    for scheduler in [&one, &other] {
        assert_eq!(scheduler.make_if_due().await.unwrap(), None);
    }
    let recorded = "select count(*) from audit_log where action = 'scheduled backup' and status = 201";
    assert_eq!(small.publishing.db.count(recorded).await, 1);
}

#[tokio::test]
async fn a_backup_that_fails_is_in_the_audit_log_and_still_due() {
    let small = Small::new().await;
    let folder = tempfile::tempdir().unwrap();
    // Where the folder of backups should be there is a file.
    std::fs::write(folder.path().join("backups"), "").unwrap();
    let backups = backups_of(&small.publishing.db, folder.path(), 3);
    let scheduler = BackupScheduler::new(backups.clone(), daily(), Clock::beginning_with(in_two_days()));
    assert_eq!(scheduler.make_if_due().await.unwrap(), None);
    assert_eq!(backups.gauge().failed, 1);
    let recorded = "select count(*) from audit_log where action = 'scheduled backup' and status = 500 and after ? 'error'";
    assert_eq!(small.publishing.db.count(recorded).await, 1);

    std::fs::remove_file(folder.path().join("backups")).unwrap();
    assert!(scheduler.make_if_due().await.unwrap().is_some());
}
