//! Archives on disk, named after the digest of their content.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jobber_actors::domain::ArchiveDigest;
use jobber_actors::ports::{ArchiveError, ArchiveStore, PackageStream};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use super::stream;
use super::upload::{Upload, UploadWriter};

/// How long an archive that nothing refers to is left alone: far longer than a publish takes from keeping its
/// archive to referring to it, also on another server that shares the folder.
const UNREFERENCED_AGE: Duration = Duration::from_secs(3600);

/// An upload to which nothing was written for so long is a dead server's.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// Keeps archives under `<data>/archives/ab/cdef….zip` and uploads under `<data>/tmp`.
///
/// An archive is written under a temporary name, synced, renamed, and its folder synced: a name that exists always
/// has its whole content. Keeping the same content again replaces the file, which also repairs a damaged one.
#[derive(Clone, Debug)]
pub struct DiskArchiveStore {
    archives: PathBuf,
    uploads: PathBuf,
    /// Read while an archive is kept and referred to, written while unreferenced ones are removed.
    references: Arc<RwLock<()>>,
}

/// An archive found by [`DiskArchiveStore::unreferenced_candidates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredArchive {
    /// Which.
    pub digest: ArchiveDigest,
    /// Bytes.
    pub packed_bytes: u64,
}

/// Room on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that the server can still write.
    pub free: u64,
    /// Bytes that there are.
    pub total: u64,
}

/// While it is held, no archive is removed: hold it from keeping an archive until something refers to it.
#[derive(Debug)]
pub struct ReferenceGuard {
    _guard: OwnedRwLockReadGuard<()>,
}

impl DiskArchiveStore {
    /// Opens the store below the data folder, making its folders (for the owner only) and removing what uploads
    /// a dead server left behind: files that nobody has written to for an hour, since another server on the same folder
    /// may be receiving one. Blocks; call it while starting.
    ///
    /// # Errors
    /// When the folders can not be made or read.
    pub fn open(data: &Path) -> io::Result<Self> {
        let store = Self {
            archives: folder_of(data),
            uploads: data.join("tmp"),
            references: Arc::default(),
        };
        for folder in [&store.archives, &store.uploads] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        for leftover in fs::read_dir(&store.uploads)? {
            let leftover = leftover?;
            let is_upload = leftover.file_name().as_encoded_bytes().starts_with(b"upload-");
            if is_upload && is_left_behind(&leftover) {
                fs::remove_file(leftover.path())?;
            }
        }
        Ok(store)
    }

    /// Begins an upload of at most `limit` bytes.
    ///
    /// # Errors
    /// When the file can not be made.
    pub async fn upload(&self, limit: u64) -> io::Result<UploadWriter> {
        UploadWriter::create(self.uploads.clone(), limit).await
    }

    /// Holds off the removal of archives.
    pub async fn hold_references(&self) -> ReferenceGuard {
        ReferenceGuard {
            _guard: Arc::clone(&self.references).read_owned().await,
        }
    }

    /// Keeps an inspected upload under its digest. Needs a [`ReferenceGuard`], to be held until the archive is
    /// referred to.
    ///
    /// # Errors
    /// When the disk refuses; then nothing is kept.
    pub async fn keep(
        &self,
        upload: Upload,
        digest: ArchiveDigest,
        _held: &ReferenceGuard,
    ) -> io::Result<()> {
        let target = self.path_of(digest);
        blocking(move || {
            let folder = target.parent().unwrap_or(Path::new("/"));
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            upload.path.persist(&target).map_err(|failed| failed.error)?;
            sync_folder(folder)?;
            folder.parent().map_or(Ok(()), sync_folder)
        })
        .await
    }

    /// Archives that are old enough to be removed if nothing refers to them.
    ///
    /// # Errors
    /// When the folders can not be read.
    pub async fn unreferenced_candidates(&self) -> io::Result<Vec<StoredArchive>> {
        let archives = self.archives.clone();
        blocking(move || {
            let Some(before) = SystemTime::now().checked_sub(UNREFERENCED_AGE) else {
                return Ok(Vec::new());
            };
            let mut found = Vec::new();
            for folder in fs::read_dir(archives)? {
                let folder = folder?.path();
                if !folder.is_dir() {
                    continue;
                }
                for file in fs::read_dir(folder)? {
                    let file = file?;
                    let about = file.metadata()?;
                    let Some(digest) = digest_of(&file.path()) else {
                        continue;
                    };
                    if about.modified()? < before {
                        found.push(StoredArchive {
                            digest,
                            packed_bytes: about.len(),
                        });
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    /// Removes those of `candidates` that `referenced` does not name. While it asks and removes, nothing can be
    /// kept anew. Returns how many were removed.
    ///
    /// # Errors
    /// What `referenced` returned, or the disk's refusal.
    pub async fn remove_unreferenced<F, E>(
        &self,
        candidates: &[ArchiveDigest],
        referenced: F,
    ) -> Result<usize, E>
    where
        F: Future<Output = Result<HashSet<ArchiveDigest>, E>>,
        E: From<io::Error>,
    {
        let _exclusive = self.references.write().await;
        let referenced = referenced.await?;
        let unreferenced = candidates.iter().filter(|digest| !referenced.contains(digest));
        let paths: Vec<PathBuf> = unreferenced.map(|digest| self.path_of(*digest)).collect();
        let removed = blocking(move || {
            let mut removed = 0;
            for path in paths {
                match fs::remove_file(path) {
                    Ok(()) => removed += 1,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(removed)
        });
        Ok(removed.await?)
    }

    /// How much room the disk of the archives has.
    ///
    /// # Errors
    /// When the disk does not tell.
    pub async fn space(&self) -> io::Result<DiskSpace> {
        let archives = self.archives.clone();
        blocking(move || {
            let space = rustix::fs::statvfs(&archives)?;
            Ok(DiskSpace {
                free: space.f_bavail.saturating_mul(space.f_frsize),
                total: space.f_blocks.saturating_mul(space.f_frsize),
            })
        })
        .await
    }

    /// Whether an archive of this digest is there.
    ///
    /// # Errors
    /// When the disk can not be read.
    pub async fn contains(&self, digest: ArchiveDigest) -> io::Result<bool> {
        tokio::fs::try_exists(self.path_of(digest)).await
    }

    /// The archive as it was published, and how many bytes it has; `None` if it is not there.
    ///
    /// # Errors
    /// When the disk can not be read.
    pub async fn zip(&self, digest: ArchiveDigest) -> io::Result<Option<(tokio::fs::File, u64)>> {
        match tokio::fs::File::open(self.path_of(digest)).await {
            Ok(file) => {
                let bytes = file.metadata().await?.len();
                Ok(Some((file, bytes)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is an archive. Blocks.
    pub(crate) fn has_zip(&self, digest: ArchiveDigest) -> io::Result<bool> {
        self.path_of(digest).try_exists()
    }

    /// The archive as it was published. Blocks.
    pub(crate) fn open_zip(&self, digest: ArchiveDigest) -> io::Result<fs::File> {
        fs::File::open(self.path_of(digest))
    }

    pub(super) fn path_of(&self, digest: ArchiveDigest) -> PathBuf {
        place_of(&self.archives, digest)
    }
}

/// Where an archive is below the folder of all of them.
pub(crate) fn place_of(archives: &Path, digest: ArchiveDigest) -> PathBuf {
    let name = digest.to_string();
    let (folder, file) = name.split_at(2);
    archives.join(folder).join(file).with_extension("zip")
}

/// The folder of all archives, in a data folder.
pub(crate) fn folder_of(data: &Path) -> PathBuf {
    data.join("archives")
}

fn is_left_behind(upload: &fs::DirEntry) -> bool {
    let modified = upload.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > LEFT_BEHIND))
}

#[async_trait]
impl ArchiveStore for DiskArchiveStore {
    async fn files(&self, digest: ArchiveDigest) -> Result<PackageStream, ArchiveError> {
        let path = self.path_of(digest);
        match blocking(move || fs::File::open(path)).await {
            Ok(file) => Ok(stream::files(digest, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ArchiveError::Missing(digest)),
            Err(error) => Err(error.into()),
        }
    }
}

fn digest_of(path: &Path) -> Option<ArchiveDigest> {
    if path.extension()? != "zip" {
        return None;
    }
    let folder = path.parent()?.file_name()?.to_str()?;
    format!("{folder}{}", path.file_stem()?.to_str()?).parse().ok()
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
