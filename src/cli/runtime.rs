//! The program's two runtimes: an arbiter on the main thread for the supervision tree, and threads for everything that
//! waits for something outside.

use std::time::Duration;

use tokio::runtime::{Builder, Handle};

/// How long blocking work (a file being written) may take to end after everything else.
const LAST_BLOCKING: Duration = Duration::from_secs(5);

/// Runs `work` on the main thread's arbiter, with the other runtime's handle.
pub(super) fn run<F>(work: impl FnOnce(Handle) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let io = Builder::new_multi_thread()
        .thread_name("io")
        .enable_all()
        .build()?;
    let system = actix_rt::System::new();
    let result = system.block_on(work(io.handle().clone()));
    io.shutdown_timeout(LAST_BLOCKING);
    result
}
