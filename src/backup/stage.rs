//! What is in a backup, put down beside what is there, until all of it has been checked. Blocks.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tempfile::TempDir;

use super::fault::ReadError;
use super::manifest::{Manifest, Part};
use super::read::{self, Sink};
use crate::archive::{place_of, sync_folder};

/// A backup that was checked. Dropped, it is gone from the disk.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) manifest: Manifest,
    pub(super) dump: File,
    pub(super) secrets: Vec<(Part, SecretString)>,
    folder: TempDir,
}

impl Staged {
    /// Reads all of a backup into a folder of its own below `data`. `fits` looks at the manifest before anything else is read.
    pub(super) fn read(
        file: File,
        passphrase: Option<&SecretString>,
        data: &Path,
        fits: &dyn Fn(&Manifest) -> Result<(), ReadError>,
    ) -> Result<Self, ReadError> {
        let folder = tempfile::Builder::new()
            .prefix(".restore-")
            .tempdir_in(data)
            .map_err(ReadError::Target)?;
        let mut sink = Stage {
            archives: folder.path().join("archives"),
            dump: tempfile::tempfile_in(data).map_err(ReadError::Target)?,
            secrets: Vec::new(),
            fits,
        };
        make_folder(&sink.archives).map_err(ReadError::Target)?;
        let manifest = read::read(file, passphrase, &mut sink)?;
        let Stage {
            archives,
            mut dump,
            secrets,
            ..
        } = sink;
        sync(&archives).map_err(ReadError::Target)?;
        io::Seek::rewind(&mut dump).map_err(ReadError::Target)?;
        let secrets = secrets
            .into_iter()
            .map(|(part, bytes)| {
                let text = String::from_utf8(bytes);
                let text = text.map_err(|_| ReadError::Damaged(format!("{part} is no text")))?;
                Ok((part, SecretString::from(text)))
            })
            .collect::<Result<_, ReadError>>()?;
        Ok(Self {
            manifest,
            dump,
            secrets,
            folder,
        })
    }

    /// The folder with the packages, which can be moved to its place.
    pub(super) fn archives(&self) -> PathBuf {
        self.folder.path().join("archives")
    }
}

struct Stage<'a> {
    archives: PathBuf,
    dump: File,
    secrets: Vec<(Part, Vec<u8>)>,
    fits: &'a dyn Fn(&Manifest) -> Result<(), ReadError>,
}

impl Sink for Stage<'_> {
    fn manifest(&mut self, manifest: &Manifest) -> Result<(), ReadError> {
        (self.fits)(manifest)
    }

    fn part(&mut self, part: Part) -> io::Result<Box<dyn Write + '_>> {
        match part {
            Part::Database => Ok(Box::new(&mut self.dump)),
            Part::Archive(digest) => {
                let path = place_of(&self.archives, digest);
                make_folder(path.parent().unwrap_or(&self.archives))?;
                let file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)?;
                Ok(Box::new(Synced(file)))
            }
            Part::MasterKey | Part::AdminToken => {
                self.secrets.push((part, Vec::new()));
                match self.secrets.last_mut() {
                    Some((_, bytes)) => Ok(Box::new(bytes)),
                    None => Err(io::Error::other("a secret was lost")),
                }
            }
            // The reader keeps these for itself.
            Part::Manifest | Part::Checksums => Ok(Box::new(io::sink())),
        }
    }
}

/// A file that is on the disk once it was flushed, which the reader does at its end.
struct Synced(File);

impl Write for Synced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync(archives: &Path) -> io::Result<()> {
    for folder in fs::read_dir(archives)? {
        sync_folder(&folder?.path())?;
    }
    sync_folder(archives)
}
