//! What tasks need from the machine. Each function leaves alone what is there and brings what is not.

pub(crate) mod compose;
pub(crate) mod debian;
pub(crate) mod docker;
pub(crate) mod documents;
pub(crate) mod mosquitto;
pub(crate) mod postgres;
pub(crate) mod promtool;
pub(crate) mod schemathesis;
