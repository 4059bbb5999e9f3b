//! Postgres: what should exist, what must still happen, and what functions leave behind.
//!
//! Every query is a constant with parameters. Each type here is one concern over the same [`Database`]; they are
//! cheap to clone. The schema is in `migrations/`, forward only, and brought up to date by [`migrate`].

mod admin_token;
mod api_tokens;
mod audit;
mod backups;
mod calls;
mod catalogue;
mod database;
mod dead_letters;
mod durable_queue;
mod environment;
mod error;
mod figures;
mod fires;
mod functions;
mod invocations;
mod jobs;
mod listener;
mod listing;
mod lock;
mod logs;
mod migrations;
mod partitions;
mod presence;
mod rollups;
mod routes;
mod schedules;
mod sealed;
mod secrets;
mod session_leases;
mod sessions;
mod storage;
mod users;
mod version_removal;
mod versions;

pub use admin_token::{AdminToken, AdminTokenError, EnsuredToken};
pub use api_tokens::{
    ApiTokenFilter, ApiTokenPatch, ApiTokenSort, ApiTokenStore, NewApiToken, StoredApiToken,
};
pub use audit::{AuditEntry, AuditFilter, AuditSort, AuditStore, StoredAuditEntry};
pub(crate) use backups::ASIDE;
pub use backups::{BackupSession, SCHEDULED, Snapshot, Stock, last_scheduled_backup};
pub use calls::{
    CallLimits, CallStore, CallbackAttempt, CallbackEnd, Cancelled, DueCallback, NewCall, RequestKey,
    StoredCall, StoredState, Submitted,
};
pub use catalogue::PostgresCatalogue;
pub use database::{Database, DatabaseConfig, PoolGauge};
pub use dead_letters::{
    DeadLetter, DeadLetterFilter, DeadLetterSort, DeadLetterStore, QueueCounts, QueueOfJob, QueueSort,
};
pub use durable_queue::{PostgresDurableQueue, QueueLimits};
pub use environment::{
    EnvironmentStore, MAX_ENVIRONMENT_BYTES, MAX_VARIABLES, StoredVariable, VariableKind, VariableSet,
    VariableSort,
};
pub use error::DatabaseError;
pub use figures::{FigureCache, JobCounts, QueueUsage, StoredFigures};
pub use fires::{FireFilter, FireSort, FireState, FireStore, ManualRun, NamedTrigger, StoredFire};
pub use functions::{FunctionStoreLimits, PostgresFunctionStore};
pub use invocations::{
    Captured, ColdStartView, ErrorView, InvocationFilter, InvocationPoint, InvocationPoints, InvocationSort,
    PostgresInvocations, RecordedInvocation,
};
pub use jobs::{
    ActionSort, Declared, DeclaredTrigger, FailedVersion, JobFilter, JobPatch, JobSort, JobStatus, JobStore,
    JobSummary, TriggerFilter, TriggerSort, TriggerType, VersionFilter, VersionSort, VersionSummary,
    VersionTrigger, Versions,
};
pub use listener::{Hint, Listener, ListenerConfig};
pub use listing::{Listing, Order, Page, Place, Sort, part_of};
pub use lock::JobLock;
pub use logs::PostgresLogStore;
pub use migrations::{MigrationError, migrate, newest_migration};
pub use partitions::DailyPartitions;
pub use rollups::{JobFigures, PostgresRollups, SeriesBucket, SeriesFilter, SeriesRange, Step};
pub use routes::RouteConflict;
pub use schedules::PostgresSchedules;
pub use sealed::{Resealed, SealedError, Unopened, discard, establish_keys, require_no_key, reseal};
pub use secrets::{CallbackSecrets, SecretStore};
pub use session_leases::PostgresSessionLeases;
pub use sessions::{Origin, SESSION_TIME, SessionStore, StoredSession};
pub use storage::{Share, Storage, StorageOfJob, storage};
pub use users::{NewUser, StoredUser, UserChange, UserFilter, UserPatch, UserSort, UserStore};
pub use version_removal::VersionRemoval;
pub use versions::{
    ActivateError, Inserted, KnownVersion, NewTrigger, NewVersion, PublishStore, PublishedBy,
};
