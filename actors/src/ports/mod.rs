//! What the supervision tree needs from the outside world. An actor knows these traits and nothing behind them.

mod archive;
mod catalogue;
mod engine;
mod function_store;
mod http_server;
mod log_store;

pub use archive::{ArchiveError, ArchiveStore, PackagePart, PackageStream};
pub use catalogue::{Catalogue, CatalogueError};
pub use engine::{Engine, EngineError, EngineEvent, OutputStream, Resources, RunnerExit, RunnerSpec};
pub use function_store::{
    FunctionStore, Item, ItemPage, ItemSummary, MAX_KEY_BYTES, MAX_VALUE_BYTES, StoreError,
};
pub use http_server::{HttpServer, HttpServerError};
pub use log_store::{LogError, LogLevel, LogLine, LogStore};
