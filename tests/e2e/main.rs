//! The whole of Jobber on the real thing: its own binary, a real Postgres, real Docker containers.
//!
//! Stories about functions share one server; those that end a server, or measure it, have their own.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]
#![allow(unreachable_pub, reason = "nothing is reachable in a test binary")]

mod support;

mod backups;
mod calls;
mod command_line;
mod command_line_refusals;
mod command_line_remote;
mod command_line_templates;
mod compose;
mod deploys;
mod development;
mod docker_arguments;
mod docker_engine;
mod documents;
mod failures;
mod full_disk;
mod hostile;
mod mqtt;
mod recovery;
mod runtimes;
mod scaling;
mod schedules;
mod secrets;
mod streaming;
mod two_servers;
