//! Callbacks: what an asynchronous call came to is posted to where its caller said, if the operator allows that, and signed.
//!
//! The way of one: a call ends, and its row says that a callback is due → the sender claims it under a lease → the host's name is
//! resolved, and every address checked → it is posted to one of the checked addresses → taken, or sent again later. Whether a host is
//! allowed ([`AllowedHosts`]) and what follows an attempt ([`Manners`]) are pure decisions.

mod gate;
mod hosts;
mod policy;
mod sender;
mod signature;

pub use gate::{Gate, NameResolver, SystemNames, Target, TargetError};
pub use hosts::AllowedHosts;
pub use policy::Manners;
pub use sender::CallbackSender;
pub use signature::{Signature, SignatureError};
