//! What is no whole backup, or meets something, changes nothing.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jobber::backup::{BackupError, ReadError, RestoreError, verify};
use jobber::store::BackupSession;

use super::{Empty, Small, backups_of, packages, passphrase, publish_store, restore_into, rows};
use crate::support::eventually;

/// A copy of a backup with something done to it.
fn copy(of: &Path, folder: &Path, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let mut bytes = std::fs::read(of).unwrap();
    change(&mut bytes);
    let path = folder.join("copy");
    std::fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
    path
}

#[tokio::test]
async fn a_damaged_a_truncated_and_a_foreign_file_are_refused_before_anything_is_touched() {
    let small = Small::new().await;
    let made = small.backups.make(None).await.unwrap();
    let file = small.path_of(&made);
    let folder = tempfile::tempdir().unwrap();
    let target = Empty::new().await;
    let refused = async |path: &Path| match target.restore(path, None, false).await.unwrap_err() {
        RestoreError::File { error, .. } => error,
        other => panic!("{other}"),
    };

    let damaged = copy(&file, folder.path(), |bytes| {
        // Within the dump, which is by far the largest part.
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let told = refused(&damaged).await;
    assert!(matches!(told, ReadError::Damaged(_)), "{told}");
    let truncated = copy(&file, folder.path(), |bytes| bytes.truncate(bytes.len() / 2));
    let told = refused(&truncated).await;
    assert!(matches!(told, ReadError::Truncated(_)), "{told}");
    let foreign = copy(&file, folder.path(), |bytes| *bytes = b"hello".repeat(1000));
    let told = refused(&foreign).await;
    assert!(matches!(told, ReadError::NoBackup), "{told}");
    let told = refused(Path::new("/nowhere/at-all")).await;
    assert!(matches!(told, ReadError::Io(_)), "{told}");
    target.is_untouched().await;
}

#[tokio::test]
async fn a_wrong_passphrase_and_none_are_refused() {
    let small = Small::new().await;
    let made = small.backups.make(Some(passphrase())).await.unwrap();
    let file = small.path_of(&made);
    let target = Empty::new().await;
    for (given, expected) in [
        (Some("another passphrase"), "the passphrase is wrong"),
        (None, "no passphrase was given"),
    ] {
        let told = target
            .restore(&file, given.map(Into::into), false)
            .await
            .unwrap_err();
        assert!(told.to_string().contains(expected), "{told}");
    }
    target.is_untouched().await;
}

#[tokio::test]
async fn a_system_that_is_not_empty_is_left_alone() {
    let small = Small::new().await;
    let made = small.backups.make(Some(passphrase())).await.unwrap();
    let file = small.path_of(&made);
    let (db, data) = (&small.publishing.db, small.publishing.data.path());
    let before = (rows(&db.client().await).await, packages(data));

    let told = restore_into(db, data, &file, Some(passphrase()), true)
        .await
        .unwrap_err();
    assert!(matches!(told, RestoreError::InUse(1..)), "{told}");
    db.database.close();
    let told = eventually("the server's connections are gone", async || {
        let told = restore_into(db, data, &file, Some(passphrase()), false)
            .await
            .unwrap_err();
        (!matches!(told, RestoreError::InUse(_))).then(|| told.to_string())
    })
    .await;
    assert!(
        told.contains("the database has tables (1 job, 1 version), the data folder has packages"),
        "{told}"
    );
    assert_eq!((rows(&db.client().await).await, packages(data)), before);

    // A database alone, and a folder alone, are something, too.
    let target = Empty::new().await;
    let told = restore_into(&target.db, data, &file, Some(passphrase()), false)
        .await
        .unwrap_err();
    assert!(
        told.to_string()
            .ends_with("not empty: the data folder has packages. Nothing was touched"),
        "{told}"
    );
    target.is_untouched().await;
}

#[tokio::test]
async fn a_restore_that_fails_half_way_leaves_everything_as_it_was() {
    let (small, other) = (Small::new().await, Small::new().await);
    let made = small.backups.make(Some(passphrase())).await.unwrap();
    let (db, data) = (&other.publishing.db, other.publishing.data.path());
    let secrets = |data: &Path| std::fs::read(data.join("master-key")).unwrap();
    let before = (rows(&db.client().await).await, packages(data), secrets(data));
    other.publishing.db.database.close();
    // Tables can be made, and this function can not.
    db.client()
        .await
        .batch_execute(
            "create function no_functions() returns event_trigger language plpgsql as
             $$ begin if current_setting('application_name') = 'jobber backup' then raise 'no functions today'; end if; end $$;
             create event trigger no_functions on ddl_command_end when tag in ('CREATE FUNCTION') execute function no_functions()",
        )
        .await
        .unwrap();
    let told = eventually("the other's connections are gone", async || {
        let told = restore_into(db, data, &small.path_of(&made), Some(passphrase()), true)
            .await
            .unwrap_err();
        (!matches!(told, RestoreError::InUse(_))).then(|| told.to_string())
    })
    .await;
    assert!(told.contains("no functions today"), "{told}");
    let after = (rows(&db.client().await).await, packages(data), secrets(data));
    assert_eq!(after, before);
    let left: Vec<_> = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("restore"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn one_of_a_newer_schema_is_refused_by_name_and_an_older_one_is_migrated_at_the_next_start() {
    let small = Small::new().await;
    let client = small.publishing.db.client().await;
    let newest = small
        .publishing
        .db
        .count("select max(version)::int8 from refinery_schema_history")
        .await;
    client
        .batch_execute(
            "insert into refinery_schema_history
             select version + 1, 'later', applied_on, checksum from refinery_schema_history order by version desc limit 1",
        )
        .await
        .unwrap();
    let newer = small.backups.make(None).await.unwrap();
    let target = Empty::new().await;
    let told = target
        .restore(&small.path_of(&newer), None, false)
        .await
        .unwrap_err();
    let expected = format!("with schema {}; this one is", newest + 1);
    assert!(told.to_string().contains(&expected), "{told}");
    target.is_untouched().await;

    // As if the newest migration were still to come.
    client
        .batch_execute(&format!(
            "delete from refinery_schema_history where version >= {newest};
             alter table metric_rollups drop column total_max_us, drop column queue_max_us, drop column handler_max_us"
        ))
        .await
        .unwrap();
    let older = small.backups.make(None).await.unwrap();
    target.restore(&small.path_of(&older), None, false).await.unwrap();
    let database = &target.db.database;
    assert_eq!(jobber::store::migrate(database).await.unwrap(), 1);
    assert_eq!(
        target
            .db
            .count("select count(total_max_us) from metric_rollups")
            .await,
        0
    );
}

#[tokio::test]
async fn a_backup_that_fails_leaves_nothing_and_one_at_a_time_is_made() {
    let small = Small::new().await;
    let data = small.publishing.data.path();
    let held = BackupSession::begin(&small.publishing.db.database)
        .await
        .unwrap()
        .unwrap();
    let told = small.backups.make(None).await.unwrap_err();
    assert!(matches!(told, BackupError::Running), "{told}");
    drop(held);
    let first = eventually("the lock is free", async || small.backups.make(None).await.ok()).await;

    // A package is a folder, which nobody can read as a file.
    let package = packages(data).into_keys().next().unwrap();
    std::fs::remove_file(data.join(&package)).unwrap();
    std::fs::create_dir(data.join(&package)).unwrap();
    let told = small.backups.make(None).await.unwrap_err();
    assert!(matches!(told, BackupError::Io { .. }), "{told}");
    let left: Vec<_> = std::fs::read_dir(data.join("backups"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, [first.name.as_str()]);
    let gauge = small.backups.gauge();
    assert_eq!((gauge.made, gauge.failed, gauge.kept), (1, 1, 1));
    assert_eq!(gauge.last_bytes, Some(first.bytes));
}

#[tokio::test]
async fn a_package_that_was_lost_before_is_told_and_no_reason_for_having_no_backup() {
    let small = Small::new().await;
    let data = small.publishing.data.path();
    let package = packages(data).into_keys().next().unwrap();
    std::fs::remove_file(data.join(&package)).unwrap();
    let made = small.backups.make(None).await.unwrap();
    let file = std::fs::File::open(small.path_of(&made)).unwrap();
    let manifest = verify(file, None).unwrap();
    assert_eq!((manifest.archives, manifest.missing_archives.len()), (0, 1));
    let digest = manifest.missing_archives[0].parse().unwrap();
    let referenced = publish_store(&small.publishing.db)
        .referenced(&[digest])
        .await
        .unwrap();
    assert!(referenced.contains(&digest));
}

#[tokio::test]
async fn only_the_newest_stay_and_only_their_owner_may_read_them() {
    let small = Small::new().await;
    let mut names = Vec::new();
    for _ in 0..4 {
        names.push(small.backups.make(None).await.unwrap().name);
    }
    names.reverse();
    names.truncate(3);
    let listed = small.backups.list().await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|backup| backup.name).collect();
    assert_eq!(listed, names);
    let file = small.publishing.data.path().join("backups").join(&names[0]);
    assert_eq!(
        std::fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // Another server looks into the same folder.
    let other = backups_of(&small.publishing.db, small.publishing.data.path(), 3);
    other.look().await;
    assert_eq!(other.gauge().kept, 3);
}
