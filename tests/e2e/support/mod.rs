//! What the stories are told with.

mod docker;
mod package;
mod process;
mod server;
mod wait;

pub use docker::{containers_of, kill_container};
pub use package::Package;
pub use server::{Options, Server, shared};
pub use wait::eventually;
