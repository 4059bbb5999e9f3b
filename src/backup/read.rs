//! Reading a backup's file from its beginning to its end, believing nothing of it. Blocks.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use age::{DecryptError, scrypt};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::fault::ReadError;
use super::manifest::{Checksum, Checksums, Manifest, Part};

const BUFFER_BYTES: usize = 256 << 10;
/// Most bytes of what is read into memory: a manifest, checksums of some hundred thousand packages, a file of keys.
const MAX_MANIFEST: u64 = 16 << 20;
const MAX_CHECKSUMS: u64 = 128 << 20;
const MAX_SECRET: u64 = 64 << 10;
/// What age files begin with.
const AGE: &[u8] = b"age-encryption.org/";
/// The highest cost of scrypt that is paid for a file from elsewhere: 4 GiB of memory would be 22.
const MAX_WORK_FACTOR: u8 = 20;
const BLOCK: u64 = 512;
/// Two empty blocks, and room to see more.
const END_BYTES: usize = 2048;

/// What is done with the parts of a backup.
pub(super) trait Sink {
    /// Looks at the manifest before anything else is read.
    fn manifest(&mut self, manifest: &Manifest) -> Result<(), ReadError>;

    /// Where a part goes.
    fn part(&mut self, part: Part) -> io::Result<Box<dyn Write + '_>>;
}

/// Lets go of all parts.
struct Nowhere;

impl Sink for Nowhere {
    fn manifest(&mut self, _manifest: &Manifest) -> Result<(), ReadError> {
        Ok(())
    }

    fn part(&mut self, _part: Part) -> io::Result<Box<dyn Write + '_>> {
        Ok(Box::new(io::sink()))
    }
}

/// Reads all of a backup and holds every part against its checksum. Blocks.
///
/// # Errors
/// [`ReadError`].
pub fn verify(file: File, passphrase: Option<&SecretString>) -> Result<Manifest, ReadError> {
    read(file, passphrase, &mut Nowhere)
}

/// Whether the file is encrypted, by its first bytes.
///
/// # Errors
/// When it can not be read.
pub fn is_encrypted(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let mut beginning = [0; AGE.len()];
    match file.read_exact_at(&mut beginning, 0) {
        Ok(()) => Ok(beginning == AGE),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads all of a backup, and holds every part against its checksum. Not before this has succeeded is anything that the sink was
/// given worth anything.
pub(super) fn read(
    file: File,
    passphrase: Option<&SecretString>,
    sink: &mut dyn Sink,
) -> Result<Manifest, ReadError> {
    let encrypted = is_encrypted(&file).map_err(ReadError::Io)?;
    let input = BufReader::with_capacity(BUFFER_BYTES, file);
    if !encrypted {
        return parts(input, false, sink);
    }
    let passphrase = passphrase.ok_or(ReadError::PassphraseNeeded)?;
    let mut identity = scrypt::Identity::new(passphrase.clone());
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let decryptor = age::Decryptor::new_buffered(input).map_err(|error| of_age(&error))?;
    let identities = std::iter::once(&identity as &dyn age::Identity);
    let plain = decryptor.decrypt(identities).map_err(|error| of_age(&error))?;
    parts(plain, true, sink)
}

fn of_age(error: &DecryptError) -> ReadError {
    match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            ReadError::WrongPassphrase
        }
        DecryptError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            ReadError::Truncated("it ends in the header of the encryption".to_owned())
        }
        other => ReadError::Damaged(other.to_string()),
    }
}

/// What was read of the parts so far.
struct Reading<'a> {
    sink: &'a mut dyn Sink,
    manifest: Option<Manifest>,
    found: Vec<Checksum>,
    seen: BTreeSet<Part>,
    encrypted: bool,
    /// Bytes that a tar of these parts has.
    expected: u64,
    /// As they stand in the file, which has to end after them.
    checksums: Option<Checksums>,
}

fn parts(input: impl Read, encrypted: bool, sink: &mut dyn Sink) -> Result<Manifest, ReadError> {
    let count = AtomicU64::new(0);
    let mut tar = tar::Archive::new(Counted { input, count: &count });
    let mut reading = Reading {
        sink,
        manifest: None,
        found: Vec::new(),
        seen: BTreeSet::new(),
        encrypted,
        // Two empty blocks end a tar.
        expected: 2 * BLOCK,
        checksums: None,
    };
    for entry in tar.entries().map_err(|error| broken(&error))?.raw(true) {
        let entry = entry.map_err(|error| match &reading.manifest {
            None if !encrypted => ReadError::NoBackup,
            _ => broken(&error),
        })?;
        reading.entry(entry)?;
    }
    // The reader stops at the first of the two empty blocks; nothing may follow the second one.
    let mut rest = [0; END_BYTES];
    let mut last = 0;
    let mut input = tar.into_inner();
    while let Some(free) = rest.get_mut(last..).filter(|free| !free.is_empty()) {
        match input.read(free).map_err(|error| broken(&error))? {
            0 => break,
            read => last += read,
        }
    }
    let is_empty = rest.iter().all(|byte| *byte == 0);
    reading.end(count.load(Ordering::Relaxed), is_empty)
}

fn broken(error: &io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Truncated("it ends within a part".to_owned()),
        // Both of tar's and of age's own errors are such.
        io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            ReadError::Damaged(error.to_string())
        }
        kind => ReadError::Io(io::Error::new(kind, error.to_string())),
    }
}

impl Reading<'_> {
    fn entry<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), ReadError> {
        let path = entry.path_bytes().into_owned();
        let name = String::from_utf8_lossy(&path).into_owned();
        let part: Part = match name.parse() {
            Ok(part) if entry.header().entry_type().is_file() => part,
            _ if self.manifest.is_none() && !self.encrypted => return Err(ReadError::NoBackup),
            _ => {
                return Err(ReadError::Damaged(format!(
                    "it has a part {name:?}, which no backup has"
                )));
            }
        };
        self.in_its_place(part)?;
        let bytes = entry.size();
        let checksum = match part {
            Part::Manifest => {
                let (text, checksum) = text(&mut entry, part, MAX_MANIFEST)?;
                let manifest: Manifest = json(&text, part)?;
                manifest.check_format()?;
                self.sink.manifest(&manifest)?;
                self.manifest = Some(manifest);
                checksum
            }
            Part::Checksums => {
                let (text, checksum) = text(&mut entry, part, MAX_CHECKSUMS)?;
                self.checksums = Some(json(&text, part)?);
                checksum
            }
            Part::MasterKey | Part::AdminToken if bytes > MAX_SECRET => {
                return Err(ReadError::Damaged(format!(
                    "{part} has more than {MAX_SECRET} bytes"
                )));
            }
            Part::Database | Part::Archive(_) | Part::MasterKey | Part::AdminToken => {
                let mut target = self.sink.part(part).map_err(ReadError::Target)?;
                copy(&mut entry, &mut target, part)?
            }
        };
        self.expected += BLOCK + bytes.next_multiple_of(BLOCK);
        self.found.push(checksum);
        Ok(())
    }

    /// The manifest is first, the checksums are last, and nothing is there twice.
    fn in_its_place(&mut self, part: Part) -> Result<(), ReadError> {
        let misplaced = (part == Part::Manifest) != self.seen.is_empty() || self.checksums.is_some();
        if misplaced || !self.seen.insert(part) {
            return Err(ReadError::Damaged(format!("{part} stands where it can not")));
        }
        Ok(())
    }

    fn end(self, read: u64, ends_empty: bool) -> Result<Manifest, ReadError> {
        let (Some(manifest), Some(Checksums(checksums))) = (self.manifest, self.checksums) else {
            return Err(ReadError::Truncated("its last parts are missing".to_owned()));
        };
        if read < self.expected {
            return Err(ReadError::Truncated("its end is missing".to_owned()));
        }
        if read > self.expected || !ends_empty {
            return Err(ReadError::Damaged("something follows its end".to_owned()));
        }
        // The last one found is that of the checksums themselves.
        let found = self.found.split_last().map_or(&[][..], |(_, found)| found);
        if let Some((found, _)) = found.iter().zip(&checksums).find(|(found, said)| found != said) {
            return Err(ReadError::Damaged(format!("{} has another checksum", found.part)));
        }
        let archives = self.seen.iter().filter(|part| matches!(part, Part::Archive(_)));
        if found.len() != checksums.len()
            || archives.count() as u64 != manifest.archives
            || !self.seen.contains(&Part::Database)
        {
            return Err(ReadError::Damaged("parts are missing".to_owned()));
        }
        Ok(manifest)
    }
}

fn json<T: serde::de::DeserializeOwned>(text: &[u8], part: Part) -> Result<T, ReadError> {
    serde_json::from_slice(text).map_err(|error| ReadError::Damaged(format!("{part}: {error}")))
}

fn text<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    part: Part,
    most: u64,
) -> Result<(Vec<u8>, Checksum), ReadError> {
    if entry.size() > most {
        return Err(ReadError::Damaged(format!("{part} has more than {most} bytes")));
    }
    let mut text = Vec::new();
    let checksum = copy(entry, &mut text, part)?;
    Ok((text, checksum))
}

/// Copies a part as far as it says that it goes.
fn copy<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    to: &mut impl Write,
    part: Part,
) -> Result<Checksum, ReadError> {
    let size = entry.size();
    let mut buffer = vec![0; BUFFER_BYTES];
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    loop {
        let read = entry.read(&mut buffer).map_err(|error| broken(&error))?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
            break;
        };
        hash.update(piece);
        bytes += piece.len() as u64;
        to.write_all(piece).map_err(ReadError::Target)?;
    }
    to.flush().map_err(ReadError::Target)?;
    if bytes != size {
        return Err(ReadError::Truncated(format!(
            "{part} has {bytes} of {size} bytes"
        )));
    }
    Ok(Checksum {
        part: part.to_string(),
        bytes,
        sha256: hex::encode(hash.finalize()),
    })
}

struct Counted<'a, R> {
    input: R,
    count: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
