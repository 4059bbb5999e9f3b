//! A stored archive on its way to a runner.

use std::fs::File;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use jobber_actors::domain::ArchiveDigest;
use jobber_actors::ports::{ArchiveError, PackagePart, PackageStream};
use tokio::sync::mpsc;

use super::limits::ArchiveLimits;
use super::zip::{ZipArchive, ZipFailure};

/// Most bytes of one part; what a frame of the runner protocol may carry of a file.
const PART_BYTES: usize = 256 << 10;
/// Parts that are read ahead of the consumer.
const PARTS_AHEAD: usize = 4;

type Parts = mpsc::Sender<Result<PackagePart, ArchiveError>>;

/// Streams the files of an archive that was inspected when it came. The thread that reads ends with the stream.
pub(super) fn files(digest: ArchiveDigest, file: File) -> PackageStream {
    let (sender, mut parts) = mpsc::channel(PARTS_AHEAD);
    tokio::task::spawn_blocking(move || {
        if let Err(failure) = send_files(file, &sender) {
            let error = match failure {
                ZipFailure::Refused(refusal) => ArchiveError::Damaged {
                    digest,
                    reason: refusal.to_string(),
                },
                ZipFailure::Io(error) => ArchiveError::Storage(error),
            };
            // A consumer that is gone does not need to know.
            let _ = sender.blocking_send(Err(error));
        }
    });
    stream::poll_fn(move |context| parts.poll_recv(context)).boxed()
}

fn send_files(file: File, parts: &Parts) -> Result<(), ZipFailure> {
    let mut archive = ZipArchive::open(file, &limits_of_stored())?;
    let mut buffer = vec![0; PART_BYTES];
    for file in archive.files().to_vec() {
        let head = PackagePart::File {
            path: file.path.clone(),
            size: file.unpacked,
            executable: file.executable,
        };
        if parts.blocking_send(Ok(head)).is_err() {
            return Ok(());
        }
        let mut data = archive.read(&file)?;
        loop {
            let read = data.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            let part = PackagePart::Data(Bytes::copy_from_slice(&buffer[..read]));
            if parts.blocking_send(Ok(part)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What was accepted once is read again even if the operator has lowered the limits since.
pub(super) fn limits_of_stored() -> ArchiveLimits {
    ArchiveLimits {
        packed_bytes: u64::MAX,
        unpacked_bytes: u64::MAX,
        entries: 1_000_000,
        ..ArchiveLimits::default()
    }
}
