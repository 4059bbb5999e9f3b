//! Uploads on their way to disk.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::refusal::ArchiveRefusal;

/// Why an upload ended early. What was written of it is gone.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// More bytes than an archive may have.
    #[error(transparent)]
    Refused(#[from] ArchiveRefusal),
    /// The disk's fault.
    #[error("the upload could not be written: {0}")]
    Io(#[from] io::Error),
}

/// A file that takes an upload's bytes as they come, and is removed unless it is finished and kept.
#[derive(Debug)]
pub struct UploadWriter {
    file: File,
    path: TempPath,
    written: u64,
    limit: u64,
}

impl UploadWriter {
    pub(super) async fn create(folder: PathBuf, limit: u64) -> io::Result<Self> {
        let created = tokio::task::spawn_blocking(move || {
            tempfile::Builder::new()
                .prefix("upload-")
                .suffix(".zip")
                .tempfile_in(folder)
        });
        let (file, path) = created.await.map_err(io::Error::other)??.into_parts();
        Ok(Self {
            file: File::from_std(file),
            path,
            written: 0,
            limit,
        })
    }

    /// Most bytes that it takes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Appends the next bytes.
    ///
    /// # Errors
    /// [`UploadError::Refused`] with [`ArchiveRefusal::PackedTooLarge`] as soon as the limit is passed, or
    /// [`UploadError::Io`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.written += bytes.len() as u64;
        if self.written > self.limit {
            return Err(ArchiveRefusal::PackedTooLarge { limit: self.limit }.into());
        }
        self.file.write_all(bytes).await?;
        Ok(())
    }

    /// Makes sure that the bytes are on disk, and ends the writing.
    ///
    /// # Errors
    /// [`UploadError::Io`].
    pub async fn finish(mut self) -> Result<Upload, UploadError> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        Ok(Upload {
            path: self.path,
            size: self.written,
        })
    }
}

/// A complete upload. Its file is removed when this is dropped, unless it was kept.
#[derive(Debug)]
pub struct Upload {
    pub(super) path: TempPath,
    size: u64,
}

impl Upload {
    /// Where it is, for reading.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}
