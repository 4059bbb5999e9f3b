//! Publishing: from an uploaded archive to a version that serves.
//!
//! 1. The archive is inspected and its manifest checked; whatever is wrong is said at once, and nothing is kept.
//! 2. Version and archive are kept, inactive, in one transaction.
//! 3. A runner imports the version. If it can not, the version stays inactive and the old one goes on serving.
//! 4. One transaction makes the version the active one, and the routes are swapped.
//!
//! A crash between any two steps leaves the old version serving; publishing the same archive again goes on.

mod answer;
mod docker;
mod error;
mod package;
mod publisher;
mod removal;
mod rollout;
mod spans;

pub use answer::{Change, Published, PublishedRoute, PublishedTrigger, Warning};
pub use docker::DockerGrants;
pub use error::PublishError;
pub use package::{Package, PackageRoute, PackageTrigger, problem_code};
pub use publisher::{PublishOptions, Publisher, PublisherConfig};
pub use rollout::{PrepareFailure, ReconcileFailure, Rollout};
