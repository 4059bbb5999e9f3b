//! Where the packages' files are kept.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::domain::ArchiveDigest;

/// One piece of a package on its way to a runner: a file's head, then its bytes in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackagePart {
    /// A file begins. Its bytes follow, `size` of them.
    File {
        /// Relative to the package's folder, with `/`, without `..`.
        path: String,
        /// Bytes.
        size: u64,
        /// Whether the archive gave it an executable bit.
        executable: bool,
    },
    /// The next bytes of the file that began last; at most 256 KiB.
    Data(Bytes),
}

/// The files of a package, in the archive's order.
pub type PackageStream = BoxStream<'static, Result<PackagePart, ArchiveError>>;

/// Why an archive could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no archive of this digest.
    #[error("there is no archive {0}")]
    Missing(ArchiveDigest),
    /// The archive changed since it was published.
    #[error("archive {digest} is damaged: {reason}")]
    Damaged {
        /// Which.
        digest: ArchiveDigest,
        /// How it showed.
        reason: String,
    },
    /// The storage did not answer.
    #[error("the archive store failed: {0}")]
    Storage(#[from] std::io::Error),
}

/// Content-addressed storage of published archives.
#[async_trait]
pub trait ArchiveStore: Send + Sync + 'static {
    /// Streams the files of an archive.
    ///
    /// # Errors
    /// [`ArchiveError`] if it is missing, damaged or out of reach; damage may show only later in the stream.
    async fn files(&self, digest: ArchiveDigest) -> Result<PackageStream, ArchiveError>;
}
