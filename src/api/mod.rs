//! The admin API on port 3000: JSON in an envelope, for whoever may.
//!
//! Handlers translate: paths and bodies to the use cases and stores of the crate, their results to the envelope and
//! their errors to problems (RFC 9457) with a stable code. `docs/reference/admin-errors.md` has a section for each code.
//! `operations.rs` has the table from which both the routes and the OpenAPI document come.

mod access;
mod api_tokens;
mod audit;
mod auth;
mod backups;
mod callback_secret;
mod config;
mod connection;
mod dead_letters;
mod docs_page;
mod ending;
mod environment;
mod events;
mod everywhere;
mod first_start;
mod health;
mod input;
mod invocations;
mod jobs;
mod links;
mod logs;
mod metrics;
mod openapi;
mod operations;
mod paging;
mod panel;
mod parameter;
mod patience;
mod problem;
mod publications;
mod publish;
mod reply;
mod runners;
mod schedules;
mod schemas;
mod server;
mod settings;
mod state;
mod storage;
mod store;
mod test_events;
mod triggers;
mod users;
mod versions;

pub use config::AdminConfig;
pub use problem::{ApiError, FieldError};
pub use server::AdminServer;
pub use state::{ApiParts, ApiState, MetricParts};
