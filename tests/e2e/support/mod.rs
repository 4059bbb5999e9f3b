//! What the stories are told with.

pub(crate) mod docker;
pub(crate) mod manager;
pub(crate) mod wait;
