//! Packages of one file.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::domain::ArchiveDigest;
use crate::ports::{ArchiveError, ArchiveStore, PackagePart, PackageStream};

/// What the only file of every package holds.
pub(super) const FILE: &[u8] = b"export default () => {}";

/// An archive store in which every archive exists and has one file, `index.js`.
#[derive(Debug, Default)]
pub struct FakeArchives {
    missing: AtomicBool,
}

impl FakeArchives {
    /// From now on there are no archives, or there are again.
    pub fn lose_all(&self, lost: bool) {
        self.missing.store(lost, Ordering::SeqCst);
    }
}

#[async_trait]
impl ArchiveStore for FakeArchives {
    async fn files(&self, digest: ArchiveDigest) -> Result<PackageStream, ArchiveError> {
        if self.missing.load(Ordering::SeqCst) {
            return Err(ArchiveError::Missing(digest));
        }
        let file = PackagePart::File {
            path: "index.js".into(),
            size: FILE.len() as u64,
            executable: false,
        };
        let data = PackagePart::Data(Bytes::from_static(FILE));
        Ok(stream::iter([Ok(file), Ok(data)]).boxed())
    }
}
