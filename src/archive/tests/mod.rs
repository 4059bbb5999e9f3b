//! Archives of every kind, made as real zips and read as uploads.

use std::fs;

use async_zip::base::write::ZipFileWriter;
use async_zip::{AttributeCompatibility, Compression, ZipEntryBuilder};
use futures_util::FutureExt;

use super::{ArchiveLimits, ArchiveRefusal, InspectError, Inspection, inspect};

mod inspection;
mod storage;

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
