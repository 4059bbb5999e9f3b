//! Reads an uploaded archive once, whole, and says what is in it, or why it is refused.

use std::fs::File;
use std::io;
use std::path::Path;

use jobber_actors::domain::ArchiveDigest;
use sha2::{Digest, Sha256};

use super::limits::ArchiveLimits;
use super::plan::PlannedFile;
use super::refusal::ArchiveRefusal;
use super::zip::{FileBytes, ZipArchive, ZipFailure};

/// Changes whenever the way of computing a digest does.
const DIGEST_DOMAIN: &[u8] = b"jobber archive 1\n";
const BUFFER_BYTES: usize = 64 << 10;
const PACKAGE_JSON: &str = "package.json";

/// What an acceptable archive contains.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Over the files' paths and bytes: the same for two zips of the same content.
    pub digest: ArchiveDigest,
    /// The package.json, unparsed.
    pub package_json: Vec<u8>,
    /// Every file's path within the package, sorted by their bytes.
    pub paths: Vec<String>,
    /// Sum of the files' sizes in bytes.
    pub bytes: u64,
    /// Bytes of the zip itself.
    pub packed_bytes: u64,
}

impl Inspection {
    /// Whether the package has this file.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.paths
            .binary_search_by(|known| known.as_str().cmp(path))
            .is_ok()
    }
}

/// Why an archive was not inspected to its end.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The archive's own fault.
    #[error(transparent)]
    Refused(#[from] ArchiveRefusal),
    /// The disk's fault.
    #[error("the archive could not be read: {0}")]
    Io(#[from] io::Error),
}

impl From<ZipFailure> for InspectError {
    fn from(failure: ZipFailure) -> Self {
        match failure {
            ZipFailure::Refused(refusal) => Self::Refused(refusal),
            ZipFailure::Io(error) => Self::Io(error),
        }
    }
}

/// Reads every entry of the archive at `path`. Works on a blocking thread with a bounded buffer: memory does not
/// depend on the archive's size, only on its number of entries.
///
/// # Errors
/// [`InspectError::Refused`] naming the entry, or [`InspectError::Io`].
pub async fn inspect(path: &Path, limits: ArchiveLimits) -> Result<Inspection, InspectError> {
    let path = path.to_owned();
    let inspection = tokio::task::spawn_blocking(move || inspect_blocking(&path, &limits));
    inspection.await.unwrap_or_else(|error| {
        // The zip reader panicked. Whatever made it do so was in the archive.
        tracing::warn!(%error, "an uploaded archive made its reader panic");
        Err(ArchiveRefusal::Damaged("it can not be read".to_owned()).into())
    })
}

pub(super) fn inspect_blocking(path: &Path, limits: &ArchiveLimits) -> Result<Inspection, InspectError> {
    let file = File::open(path)?;
    let packed_bytes = file.metadata()?.len();
    if packed_bytes > limits.packed_bytes {
        return Err(ArchiveRefusal::PackedTooLarge {
            limit: limits.packed_bytes,
        }
        .into());
    }
    let mut archive = ZipArchive::open(file, limits)?;
    let files = archive.files().to_vec();
    let mut reading = Reading {
        limits,
        buffer: vec![0; BUFFER_BYTES],
        bytes: 0,
        package_json: Vec::new(),
    };
    let mut hashes = Vec::with_capacity(files.len());
    for file in files {
        let data = archive.read(&file)?;
        hashes.push((reading.read(&file, data)?, file.path));
    }
    hashes.sort_unstable_by(|left, right| left.1.cmp(&right.1));
    Ok(Inspection {
        digest: digest(&hashes),
        package_json: reading.package_json,
        paths: hashes.into_iter().map(|(_, path)| path).collect(),
        bytes: reading.bytes,
        packed_bytes,
    })
}

/// The state of reading an archive's files one after another.
struct Reading<'a> {
    limits: &'a ArchiveLimits,
    buffer: Vec<u8>,
    bytes: u64,
    package_json: Vec<u8>,
}

impl Reading<'_> {
    /// Reads one file to its end and returns its hash. Stops as soon as a limit is passed.
    fn read(&mut self, file: &PlannedFile, mut data: FileBytes<'_>) -> Result<[u8; 32], InspectError> {
        let is_manifest = file.path == PACKAGE_JSON;
        let mut hasher = Sha256::new();
        let mut size = 0;
        loop {
            let read = data.read(&mut self.buffer)?;
            if read == 0 {
                return Ok(hasher.finalize().into());
            }
            size += read as u64;
            self.bytes += read as u64;
            self.check_limits(file, size, is_manifest)?;
            hasher.update(&self.buffer[..read]);
            if is_manifest {
                self.package_json.extend_from_slice(&self.buffer[..read]);
            }
        }
    }

    fn check_limits(&self, file: &PlannedFile, size: u64, is_manifest: bool) -> Result<(), ArchiveRefusal> {
        let limits = self.limits;
        if self.bytes > limits.unpacked_bytes {
            let limit = limits.unpacked_bytes;
            return Err(ArchiveRefusal::UnpackedTooLarge {
                entry: file.path.clone(),
                limit,
            });
        }
        if size > limits.ratio_free_bytes && size / u64::from(limits.ratio) > file.packed {
            return Err(ArchiveRefusal::Ratio {
                entry: file.path.clone(),
                limit: limits.ratio,
            });
        }
        if is_manifest && size > limits.package_json_bytes {
            return Err(ArchiveRefusal::PackageJsonTooLarge {
                limit: limits.package_json_bytes,
            });
        }
        Ok(())
    }
}

fn digest(hashes: &[([u8; 32], String)]) -> ArchiveDigest {
    let mut digest = Sha256::new();
    digest.update(DIGEST_DOMAIN);
    for (hash, path) in hashes {
        digest.update((path.len() as u64).to_be_bytes());
        digest.update(path.as_bytes());
        digest.update(hash);
    }
    let digest: [u8; 32] = digest.finalize().into();
    digest.into()
}
