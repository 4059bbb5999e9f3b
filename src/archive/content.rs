//! Looking into a stored archive: which files it has, and what is in one of them.

use std::fs::File;
use std::io;

use jobber_actors::domain::ArchiveDigest;

use super::store::DiskArchiveStore;
use super::stream::limits_of_stored;
use super::zip::{ZipArchive, ZipFailure};

/// A file of a package, as the archive's directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagedFile {
    /// Its path within the package.
    pub path: String,
    /// Unpacked bytes.
    pub bytes: u64,
    /// CRC-32 of its content: enough to see that a file has changed, not to prove that it has not.
    pub crc32: u32,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Why an archive can not be looked into.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It is not on this disk.
    #[error("the archive is not on this server's disk any more")]
    Gone,
    /// It has no such file.
    #[error("the package has no file {0:?}")]
    NoFile(String),
    /// The file is larger than what is shown.
    #[error("the file has {bytes} bytes, and at most {limit} are shown")]
    TooLarge {
        /// Its bytes.
        bytes: u64,
        /// The most.
        limit: u64,
    },
    /// The file is no UTF-8, or has a NUL in it.
    #[error("the file is no text in UTF-8")]
    NotText,
    /// The archive can not be read any more.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// The disk can not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<ZipFailure> for ContentError {
    fn from(failure: ZipFailure) -> Self {
        match failure {
            ZipFailure::Refused(refusal) => Self::Damaged(refusal.to_string()),
            ZipFailure::Io(error) => Self::Io(error),
        }
    }
}

impl DiskArchiveStore {
    /// The files of an archive by their paths. Only its directory is read.
    ///
    /// # Errors
    /// [`ContentError`].
    pub async fn packaged_files(&self, digest: ArchiveDigest) -> Result<Vec<PackagedFile>, ContentError> {
        self.look(digest, |archive| {
            let files = archive.files().iter().map(|file| PackagedFile {
                path: file.path.clone(),
                bytes: file.unpacked,
                crc32: file.crc32,
                executable: file.executable,
            });
            let mut files: Vec<_> = files.collect();
            files.sort_unstable_by(|one, two| one.path.cmp(&two.path));
            Ok(files)
        })
        .await
    }

    /// The text of one file of an archive, of so many bytes at most.
    ///
    /// # Errors
    /// [`ContentError`].
    pub async fn packaged_text(
        &self,
        digest: ArchiveDigest,
        path: String,
        limit: u64,
    ) -> Result<String, ContentError> {
        self.look(digest, move |archive| {
            let file = archive.files().iter().find(|file| file.path == path).cloned();
            let file = file.ok_or(ContentError::NoFile(path))?;
            let too_large = |bytes| ContentError::TooLarge { bytes, limit };
            if file.unpacked > limit {
                return Err(too_large(file.unpacked));
            }
            // One byte more than it says to have, so that its end is seen and its checksum verified.
            let room = usize::try_from(limit.min(file.unpacked) + 1).unwrap_or(usize::MAX);
            let mut bytes = vec![0; room];
            let read = archive.read(&file)?.read(&mut bytes)?;
            bytes.truncate(read);
            if read as u64 > limit {
                return Err(too_large(read as u64));
            }
            let text = String::from_utf8(bytes).map_err(|_| ContentError::NotText)?;
            if text.contains('\0') {
                return Err(ContentError::NotText);
            }
            Ok(text)
        })
        .await
    }

    async fn look<T: Send + 'static>(
        &self,
        digest: ArchiveDigest,
        look: impl FnOnce(&mut ZipArchive) -> Result<T, ContentError> + Send + 'static,
    ) -> Result<T, ContentError> {
        let path = self.path_of(digest);
        let looked = tokio::task::spawn_blocking(move || {
            let file = File::open(path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => ContentError::Gone,
                _ => ContentError::Io(error),
            })?;
            look(&mut ZipArchive::open(file, &limits_of_stored())?)
        });
        looked.await.map_err(io::Error::other)?
    }
}
