//! The Node runtime's files, which are part of this binary.

use std::borrow::Cow;
use std::io;
use std::path::{Component, Path, PathBuf};

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

/// The module that a runner starts with.
const ENTRY: &str = "main.mjs";

#[derive(RustEmbed)]
#[folder = "docker/runner-node"]
#[include = "*.mjs"]
#[exclude = "node_modules/*"]
#[exclude = "test/*"]
#[exclude = "bench/*"]
#[exclude = "types/*"]
struct RuntimeFiles;

/// Writes the runtime's files below `data` and returns its entry module. The folder's name is the digest of its
/// content, so a folder that is there is whole and right, and servers of two versions do not disturb each other.
///
/// # Errors
/// When the files can not be written.
pub(super) fn install(data: &Path) -> io::Result<PathBuf> {
    let files: Vec<(Cow<'static, str>, Cow<'static, [u8]>)> = RuntimeFiles::iter()
        .filter_map(|name| RuntimeFiles::get(&name).map(|file| (name, file.data)))
        .collect();
    install_files(data, &files)
}

fn install_files(data: &Path, files: &[(Cow<'static, str>, Cow<'static, [u8]>)]) -> io::Result<PathBuf> {
    let parent = data.join("runtime");
    let folder = parent.join(digest(files));
    if !folder.is_dir() {
        std::fs::create_dir_all(&parent)?;
        let temporary = tempfile::Builder::new().prefix(".new-").tempdir_in(&parent)?;
        for (name, content) in files {
            let path = temporary.path().join(name.as_ref());
            debug_assert!(
                Path::new(name.as_ref())
                    .components()
                    .all(|part| matches!(part, Component::Normal(_)))
            );
            std::fs::create_dir_all(path.parent().unwrap_or(&parent))?;
            std::fs::write(path, content)?;
        }
        match std::fs::rename(temporary.path(), &folder) {
            Ok(()) => drop(temporary.keep()),
            // Another server on the same data was quicker; what it wrote is the same.
            Err(_) if folder.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(folder.join(ENTRY))
}

fn digest(files: &[(Cow<'static, str>, Cow<'static, [u8]>)]) -> String {
    let mut hash = Sha256::new();
    for (name, content) in files {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    }
    hex::encode(&hash.finalize()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_is_written_once_and_is_whole() {
        let data = tempfile::tempdir().unwrap();
        let first = install(data.path()).unwrap();
        let second = install(data.path()).unwrap();

        assert_eq!(first, second);
        assert!(
            first.is_file(),
            "{} should be part of the binary",
            first.display()
        );
        let embedded: Vec<_> = RuntimeFiles::iter().collect();
        assert!(
            embedded
                .iter()
                .all(|name| !name.contains("node_modules") && !name.contains("test")),
            "{embedded:?}"
        );
        let folders = std::fs::read_dir(data.path().join("runtime")).unwrap().count();
        assert_eq!(folders, 1, "nothing temporary is left behind");
    }
}
