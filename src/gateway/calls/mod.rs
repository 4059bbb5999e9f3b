//! Asynchronous calls over HTTP: accepting them, and what is found under their addresses.

mod accept;
mod found;
mod question;

pub(super) use accept::{Accept, wants_later};
pub(super) use found::serve;
