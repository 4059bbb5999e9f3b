//! Packages' archives: an uploaded zip is inspected as what it is, untrusted input, and kept under the digest of
//! its content.
//!
//! [`UploadWriter`] takes the bytes as they arrive and counts them; [`inspect`] reads every entry once and refuses
//! what a runner must never unpack; [`DiskArchiveStore`] keeps what passed and streams it to runners.

mod content;
mod inspect;
mod limits;
mod names;
mod plan;
mod refusal;
mod store;
mod stream;
mod upload;
mod zip;

pub use content::{ContentError, PackagedFile};
pub use inspect::{InspectError, Inspection, inspect};
pub use limits::ArchiveLimits;
pub use refusal::{ArchiveRefusal, NameProblem, SpecialKind};
pub use store::{DiskArchiveStore, DiskSpace, ReferenceGuard, StoredArchive};
pub(crate) use store::{folder_of, place_of, sync_folder};
pub use upload::{Upload, UploadError, UploadWriter};

#[cfg(test)]
mod tests;
