//! What `docs/runtime-semantics.md` says, shown.

mod actix_interface;
mod crashes;
mod documentation;
mod families;
mod mailboxes;
mod placement;
mod policies;
mod stops;
mod tasks;
mod trees;
mod worker;
