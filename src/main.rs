//! Jobber's program; everything is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// What a message or a request needs is made on one thread and let go on another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    jobber::cli::main()
}
