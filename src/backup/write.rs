//! Writing a backup's file. Blocks.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use age::scrypt;
use chrono::{DateTime, Utc};
use jobber_actors::domain::ArchiveDigest;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::manifest::{Checksum, Checksums, Manifest, Part};

const BUFFER_BYTES: usize = 256 << 10;
/// scrypt's cost as a power of two: 128 MiB and about a second, whichever machine it is on. age would measure the machine,
/// and a slower one could refuse to read what a faster one has written.
const WORK_FACTOR: u8 = 17;

/// What goes into a backup.
pub(super) struct Contents {
    pub(super) manifest: Manifest,
    /// The database.
    pub(super) dump: File,
    /// The packages. Each is opened when its turn has come: there may be more of them than a process may have files open.
    pub(super) archives: Box<dyn Iterator<Item = io::Result<(ArchiveDigest, File)>>>,
    /// Only for encrypted backups.
    pub(super) secrets: Vec<(Part, SecretString)>,
}

/// Writes a backup to a file and waits until it is on the disk. Ends early with an error that holds [`Stopped`] when `stop` is set.
pub(super) fn write(
    file: File,
    contents: Contents,
    passphrase: Option<&SecretString>,
    stop: &AtomicBool,
) -> io::Result<()> {
    debug_assert!(passphrase.is_some() || contents.secrets.is_empty());
    let out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let out = match passphrase {
        None => parts(out, contents, stop)?,
        Some(passphrase) => {
            let mut recipient = scrypt::Recipient::new(passphrase.clone());
            recipient.set_work_factor(WORK_FACTOR);
            let recipients = std::iter::once(&recipient as &dyn age::Recipient);
            let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
            parts(encryptor.wrap_output(out)?, contents, stop)?.finish()?
        }
    };
    out.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()
}

fn parts<W: Write>(out: W, contents: Contents, stop: &AtomicBool) -> io::Result<W> {
    let Contents {
        manifest,
        mut dump,
        archives,
        secrets,
    } = contents;
    let mut writer = Writer {
        tar: tar::Builder::new(out),
        written: manifest.created,
        checksums: Checksums::default(),
        stop,
    };
    writer.text(Part::Manifest, &serde_json::to_vec_pretty(&manifest)?)?;
    dump.rewind()?;
    writer.file(Part::Database, dump)?;
    for archive in archives {
        let (digest, archive) = archive?;
        writer.file(Part::Archive(digest), archive)?;
    }
    for (part, secret) in secrets {
        writer.text(part, secret.expose_secret().as_bytes())?;
    }
    let checksums = serde_json::to_vec_pretty(&writer.checksums)?;
    writer.text(Part::Checksums, &checksums)?;
    writer.tar.into_inner()
}

struct Writer<'a, W: Write> {
    tar: tar::Builder<W>,
    written: DateTime<Utc>,
    checksums: Checksums,
    stop: &'a AtomicBool,
}

impl<W: Write> Writer<'_, W> {
    fn file(&mut self, part: Part, file: File) -> io::Result<()> {
        let bytes = file.metadata()?.len();
        self.part(part, bytes, file)
    }

    fn text(&mut self, part: Part, text: &[u8]) -> io::Result<()> {
        self.part(part, text.len() as u64, text)
    }

    fn part(&mut self, part: Part, bytes: u64, content: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_path(part.to_string())?;
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.written.timestamp()).unwrap_or(0));
        header.set_cksum();
        let mut content = Watched {
            content: content.take(bytes),
            hash: Sha256::new(),
            bytes: 0,
            stop: self.stop,
        };
        self.tar.append(&header, &mut content)?;
        if content.bytes != bytes {
            return Err(io::Error::other(format!(
                "{part} became shorter while it was read"
            )));
        }
        self.checksums.0.push(Checksum {
            part: part.to_string(),
            bytes,
            sha256: hex::encode(content.hash.finalize()),
        });
        Ok(())
    }
}

/// What is read is counted and hashed, until somebody says stop.
struct Watched<'a, R> {
    content: R,
    hash: Sha256,
    bytes: u64,
    stop: &'a AtomicBool,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            // Not `Interrupted` itself: whoever copies would try again.
            return Err(io::Error::other(Stopped));
        }
        let read = self.content.read(into)?;
        self.hash.update(into.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Somebody said stop.
#[derive(Debug, thiserror::Error)]
#[error("it was stopped")]
pub(super) struct Stopped;
