//! What is in an archive, and what is refused.

use std::fs;

use async_zip::Compression;

use super::*;
use crate::archive::{NameProblem, SpecialKind};

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
            crate::archive::inspect::inspect_blocking(file.path(), &ArchiveLimits::default())
        });
        match read {
            Ok(Ok(_) | Err(InspectError::Refused(_))) => {}
            Ok(Err(InspectError::Io(error))) => panic!("seed {seed} became an error of the disk: {error}"),
            Err(_) => panic!("seed {seed} made the reader panic"),
        }
    }
}

/// Whatever byte of the directory is wrong: the fault is told in a line of plain text, without what its parser says to a terminal.
#[tokio::test]
async fn a_damaged_directory_is_told_in_plain_text() {
    let whole = package(&[entry("index.js", b"export default 1;")]);
    let begins = whole.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let mut unreadable = 0;
    for place in begins..whole.len() {
        for wrong in [0xff, 0x00, whole[place] ^ 1] {
            let mut damaged = whole.clone();
            damaged[place] = wrong;
            let Err(refusal) = inspect_bytes(&damaged, ArchiveLimits::default()).await else {
                continue;
            };
            let text = refusal.to_string();
            assert!(
                !text.chars().any(char::is_control) && text.len() < 200,
                "{text:?}"
            );
            unreadable += u32::from(text.contains("headers can not be read"));
        }
    }
    assert!(unreadable > 0, "nothing of it was what the parser refuses");
}
