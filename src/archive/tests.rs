//! Archives of every kind, made as real zips and read as uploads.

use std::fs;

use async_zip::base::write::ZipFileWriter;
use async_zip::{AttributeCompatibility, Compression, ZipEntryBuilder};
use futures_util::{FutureExt, StreamExt};
use jobber_actors::domain::ArchiveDigest;
use jobber_actors::ports::{ArchiveError, ArchiveStore, PackagePart};

use super::*;

const PACKAGE_JSON: &[u8] = br#"{"name": "hello"}"#;

/// An entry to pack.
struct Entry<'a> {
    name: &'a str,
    data: &'a [u8],
    mode: u16,
    method: Compression,
}

fn entry<'a>(name: &'a str, data: &'a [u8]) -> Entry<'a> {
    Entry {
        name,
        data,
        mode: 0,
        method: Compression::Deflate,
    }
}

fn zip(entries: &[Entry<'_>]) -> Vec<u8> {
    let packing = async {
        let mut writer = ZipFileWriter::new(futures_util::io::Cursor::new(Vec::new()));
        for entry in entries {
            let mut builder = ZipEntryBuilder::new(entry.name.into(), entry.method);
            if entry.mode != 0 {
                builder = builder
                    .attribute_compatibility(AttributeCompatibility::Unix)
                    .unix_permissions(entry.mode);
            }
            writer.write_entry_whole(builder, entry.data).await.unwrap();
        }
        writer.close().await.unwrap().into_inner()
    };
    packing.now_or_never().unwrap()
}

fn package(more: &[Entry<'_>]) -> Vec<u8> {
    let mut entries = vec![entry("package.json", PACKAGE_JSON)];
    entries.extend(more.iter().map(|more| Entry { ..*more }));
    zip(&entries)
}

async fn inspect_bytes(zip: &[u8], limits: ArchiveLimits) -> Result<Inspection, ArchiveRefusal> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), zip).unwrap();
    inspect(file.path(), limits).await.map_err(|error| match error {
        InspectError::Refused(refusal) => refusal,
        InspectError::Io(error) => panic!("{error}"),
    })
}

async fn refusal(zip: &[u8]) -> ArchiveRefusal {
    inspect_bytes(zip, ArchiveLimits::default())
        .await
        .expect_err("should be refused")
}

/// Replaces every occurrence of a name or header; both have the same length.
fn patch(mut zip: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = zip
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "nothing to patch");
    for at in places {
        zip[at..at + to.len()].copy_from_slice(to);
    }
    zip
}

#[tokio::test]
async fn a_package_is_described() {
    let zip = package(&[
        entry("dist/", b""),
        entry("dist/index.js", b"export {}"),
        entry("a.txt", b""),
    ]);
    let inspection = inspect_bytes(&zip, ArchiveLimits::default()).await.unwrap();
    assert_eq!(inspection.paths, ["a.txt", "dist/index.js", "package.json"]);
    assert_eq!(inspection.package_json, PACKAGE_JSON);
    assert_eq!(inspection.bytes, PACKAGE_JSON.len() as u64 + 9);
    assert_eq!(inspection.packed_bytes, zip.len() as u64);
    assert!(inspection.contains("dist/index.js") && !inspection.contains("dist"));
}

#[tokio::test]
async fn the_digest_is_of_names_and_bytes_and_nothing_else() {
    let digest = async |zip: Vec<u8>| {
        inspect_bytes(&zip, ArchiveLimits::default())
            .await
            .unwrap()
            .digest
    };
    let one = digest(package(&[entry("a", b"1"), entry("b", b"2")])).await;
    let repacked = digest(zip(&[
        Entry {
            mode: 0o100_755,
            method: Compression::Stored,
            ..entry("x/b", b"2")
        },
        entry("x/", b""),
        entry("x/a", b"1"),
        entry("x/package.json", PACKAGE_JSON),
    ]))
    .await;
    assert_eq!(one, repacked);
    for other in [
        package(&[entry("a", b"1"), entry("b", b"3")]),
        package(&[entry("a", b"1"), entry("c", b"2")]),
        package(&[entry("a", b"12"), entry("b", b"")]),
        package(&[entry("a", b"1")]),
    ] {
        assert_ne!(one, digest(other).await);
    }
}

#[tokio::test]
async fn what_is_no_zip_or_only_a_part_of_one_is_refused() {
    let whole = package(&[entry("a.js", &[7; 10_000])]);
    assert_eq!(refusal(b"").await, ArchiveRefusal::NotAZip);
    assert_eq!(refusal(b"#!/bin/sh\necho no").await, ArchiveRefusal::NotAZip);
    assert_eq!(refusal(&[0; 100_000]).await, ArchiveRefusal::NotAZip);
    for part in [whole.len() - 1, whole.len() - 22, whole.len() / 2, 40] {
        let refused = refusal(&whole[..part]).await;
        assert!(
            matches!(refused, ArchiveRefusal::Truncated | ArchiveRefusal::Damaged(_)),
            "{part}: {refused:?}"
        );
    }
    assert_eq!(
        refusal(&whole[..whole.len() / 2]).await,
        ArchiveRefusal::Truncated
    );
    let trailing = [whole.as_slice(), b"more"].concat();
    assert!(matches!(refusal(&trailing).await, ArchiveRefusal::Damaged(_)));
}

#[tokio::test]
async fn changed_bytes_are_found_and_the_entry_is_named() {
    let data: Vec<u8> = (0..20_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let stored = Entry {
        method: Compression::Stored,
        ..entry("a.js", &data)
    };
    let mut whole = package(&[stored]);
    let middle = whole.len() / 2;
    whole[middle] ^= 1;
    assert!(matches!(refusal(&whole).await, ArchiveRefusal::DamagedEntry { entry, .. } if entry == "a.js"));
}

#[tokio::test]
async fn the_directory_must_list_what_it_says() {
    let mut whole = package(&[entry("a.js", b"1")]);
    let end = whole.len() - 22;
    // Both counts of entries: on this disk, and in all.
    whole[end + 8] = 9;
    whole[end + 10] = 9;
    assert!(matches!(refusal(&whole).await, ArchiveRefusal::Damaged(_)));
}

#[tokio::test]
async fn an_entry_without_its_local_header_is_refused() {
    let whole = package(&[entry("a.js", b"1")]);
    let local = b"a.js";
    let at = whole.windows(4).position(|window| window == local).unwrap();
    let mut broken = whole.clone();
    broken[at - 30..at - 26].copy_from_slice(b"PKxx");
    assert!(matches!(
        refusal(&broken).await,
        ArchiveRefusal::DamagedEntry { .. }
    ));
    let mut renamed = whole;
    renamed[at..at + 4].copy_from_slice(b"b.js");
    assert!(matches!(
        refusal(&renamed).await,
        ArchiveRefusal::DamagedEntry { .. }
    ));
}

#[tokio::test]
async fn an_encrypted_entry_is_named() {
    let mut whole = package(&[entry("secret.js", b"1")]);
    let name = b"secret.js";
    let at: Vec<usize> = whole
        .windows(9)
        .enumerate()
        .filter(|(_, window)| window == name)
        .map(|(at, _)| at)
        .collect();
    whole[at[0] - 30 + 6] |= 1;
    whole[at[1] - 46 + 8] |= 1;
    assert_eq!(
        refusal(&whole).await,
        ArchiveRefusal::Encrypted {
            entry: "secret.js".into()
        }
    );
}

#[tokio::test]
async fn an_entry_packed_in_an_unusual_way_is_named() {
    let mut whole = package(&[entry("odd.js", b"1")]);
    let at: Vec<usize> = whole
        .windows(6)
        .enumerate()
        .filter(|(_, window)| window == b"odd.js")
        .map(|(at, _)| at)
        .collect();
    whole[at[0] - 30 + 8] = 14;
    whole[at[1] - 46 + 10] = 14;
    assert_eq!(
        refusal(&whole).await,
        ArchiveRefusal::Compression {
            entry: "odd.js".into(),
            method: "lzma".into()
        }
    );
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    for (name, problem) in [
        ("../evil.js", NameProblem::Parent),
        ("a/../../evil.js", NameProblem::Parent),
        ("/etc/passwd", NameProblem::Absolute),
        ("C:/evil.js", NameProblem::Drive),
        ("a\\evil.js", NameProblem::Backslash),
        ("a//evil.js", NameProblem::EmptySegment),
        ("./evil.js", NameProblem::Current),
    ] {
        let refused = refusal(&package(&[entry(name, b"1")])).await;
        assert_eq!(
            refused,
            ArchiveRefusal::Name {
                entry: name.into(),
                problem
            }
        );
        assert!(
            refused
                .to_string()
                .contains(name.trim_matches('\\').split('\\').next().unwrap())
        );
    }
    let nul = patch(package(&[entry("a_evil.js", b"1")]), b"a_evil.js", b"a\0evil.js");
    assert!(matches!(
        refusal(&nul).await,
        ArchiveRefusal::Name {
            problem: NameProblem::ControlCharacter,
            ..
        }
    ));
    let latin = patch(package(&[entry("caf_.js", b"1")]), b"caf_.js", b"caf\xe9.js");
    assert!(matches!(
        refusal(&latin).await,
        ArchiveRefusal::Name {
            problem: NameProblem::NotUtf8,
            ..
        }
    ));
}

#[tokio::test]
async fn links_and_colliding_names_are_refused() {
    let link = Entry {
        mode: 0o120_777,
        ..entry("link", b"/etc/passwd")
    };
    assert_eq!(
        refusal(&package(&[link])).await,
        ArchiveRefusal::Special {
            entry: "link".into(),
            kind: SpecialKind::SymbolicLink
        }
    );
    let twice = package(&[entry("a.js", b"1"), entry("a.js", b"2")]);
    assert_eq!(
        refusal(&twice).await,
        ArchiveRefusal::Duplicate { entry: "a.js".into() }
    );
    let cases = package(&[entry("a.js", b"1"), entry("A.js", b"2")]);
    assert_eq!(
        refusal(&cases).await,
        ArchiveRefusal::CaseCollision {
            entry: "a.js".into(),
            other: "A.js".into()
        }
    );
}

#[tokio::test]
async fn bombs_are_stopped_while_they_inflate() {
    let zeros = vec![0; 8 << 20];
    let bomb = package(&[entry("zeros", &zeros)]);
    assert_eq!(
        refusal(&bomb).await,
        ArchiveRefusal::Ratio {
            entry: "zeros".into(),
            limit: 200
        }
    );
    let limits = ArchiveLimits {
        unpacked_bytes: 1 << 20,
        ratio: u32::MAX,
        ..ArchiveLimits::default()
    };
    let refused = inspect_bytes(&bomb, limits).await.unwrap_err();
    assert!(
        refused.is_too_large() && refused.to_string().contains("zeros"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_entry_that_lies_about_its_size_is_refused() {
    let data = vec![b'x'; 5_000];
    let mut whole = package(&[Entry {
        ..entry("lie.js", &data)
    }]);
    let at: Vec<usize> = whole
        .windows(6)
        .enumerate()
        .filter(|(_, window)| window == b"lie.js")
        .map(|(at, _)| at)
        .collect();
    // The unpacked size, in both headers.
    for place in [at[0] - 30 + 22, at[1] - 46 + 24] {
        whole[place..place + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
    assert!(matches!(refusal(&whole).await, ArchiveRefusal::DamagedEntry { entry, .. } if entry == "lie.js"));
}

#[tokio::test]
async fn numbers_of_bytes_and_entries_are_limited() {
    let whole = package(&[entry("a", b"1"), entry("b", b"2")]);
    let few = ArchiveLimits {
        entries: 2,
        ..ArchiveLimits::default()
    };
    assert_eq!(
        inspect_bytes(&whole, few).await.unwrap_err(),
        ArchiveRefusal::TooManyEntries { limit: 2 }
    );
    let small = ArchiveLimits {
        packed_bytes: 10,
        ..ArchiveLimits::default()
    };
    assert_eq!(
        inspect_bytes(&whole, small).await.unwrap_err(),
        ArchiveRefusal::PackedTooLarge { limit: 10 }
    );
    let brief = ArchiveLimits {
        package_json_bytes: 5,
        ..ArchiveLimits::default()
    };
    assert_eq!(
        inspect_bytes(&whole, brief).await.unwrap_err(),
        ArchiveRefusal::PackageJsonTooLarge { limit: 5 }
    );
}

#[tokio::test]
async fn no_package_json_is_said_so() {
    assert_eq!(
        refusal(&zip(&[entry("index.js", b"1")])).await,
        ArchiveRefusal::NoPackageJson
    );
    assert_eq!(refusal(&zip(&[])).await, ArchiveRefusal::NoPackageJson);
}

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

    // What a killed server left is removed at the next start; nothing else is.
    fs::write(folder.path().join("tmp/upload-dead.zip"), b"half").unwrap();
    fs::write(folder.path().join("tmp/other"), b"not ours").unwrap();
    DiskArchiveStore::open(folder.path()).unwrap();
    assert_eq!(uploads(), 1);
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

/// Whatever is changed in an archive, it is read or refused. Seeded, so that a failure can be had again.
#[test]
fn no_change_of_bytes_makes_the_reader_panic() {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    let whole = package(&[
        entry("dist/index.js", &[b'x'; 3_000]),
        entry("bin/", b""),
        entry("é", b"1"),
    ]);
    let file = tempfile::NamedTempFile::new().unwrap();
    for seed in 0..400 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut changed = whole.clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..changed.len());
            changed[at] = *[0, 0xff, changed[at] ^ 1, random.random()]
                .get(random.random_range(0..4))
                .unwrap();
        }
        if random.random_ratio(1, 8) {
            changed.truncate(random.random_range(0..whole.len()));
        }
        fs::write(file.path(), &changed).unwrap();
        let read = std::panic::catch_unwind(|| {
            super::inspect::inspect_blocking(file.path(), &ArchiveLimits::default())
        });
        match read {
            Ok(Ok(_) | Err(InspectError::Refused(_))) => {}
            Ok(Err(InspectError::Io(error))) => panic!("seed {seed} became an error of the disk: {error}"),
            Err(_) => panic!("seed {seed} made the reader panic"),
        }
    }
}
