//! What an archive's directory says it will unpack to, checked as a whole before a byte of it is unpacked.
//!
//! The plan depends on the directory alone: reading a stored archive again comes to the same paths.

use std::collections::HashMap;

use super::limits::ArchiveLimits;
use super::names;
use super::refusal::{ArchiveRefusal, NameProblem, SpecialKind};

const TYPE_MASK: u32 = 0o170_000;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_FOLDER: u32 = 0o040_000;
const TYPE_LINK: u32 = 0o120_000;
const ANY_EXECUTE: u32 = 0o111;

/// What Finder adds beside the packed folder; never part of a package.
const RESOURCE_FORKS: &str = "__MACOSX";

/// One record of the central directory, as far as it matters here.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// The name as it is in the directory.
    pub(super) name: Vec<u8>,
    /// The name of a Unicode extra field, if there is one.
    pub(super) unicode_name: Option<String>,
    /// Unix type and permissions; 0 if the packing system had none.
    pub(super) mode: u32,
    /// Where its local header is.
    pub(super) offset: u64,
    /// Packed bytes.
    pub(super) packed: u64,
    /// Unpacked bytes, by its own word.
    pub(super) unpacked: u64,
    /// CRC-32 of its unpacked bytes, by its own word; it is verified when they are read.
    pub(super) crc32: u32,
}

/// One file to unpack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedFile {
    /// Index of its record in the directory.
    pub(super) index: usize,
    /// Its path within the package.
    pub(super) path: String,
    /// Packed bytes.
    pub(super) packed: u64,
    /// Unpacked bytes, by its own word.
    pub(super) unpacked: u64,
    /// CRC-32 of its unpacked bytes, by its own word.
    pub(super) crc32: u32,
    /// Whether the archive gave it an executable bit.
    pub(super) executable: bool,
}

/// The files of a package in the directory's order, without the folder that wraps them all, if one does.
///
/// # Errors
/// [`ArchiveRefusal`] naming the first entry that may not be unpacked.
pub(super) fn plan(records: &[Record], limits: &ArchiveLimits) -> Result<Vec<PlannedFile>, ArchiveRefusal> {
    if records.len() > limits.entries as usize {
        return Err(ArchiveRefusal::TooManyEntries {
            limit: limits.entries,
        });
    }
    let mut paths = Vec::with_capacity(records.len());
    for record in records {
        paths.push(path_of(record, limits)?);
    }
    check_collisions(records, &paths)?;
    check_overlaps(records)?;

    let wrapper = wrapping_folder(records, &paths)?;
    Ok(records
        .iter()
        .zip(&paths)
        .enumerate()
        .filter(|(_, (record, path))| !is_folder(record) && !is_resource_fork(path))
        .map(|(index, (record, path))| PlannedFile {
            index,
            path: wrapper
                .and_then(|folder| below(path, folder))
                .unwrap_or(path)
                .to_owned(),
            packed: record.packed,
            unpacked: record.unpacked,
            crc32: record.crc32,
            executable: record.mode & ANY_EXECUTE != 0,
        })
        .collect())
}

fn path_of<'a>(record: &'a Record, limits: &ArchiveLimits) -> Result<&'a str, ArchiveRefusal> {
    let shown = || names::shown(&record.name);
    let refuse = |problem| ArchiveRefusal::Name {
        entry: shown(),
        problem,
    };
    let path = names::check(&record.name, limits.path_bytes).map_err(refuse)?;
    if record
        .unicode_name
        .as_ref()
        .is_some_and(|unicode| unicode.as_bytes() != record.name)
    {
        return Err(refuse(NameProblem::TwoNames));
    }
    match record.mode & TYPE_MASK {
        0 | TYPE_FILE | TYPE_FOLDER => {}
        TYPE_LINK => {
            return Err(ArchiveRefusal::Special {
                entry: shown(),
                kind: SpecialKind::SymbolicLink,
            });
        }
        _ => {
            return Err(ArchiveRefusal::Special {
                entry: shown(),
                kind: SpecialKind::Device,
            });
        }
    }
    let folder_by_mode = record.mode & TYPE_MASK == TYPE_FOLDER;
    let file_by_mode = record.mode & TYPE_MASK == TYPE_FILE;
    let reason = if is_folder(record) && record.unpacked > 0 {
        "a folder with content"
    } else if (is_folder(record) && file_by_mode) || (!is_folder(record) && folder_by_mode) {
        "its name and its mode do not agree on whether it is a folder"
    } else {
        return Ok(path);
    };
    Err(ArchiveRefusal::DamagedEntry {
        entry: shown(),
        reason: reason.to_owned(),
    })
}

fn is_folder(record: &Record) -> bool {
    record.name.ends_with(b"/")
}

fn is_resource_fork(path: &str) -> bool {
    path == RESOURCE_FORKS || below(path, RESOURCE_FORKS).is_some()
}

/// The rest of `path` below `folder`.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

fn check_collisions(records: &[Record], paths: &[&str]) -> Result<(), ArchiveRefusal> {
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(paths.len());
    for (index, path) in paths.iter().enumerate() {
        let Some(other) = seen.insert(names::fold(path), index) else {
            continue;
        };
        let (entry, other) = ((*path).to_owned(), paths[other].to_owned());
        return Err(if entry == other {
            ArchiveRefusal::Duplicate { entry }
        } else {
            ArchiveRefusal::CaseCollision {
                entry: other,
                other: entry,
            }
        });
    }
    for path in paths {
        let folded = names::fold(path);
        let mut end = folded.len();
        while let Some(slash) = folded[..end].rfind('/') {
            end = slash;
            match seen.get(&folded[..end]) {
                Some(&parent) if !is_folder(&records[parent]) => {
                    return Err(ArchiveRefusal::FileIsFolder {
                        entry: paths[parent].to_owned(),
                        other: (*path).to_owned(),
                    });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Every entry takes at least its local header (30 bytes), its name and its packed bytes. Entries whose bytes are
/// shared are how a small file becomes petabytes, and how two readers see two different archives.
fn check_overlaps(records: &[Record]) -> Result<(), ArchiveRefusal> {
    const LOCAL_HEADER_BYTES: u64 = 30;
    let mut by_offset: Vec<&Record> = records.iter().collect();
    by_offset.sort_unstable_by_key(|record| record.offset);
    for pair in by_offset.windows(2) {
        let end = (pair[0].offset)
            .saturating_add(LOCAL_HEADER_BYTES)
            .saturating_add(pair[0].name.len() as u64)
            .saturating_add(pair[0].packed);
        if end > pair[1].offset {
            return Err(ArchiveRefusal::Overlap {
                entry: names::shown(&pair[0].name),
                other: names::shown(&pair[1].name),
            });
        }
    }
    Ok(())
}

/// The folder that wraps the whole package: `None` when package.json is at the root.
fn wrapping_folder<'a>(records: &[Record], paths: &[&'a str]) -> Result<Option<&'a str>, ArchiveRefusal> {
    const PACKAGE_JSON: &str = "package.json";
    let files = || {
        let of_package = |(record, path): &(&Record, &&'a str)| !is_folder(record) && !is_resource_fork(path);
        records
            .iter()
            .zip(paths)
            .filter(of_package)
            .map(|(_, path)| *path)
    };
    if files().any(|path| path == PACKAGE_JSON) {
        return Ok(None);
    }
    let Some(folder) = files()
        .next()
        .and_then(|path| path.split_once('/'))
        .map(|(folder, _)| folder)
    else {
        return Err(ArchiveRefusal::NoPackageJson);
    };
    let wraps_all = files().all(|path| below(path, folder).is_some());
    let has_manifest = files().any(|path| below(path, folder) == Some(PACKAGE_JSON));
    if wraps_all && has_manifest {
        Ok(Some(folder))
    } else {
        Err(ArchiveRefusal::NoPackageJson)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(names: &[&str]) -> Vec<Record> {
        let record = |(index, name): (usize, &&str)| Record {
            name: name.as_bytes().to_vec(),
            unicode_name: None,
            mode: 0,
            offset: index as u64 * 1_000,
            packed: 10,
            unpacked: if name.ends_with('/') { 0 } else { 10 },
            crc32: 0,
        };
        names.iter().enumerate().map(record).collect()
    }

    fn paths(names: &[&str]) -> Result<Vec<String>, ArchiveRefusal> {
        let files = plan(&records(names), &ArchiveLimits::default())?;
        Ok(files.into_iter().map(|file| file.path).collect())
    }

    fn refusal(names: &[&str]) -> ArchiveRefusal {
        paths(names).expect_err("should be refused")
    }

    #[test]
    fn one_top_folder_that_wraps_everything_is_taken_off() {
        assert_eq!(
            paths(&[
                "hello/",
                "hello/package.json",
                "hello/dist/",
                "hello/dist/index.js"
            ])
            .unwrap(),
            ["package.json", "dist/index.js"]
        );
        assert_eq!(
            paths(&["package.json", "dist/index.js"]).unwrap(),
            ["package.json", "dist/index.js"]
        );
    }

    #[test]
    fn what_finder_adds_is_left_out() {
        assert_eq!(
            paths(&["hello/package.json", "__MACOSX/", "__MACOSX/hello/._package.json"]).unwrap(),
            ["package.json"]
        );
    }

    #[test]
    fn a_package_json_elsewhere_is_none() {
        for names in [
            &["a/package.json", "b/index.js"][..],
            &["a/b/package.json"],
            &["index.js"],
            &["index.js", "a/package.json"],
            &["package.json/"],
            &[],
        ] {
            assert_eq!(refusal(names), ArchiveRefusal::NoPackageJson, "{names:?}");
        }
    }

    #[test]
    fn paths_that_would_overwrite_each_other_are_refused() {
        assert_eq!(
            refusal(&["package.json", "package.json"]),
            ArchiveRefusal::Duplicate {
                entry: "package.json".into()
            }
        );
        assert_eq!(
            refusal(&["package.json", "Lib.js", "lib.JS"]),
            ArchiveRefusal::CaseCollision {
                entry: "Lib.js".into(),
                other: "lib.JS".into()
            }
        );
        assert_eq!(
            refusal(&["package.json", "lib", "lib/a/b.js"]),
            ArchiveRefusal::FileIsFolder {
                entry: "lib".into(),
                other: "lib/a/b.js".into()
            }
        );
        assert_eq!(
            refusal(&["package.json", "LIB", "lib/a.js"]),
            ArchiveRefusal::FileIsFolder {
                entry: "LIB".into(),
                other: "lib/a.js".into()
            }
        );
    }

    #[test]
    fn links_and_devices_are_refused_whatever_system_packed_them() {
        for (mode, kind) in [
            (0o120_777, SpecialKind::SymbolicLink),
            (0o020_600, SpecialKind::Device),
            (0o010_600, SpecialKind::Device),
            (0o140_600, SpecialKind::Device),
        ] {
            let mut records = records(&["package.json", "odd"]);
            records[1].mode = mode;
            assert_eq!(
                plan(&records, &ArchiveLimits::default()),
                Err(ArchiveRefusal::Special {
                    entry: "odd".into(),
                    kind
                })
            );
        }
    }

    #[test]
    fn the_executable_bit_is_kept() {
        let mut records = records(&["package.json", "bin/tool"]);
        records[1].mode = 0o100_755;
        let files = plan(&records, &ArchiveLimits::default()).unwrap();
        assert_eq!(
            files.iter().map(|file| file.executable).collect::<Vec<_>>(),
            [false, true]
        );
    }

    #[test]
    fn entries_that_share_bytes_are_refused() {
        let mut records = records(&["package.json", "a", "b"]);
        records[2].offset = records[1].offset + 20;
        assert_eq!(
            plan(&records, &ArchiveLimits::default()),
            Err(ArchiveRefusal::Overlap {
                entry: "a".into(),
                other: "b".into()
            })
        );
    }

    #[test]
    fn an_entry_with_two_faces_is_refused() {
        let limits = ArchiveLimits::default();
        let mut named_twice = records(&["package.json", "a"]);
        named_twice[1].unicode_name = Some("../b".into());
        assert!(matches!(
            plan(&named_twice, &limits),
            Err(ArchiveRefusal::Name {
                problem: NameProblem::TwoNames,
                ..
            })
        ));
        let mut full_folder = records(&["package.json", "a/"]);
        full_folder[1].unpacked = 1;
        assert!(matches!(
            plan(&full_folder, &limits),
            Err(ArchiveRefusal::DamagedEntry { .. })
        ));
    }

    #[test]
    fn the_number_of_entries_is_limited() {
        let limits = ArchiveLimits {
            entries: 2,
            ..ArchiveLimits::default()
        };
        assert_eq!(
            plan(&records(&["package.json", "a", "b"]), &limits),
            Err(ArchiveRefusal::TooManyEntries { limit: 2 })
        );
    }
}
