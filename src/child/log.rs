//! The file that a child of long life logs to.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How much of a log's end is shown when something goes wrong.
const TAIL_BYTES: i64 = 4096;
/// A log larger than this is begun anew at the next start.
const MAX_LOG_BYTES: u64 = 16 << 20;

/// Opens a log to append to it.
///
/// # Errors
/// When it can not be opened.
pub(crate) fn open_log(path: &Path) -> io::Result<File> {
    let too_large = path.metadata().is_ok_and(|meta| meta.len() > MAX_LOG_BYTES);
    let log = File::options().create(true).append(true).open(path)?;
    if too_large {
        log.set_len(0)?;
    }
    Ok(log)
}

/// The end of a log, for a message.
pub(crate) fn log_tail(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
        file.seek(SeekFrom::End(-length.min(TAIL_BYTES)))?;
        let mut bytes = vec![0; usize::try_from(length.min(TAIL_BYTES)).unwrap_or(0)];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(its log {} can not be read: {error})", path.display()),
    }
}
