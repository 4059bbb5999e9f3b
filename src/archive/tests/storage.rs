//! Uploads and kept archives.

use std::fs;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use jobber_actors::domain::ArchiveDigest;
use jobber_actors::ports::{ArchiveError, ArchiveStore, PackagePart};

use super::*;
use crate::archive::{ContentError, DiskArchiveStore};

/// Keeps a zip as a publish would.
async fn keep(store: &DiskArchiveStore, zip: &[u8]) -> ArchiveDigest {
    let mut writer = store.upload(1 << 20).await.unwrap();
    for chunk in zip.chunks(1_000) {
        writer.write(chunk).await.unwrap();
    }
    let upload = writer.finish().await.unwrap();
    assert_eq!(upload.size(), zip.len() as u64);
    let digest = inspect(upload.path(), ArchiveLimits::default())
        .await
        .unwrap()
        .digest;
    let held = store.hold_references().await;
    store.keep(upload, digest, &held).await.unwrap();
    digest
}

#[tokio::test]
async fn a_kept_archive_streams_its_files_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let store = DiskArchiveStore::open(folder.path()).unwrap();
    let big: Vec<u8> = (0..150_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = keep(
        &store,
        &zip(&[
            entry("x/package.json", PACKAGE_JSON),
            Entry {
                mode: 0o100_755,
                ..entry("x/bin/tool", &big)
            },
            entry("x/empty", b""),
        ]),
    )
    .await;

    let mut files: Vec<(String, u64, bool, Vec<u8>)> = Vec::new();
    let mut parts = store.files(digest).await.unwrap();
    while let Some(part) = parts.next().await {
        match part.unwrap() {
            PackagePart::File {
                path,
                size,
                executable,
            } => files.push((path, size, executable, Vec::new())),
            PackagePart::Data(data) => {
                assert!(data.len() <= 256 << 10);
                files.last_mut().unwrap().3.extend_from_slice(&data);
            }
        }
    }
    assert_eq!(
        files,
        [
            (
                "package.json".into(),
                PACKAGE_JSON.len() as u64,
                false,
                PACKAGE_JSON.to_vec()
            ),
            ("bin/tool".into(), big.len() as u64, true, big),
            ("empty".into(), 0, false, Vec::new()),
        ]
    );
}

#[tokio::test]
async fn a_missing_or_damaged_archive_is_told_apart_and_keeping_it_again_repairs_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = DiskArchiveStore::open(folder.path()).unwrap();
    let whole = package(&[entry("a.js", b"1")]);
    let digest = keep(&store, &whole).await;
    let name = digest.to_string();
    let path = folder
        .path()
        .join("archives")
        .join(&name[..2])
        .join(format!("{}.zip", &name[2..]));
    fs::write(&path, b"PK\x03\x04 gone").unwrap();
    let mut parts = store.files(digest).await.unwrap();
    assert!(matches!(
        parts.next().await,
        Some(Err(ArchiveError::Damaged { .. }))
    ));
    assert!(parts.next().await.is_none());

    fs::remove_file(&path).unwrap();
    assert!(matches!(store.files(digest).await, Err(ArchiveError::Missing(_))));
    assert_eq!(keep(&store, &whole).await, digest);
    assert!(store.contains(digest).await.unwrap());
    assert!(store.files(digest).await.unwrap().next().await.unwrap().is_ok());
}

#[tokio::test]
async fn an_upload_that_is_not_kept_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = DiskArchiveStore::open(folder.path()).unwrap();
    let uploads = || fs::read_dir(folder.path().join("tmp")).unwrap().count();

    let mut writer = store.upload(10).await.unwrap();
    writer.write(b"12345").await.unwrap();
    assert_eq!(uploads(), 1);
    assert!(writer.write(b"678901").await.is_err());
    drop(writer);
    assert_eq!(uploads(), 0);

    let finished = store.upload(10).await.unwrap().finish().await.unwrap();
    assert_eq!(uploads(), 1);
    drop(finished);
    assert_eq!(uploads(), 0);

    // What a killed server left is removed at a start long after; what another server is receiving is not, and nothing else is.
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 3600);
    for (name, modified) in [
        ("upload-dead.zip", long_ago),
        ("upload-theirs.zip", SystemTime::now()),
        ("other", long_ago),
    ] {
        let file = fs::File::create(folder.path().join("tmp").join(name)).unwrap();
        file.set_modified(modified).unwrap();
    }
    DiskArchiveStore::open(folder.path()).unwrap();
    assert_eq!(uploads(), 2);
    assert!(!folder.path().join("tmp/upload-dead.zip").exists());
}

#[tokio::test]
async fn only_old_archives_without_reference_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = DiskArchiveStore::open(folder.path()).unwrap();
    let digests = [
        keep(&store, &package(&[entry("a", b"kept")])).await,
        keep(&store, &package(&[entry("a", b"gone")])).await,
    ];
    assert!(
        store.unreferenced_candidates().await.unwrap().is_empty(),
        "both are new"
    );

    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    for digest in digests {
        let name = digest.to_string();
        let path = folder
            .path()
            .join("archives")
            .join(&name[..2])
            .join(format!("{}.zip", &name[2..]));
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    let candidates: Vec<_> = store
        .unreferenced_candidates()
        .await
        .unwrap()
        .into_iter()
        .map(|found| found.digest)
        .collect();
    assert_eq!(candidates.len(), 2);
    let referenced = async { Ok::<_, std::io::Error>([digests[0]].into()) };
    assert_eq!(
        store.remove_unreferenced(&candidates, referenced).await.unwrap(),
        1
    );
    assert!(store.contains(digests[0]).await.unwrap());
    assert!(!store.contains(digests[1]).await.unwrap());
}

#[tokio::test]
async fn a_kept_archive_can_be_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let store = DiskArchiveStore::open(folder.path()).unwrap();
    let digest = keep(
        &store,
        &zip(&[
            entry("x/package.json", PACKAGE_JSON),
            entry("x/readme.md", "grüße\n".as_bytes()),
            entry("x/logo.png", &[0x89, b'P', b'N', b'G', 0xff]),
            entry("x/nul.txt", b"a\0b"),
        ]),
    )
    .await;
    let files = store.packaged_files(digest).await.unwrap();
    let told: Vec<_> = files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes))
        .collect();
    let expected = [
        ("logo.png", 5),
        ("nul.txt", 3),
        ("package.json", 17),
        ("readme.md", 8),
    ];
    assert_eq!(told, expected);
    // What zlib's crc32() gives of the text.
    assert_eq!(files[3].crc32, 0xec58_f61f);

    let text = async |path: &str, limit| store.packaged_text(digest, path.to_owned(), limit).await;
    assert_eq!(text("readme.md", 8).await.unwrap(), "grüße\n");
    let refused = |result: Result<String, ContentError>| result.unwrap_err().to_string();
    assert_eq!(
        refused(text("readme.md", 7).await),
        "the file has 8 bytes, and at most 7 are shown"
    );
    for binary in ["logo.png", "nul.txt"] {
        assert!(matches!(text(binary, 100).await, Err(ContentError::NotText)));
    }
    assert!(matches!(text("../x", 100).await, Err(ContentError::NoFile(_))));
    let nothing = ArchiveDigest::from([7; 32]);
    assert!(matches!(
        store.packaged_files(nothing).await,
        Err(ContentError::Gone)
    ));
    let space = store.space().await.unwrap();
    assert!(space.free <= space.total && space.total > 0);
}
