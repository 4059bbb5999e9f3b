//! The program's two runtimes: an arbiter on the main thread for the supervision tree, and threads for everything that
//! waits for something outside.

use std::time::Duration;

use jobber_actors::trace::SharedRecorder;
use tokio::runtime::{Builder, Handle};

use crate::config::Config;
use crate::telemetry::Telemetry;

/// How long blocking work (a file being written) may take to end after everything else.
const LAST_BLOCKING: Duration = Duration::from_secs(5);

/// What a server finds when it starts.
pub(super) struct Around {
    /// The runtime of everything that waits for something outside.
    pub(super) io: Handle,
    /// Who records the spans of invocations.
    pub(super) recorder: SharedRecorder,
}

/// Begins to log as the configuration says, and runs `work` on the main thread's arbiter.
pub(super) fn run<F>(config: Config, work: impl FnOnce(Config, Around) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let io = Builder::new_multi_thread()
        .thread_name("io")
        .enable_all()
        .build()?;
    let telemetry = Telemetry::begin(&config, io.handle())?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let around = Around {
        io: io.handle().clone(),
        recorder: telemetry.recorder(),
    };
    let system = actix_rt::System::new();
    let result = system.block_on(work(config, around));
    telemetry.end();
    io.shutdown_timeout(LAST_BLOCKING);
    result
}
