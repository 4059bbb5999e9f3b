//! The zip of a folder: the same bytes for the same files.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use async_zip::tokio::write::ZipFileWriter;
use async_zip::{Compression, ZipEntryBuilder};
use tempfile::NamedTempFile;

use crate::cli::files::{collect, may_hold_secrets};
use crate::cli::output::note;

/// A zip on disk, gone with this.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) file: NamedTempFile,
    pub(super) files: usize,
    pub(super) bytes: u64,
}

/// Packs a folder. Entries come in the order of their names and have no time of their own.
pub(super) async fn pack(folder: &Path) -> anyhow::Result<Packed> {
    let folder = folder
        .canonicalize()
        .with_context(|| folder.display().to_string())?;
    let files = tokio::task::spawn_blocking(move || collect(&folder, None)).await??;
    for name in files.keys().filter(|name| may_hold_secrets(name)) {
        note(&format!(
            "warning: {name} becomes part of the version, which others can download; `jobber env import` is for secrets, \
             and `.jobberignore` leaves files out"
        ));
    }
    let file = NamedTempFile::new().context("a temporary file")?;
    let out = tokio::fs::File::from_std(file.reopen()?);
    let mut zip = ZipFileWriter::with_tokio(out);
    for (name, path) in &files {
        add(&mut zip, name, path).await?;
    }
    let mut out = zip.close().await?.into_inner();
    tokio::io::AsyncWriteExt::flush(&mut out).await?;
    let bytes = file.as_file().metadata()?.len();
    Ok(Packed {
        file,
        files: files.len(),
        bytes,
    })
}

async fn add(zip: &mut ZipFileWriter<tokio::fs::File>, name: &str, path: &PathBuf) -> anyhow::Result<()> {
    let named = || path.display().to_string();
    let is_executable = path.metadata().with_context(named)?.permissions().mode() & 0o111 != 0;
    let mode = if is_executable { 0o755 } else { 0o644 };
    let content = tokio::fs::read(path).await.with_context(named)?;
    let entry = ZipEntryBuilder::new(name.into(), Compression::Deflate).unix_permissions(mode);
    zip.write_entry_whole(entry, &content).await.with_context(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_files_are_the_same_zip_and_a_package() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "package.json",
            r#"{"name": "a", "version": "1.0.0", "main": "./index.js"}"#,
        );
        write("index.js", "export default {};");
        write("left-out.txt", "");
        write(".jobberignore", "*.txt");
        let first = pack(folder.path()).await.unwrap();
        // Other times and another order in the folder are no other content.
        std::fs::remove_file(folder.path().join("index.js")).unwrap();
        write("index.js", "export default {};");
        let second = pack(folder.path()).await.unwrap();
        let read = |packed: &Packed| std::fs::read(packed.file.path()).unwrap();
        assert_eq!(read(&first), read(&second));
        assert_eq!((first.files, first.bytes), (2, read(&first).len() as u64));
        let limits = crate::archive::ArchiveLimits::default();
        let inspection = crate::archive::inspect(first.file.path(), limits).await.unwrap();
        assert!(inspection.contains("index.js") && !inspection.contains("left-out.txt"));
    }
}
