//! A server whose data directory has no room left: a file system of its own, of a few megabytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{Machine, eventually};

/// Becomes the program that it is given, which alone sees the file system in its data directory.
const SMALL_DISK: [&str; 8] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    "mount -t tmpfs -o size=16m small \"$JOBBER_DATA\" && exec \"$@\"",
    "sh",
];
/// More than fits, as bytes that no zip makes smaller.
const TOO_MUCH: u64 = 24 << 20;
const BOUND: Duration = Duration::from_secs(30);

/// What is there of packages, uploads and backups, with sizes.
fn kept(disk: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<_> = ["archives", "tmp", "backups"].map(|name| disk.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), path.metadata().unwrap().len());
            }
        }
    }
    found
}

/// A file in which there is all the room that the disk has left but for so many bytes.
fn fill(disk: &Path, but_for: u64) -> PathBuf {
    let path = disk.join("filled");
    let mut file = File::create(&path).unwrap();
    let full = io::copy(&mut io::repeat(7), &mut file).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    let filled = file.metadata().unwrap().len();
    file.set_len(filled - but_for).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_and_backups_are_refused_and_nothing_is_left_of_them() {
    let machine = Machine::new().await;
    let data = machine.data();
    std::fs::create_dir(&data).unwrap();
    let mut server = machine.serve_within(&SMALL_DISK).await;
    // As the server sees it: nobody else does.
    let disk = PathBuf::from(format!(
        "/proc/{}/root{}",
        server.process.id().unwrap(),
        data.display()
    ));
    let tool = &server.tool;
    tool.run(&["init", "story"]).await.expect();
    tool.run(&["publish", "story"]).await.expect();
    let made = tool.run(&["backup", "--json"]).await.json();
    let size = made["bytes"].as_u64().unwrap();
    let before = kept(&disk);
    assert_eq!(before.len(), 2, "{before:?}");

    // A package that does not fit.
    tool.edit("story/package.json", "1.0.0", "1.0.1");
    let large = tool.home().join("story/large");
    let noise = File::open("/dev/urandom").unwrap();
    io::copy(&mut noise.take(TOO_MUCH), &mut File::create(&large).unwrap()).unwrap();
    let refused = tool.run(&["publish", "story"]).await;
    refused.refused(1, &["no room for the archive on the server's disk", "(storage)"]);
    assert_eq!(kept(&disk), before);
    std::fs::remove_file(large).unwrap();

    // No room for the dump; then for the dump, and not for the backup as well.
    for room in [0, size] {
        let filled = fill(&disk, room);
        let refused = tool.run(&["backup"]).await;
        refused.refused(1, &["no room for a backup in", "(storage)"]);
        assert_eq!(kept(&disk), before, "with room for {room} bytes");
        if room == 0 {
            let refused = tool.run(&["publish", "story"]).await;
            refused.refused(1, &["no room for the archive"]);
            assert_eq!(kept(&disk), before);
            let ready = tool.run(&["versions", "story"]).await.expect();
            assert!(!ready.contains("1.0.1"), "{ready}");
            tool.run(&["invoke", "story"]).await.expect();
        }
        std::fs::remove_file(filled).unwrap();
    }

    // With room again, all goes on.
    tool.run(&["publish", "story"]).await.expect();
    eventually("a backup is made", BOUND, || async {
        (tool.run(&["backup"]).await.status == 0).then_some(())
    })
    .await;
    assert_eq!(kept(&disk).len(), before.len() + 2);
    server.process.kill().await.unwrap();
    machine.end().await;
}
