//! Who somebody is, and what they may do. Nothing here knows HTTP or Postgres.

mod limiter;
mod password;
mod permission;
mod principal;
mod token;

pub use limiter::{Attempt, LoginLimiter, LoginLimits};
pub use password::{MIN_PASSWORD_BYTES, PasswordError, PasswordHash, Passwords};
pub use permission::{
    Action, Effect, MAX_PERMISSIONS, Pattern, PatternError, Permission, Permissions, Resource,
};
pub use principal::{Principal, Who};
pub use token::{SecretHash, new_api_token, new_session_secret};
