//! Where a server of our own keeps its data and listens.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// A port of 127.0.0.1 that is free at this moment. Someone else may take it in the next.
///
/// # Errors
/// When the system has none to give.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Makes a folder that nobody else may enter, unless it is there.
///
/// # Errors
/// When it can not be made.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}
