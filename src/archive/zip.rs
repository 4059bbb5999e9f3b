//! Reading zips with `async_zip` from threads that may block.
//!
//! Inflating is work for the processor and the files are local, so an archive is read on a blocking thread, with
//! readers that never pend: no hop to another thread for each piece.

use std::fs::File;
use std::future::Future;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use async_zip::base::read1::seek::ZipArchiveReader;
use async_zip::base::read1::{ZipFileReader, ZipOptions};
use async_zip::error::ZipError;
use async_zip::spec::constructs::CDR;
use async_zip::spec::extra::EFD;
use async_zip::spec::headers1::Compression;
use futures_util::FutureExt;
use futures_util::io::{AllowStdIo, AsyncBufRead, AsyncRead, AsyncReadExt, AsyncSeek};

use super::limits::ArchiveLimits;
use super::names;
use super::plan::{self, PlannedFile, Record};
use super::refusal::ArchiveRefusal;

/// Most bytes of the central directory.
const MAX_DIRECTORY_BYTES: u64 = 16 << 20;
/// What opening may read besides the directory: the furthest that its end record can be from the file's end.
const MAX_END_BYTES: u64 = 2 * (u16::MAX as u64 + 22);
const LOCAL_HEADER_SIGNATURE: &[u8] = b"PK\x03\x04";
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const FLAG_ENCRYPTED: u16 = 1;
const FLAG_STRONGLY_ENCRYPTED: u16 = 1 << 6;
const FLAG_MASKED_HEADERS: u16 = 1 << 13;
const MADE_ON_UNIX: u16 = 3;
const MADE_ON_MACOS: u16 = 19;

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ZipFailure {
    /// The archive's own fault.
    #[error(transparent)]
    Refused(#[from] ArchiveRefusal),
    /// The disk's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An archive whose directory was read and accepted.
pub(super) struct ZipArchive {
    reader: ZipArchiveReader<Budgeted>,
    files: Vec<PlannedFile>,
}

impl ZipArchive {
    /// Reads and checks the directory. Blocks.
    ///
    /// # Errors
    /// [`ZipFailure`].
    pub(super) fn open(file: File, limits: &ArchiveLimits) -> Result<Self, ZipFailure> {
        let headers = file.try_clone()?;
        let options = ZipOptions {
            max_uncompressed_size_per_file: limits.unpacked_bytes,
            max_compressed_size_per_file: limits.packed_bytes,
            max_cd_num_files: u64::from(limits.entries),
            max_cd_num_files_load: u64::from(limits.entries),
            max_cd_size_in_bytes: MAX_DIRECTORY_BYTES,
            ..ZipOptions::untrusted()
        };
        let (source, budget) = Budgeted::new(file, MAX_DIRECTORY_BYTES + MAX_END_BYTES);
        let reader = wait(ZipArchiveReader::open_with_options(source, options))
            .map_err(|error| refuse_directory(error, &headers, limits))?;
        budget.store(u64::MAX, Ordering::Relaxed);

        let mut records = Vec::with_capacity(reader.cdrs().len());
        for entry in reader.cdrs() {
            let record = record_of(entry)?;
            check_readable(entry, &record, &headers)?;
            records.push(record);
        }
        let files = plan::plan(&records, limits)?;
        Ok(Self { reader, files })
    }

    /// The files to unpack.
    pub(super) fn files(&self) -> &[PlannedFile] {
        &self.files
    }

    /// Opens one of the [`Self::files`]. Blocks.
    ///
    /// # Errors
    /// [`ZipFailure`].
    pub(super) fn read(&mut self, file: &PlannedFile) -> Result<FileBytes<'_>, ZipFailure> {
        let reader = wait(self.reader.file(file.index)).map_err(|error| refuse_entry(error, &file.path))?;
        Ok(FileBytes {
            reader,
            path: file.path.clone(),
        })
    }
}

/// The unpacked bytes of one file. Its checksum and size are verified when its end is read.
pub(super) struct FileBytes<'a> {
    reader: ZipFileReader<&'a mut Budgeted>,
    path: String,
}

impl FileBytes<'_> {
    /// Fills `buffer` as far as the file goes; 0 at its end. Blocks.
    ///
    /// # Errors
    /// [`ZipFailure`].
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ZipFailure> {
        let mut filled = 0;
        while filled < buffer.len() {
            match wait(self.reader.read(&mut buffer[filled..])) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => return Err(refuse_data(error, &self.path)),
            }
        }
        Ok(filled)
    }
}

/// The result of a future over readers that never pend.
fn wait<F: Future>(future: F) -> F::Output {
    future
        .now_or_never()
        .expect("reading a local file by blocking calls never pends")
}

fn record_of(entry: &CDR) -> Result<Record, ArchiveRefusal> {
    let name = entry.insecure_file_name.as_bytes();
    let damaged = |error: ZipError| ArchiveRefusal::DamagedEntry {
        entry: names::shown(name),
        reason: reason_of(&error),
    };
    let unicode_name = entry.efs.iter().find_map(|field| match &field.efd {
        EFD::IZUF(unicode) => Some(unicode.insecure_file_name.clone()),
        _ => None,
    });
    // Looked up here, because async_zip takes it for granted that the first ZIP64 field holds the offset when the
    // short one is at its maximum.
    let long_offset = entry.efs.iter().find_map(|field| match &field.efd {
        EFD::EI64(long) => Some(long.relative_offset),
        _ => None,
    });
    let offset = match (entry.cdrh.lfh_offset, long_offset) {
        (u32::MAX, Some(Some(offset))) => offset,
        (u32::MAX, _) => return Err(damaged(ZipError::NoZip64ExtendedInformation)),
        (offset, _) => u64::from(offset),
    };
    let made_on = entry.cdrh.v_made_by >> 8;
    let mode = entry.cdrh.exter_attr >> 16;
    Ok(Record {
        name: name.to_vec(),
        unicode_name,
        mode: match made_on {
            MADE_ON_UNIX | MADE_ON_MACOS => mode,
            // Others may leave anything in the permissions; a file's type is looked at none the less.
            _ => mode & !0o7777,
        },
        offset,
        packed: entry.compressed_size().map_err(damaged)?,
        unpacked: entry.uncompressed_size().map_err(damaged)?,
        crc32: entry.cdrh.crc,
    })
}

/// Refuses what can not be unpacked. The flags are read from the local header (they must match the directory's),
/// because `async_zip` does not show them.
fn check_readable(entry: &CDR, record: &Record, file: &File) -> Result<(), ZipFailure> {
    let shown = || names::shown(&record.name);
    let mut header = [0; 8];
    match file.read_exact_at(&mut header, record.offset) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => header = [0; 8],
        Err(error) => return Err(error.into()),
    }
    if header[..4] != *LOCAL_HEADER_SIGNATURE {
        let reason = "its local header is missing".to_owned();
        return Err(ArchiveRefusal::DamagedEntry {
            entry: shown(),
            reason,
        }
        .into());
    }
    let flags = u16::from_le_bytes([header[6], header[7]]);
    if flags & (FLAG_ENCRYPTED | FLAG_STRONGLY_ENCRYPTED | FLAG_MASKED_HEADERS) != 0
        || entry.cdrh.compression == Compression::Aex
    {
        return Err(ArchiveRefusal::Encrypted { entry: shown() }.into());
    }
    match entry.cdrh.compression {
        Compression::Stored | Compression::Deflate => Ok(()),
        other => {
            let method = format!("{other:?}").to_lowercase();
            Err(ArchiveRefusal::Compression {
                entry: shown(),
                method,
            }
            .into())
        }
    }
}

fn refuse_directory(error: ZipError, file: &File, limits: &ArchiveLimits) -> ZipFailure {
    match error {
        ZipError::UpstreamReadError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            ArchiveRefusal::Damaged("its directory ends too early".to_owned()).into()
        }
        ZipError::UpstreamReadError(error)
            if error.get_ref().is_some_and(|inner| inner.is::<OverBudget>()) =>
        {
            ArchiveRefusal::Damaged("its directory is larger than it says".to_owned()).into()
        }
        ZipError::UpstreamReadError(error) if error.get_ref().is_none() => error.into(),
        ZipError::NumFilesAboveMax(_) => ArchiveRefusal::TooManyEntries {
            limit: limits.entries,
        }
        .into(),
        ZipError::UnableToLocateEOCDR => match begins_like_a_zip(file) {
            Ok(true) => ArchiveRefusal::Truncated.into(),
            Ok(false) => ArchiveRefusal::NotAZip.into(),
            Err(error) => error.into(),
        },
        other => match begins_like_a_zip(file) {
            Ok(true) => ArchiveRefusal::Damaged(reason_of(&other)).into(),
            Ok(false) => ArchiveRefusal::NotAZip.into(),
            Err(error) => error.into(),
        },
    }
}

fn begins_like_a_zip(file: &File) -> io::Result<bool> {
    let mut signature = [0; 4];
    match file.read_exact_at(&mut signature, 0) {
        Ok(()) => Ok(signature == LOCAL_HEADER_SIGNATURE || signature == END_SIGNATURE),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn refuse_entry(error: ZipError, path: &str) -> ZipFailure {
    match error {
        ZipError::UpstreamReadError(error) => refuse_data(error, path),
        ZipError::UncompressedSizeAboveMax(limit) => ArchiveRefusal::UnpackedTooLarge {
            entry: path.to_owned(),
            limit,
        }
        .into(),
        other => damaged(path, reason_of(&other)),
    }
}

fn refuse_data(error: io::Error, path: &str) -> ZipFailure {
    // An error of the operating system has a number. All others are the decoder's or the checks' word on the data.
    if error.raw_os_error().is_some() {
        return error.into();
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(ZipError::UncompressedSizeAboveMax(limit)) => ArchiveRefusal::UnpackedTooLarge {
            entry: path.to_owned(),
            limit: *limit,
        }
        .into(),
        Some(inner) => damaged(path, reason_of(inner)),
        None => damaged(path, error.to_string()),
    }
}

fn damaged(path: &str, reason: String) -> ZipFailure {
    ArchiveRefusal::DamagedEntry {
        entry: path.to_owned(),
        reason,
    }
    .into()
}

/// What a fault of an archive comes to in a line. The parser of the headers tells its own with a trace of its code, coloured for a
/// terminal, which is of no use to whoever packed the archive.
fn reason_of(error: &ZipError) -> String {
    match error {
        ZipError::BinaryParseError(_) => "one of its headers can not be read".to_owned(),
        other => other.to_string(),
    }
}

/// A directory that goes on beyond what was declared.
#[derive(Debug, thiserror::Error)]
#[error("read more than expected")]
struct OverBudget;

/// A buffered file of which only so many bytes may be consumed: `async_zip` reads records as long as they look like
/// records, whatever their number was declared to be.
struct Budgeted {
    file: AllowStdIo<BufReader<File>>,
    left: Arc<AtomicU64>,
}

impl Budgeted {
    fn new(file: File, budget: u64) -> (Self, Arc<AtomicU64>) {
        let left = Arc::new(AtomicU64::new(budget));
        let file = AllowStdIo::new(BufReader::with_capacity(32 << 10, file));
        (
            Self {
                file,
                left: Arc::clone(&left),
            },
            left,
        )
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        let Some(rest) = left.checked_sub(bytes as u64) else {
            return Err(io::Error::other(OverBudget));
        };
        if left != u64::MAX {
            self.left.store(rest, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl AsyncRead for Budgeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.file).poll_read(context, buffer);
        if let Poll::Ready(Ok(bytes)) = read {
            self.spend(bytes)?;
        }
        read
    }
}

impl AsyncBufRead for Budgeted {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().file).poll_fill_buf(context)
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        Pin::new(&mut self.file).consume(amount);
    }
}

impl AsyncSeek for Budgeted {
    /// Stays within what is buffered where it can: `async_zip` seeks to where it is after each record of the directory.
    fn poll_seek(mut self: Pin<&mut Self>, _: &mut Context<'_>, position: SeekFrom) -> Poll<io::Result<u64>> {
        let file = self.file.get_mut();
        let target = match position {
            SeekFrom::Start(target) => target,
            SeekFrom::Current(0) => return Poll::Ready(file.stream_position()),
            other => return Poll::Ready(file.seek(other)),
        };
        let here = file.stream_position()?;
        match i64::try_from(i128::from(target) - i128::from(here)) {
            Ok(distance) => Poll::Ready(file.seek_relative(distance).map(|()| target)),
            Err(_) => Poll::Ready(file.seek(position)),
        }
    }
}
