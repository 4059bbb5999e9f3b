//! From a folder to a package.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use async_zip::tokio::write::ZipFileWriter;
use async_zip::{Compression, ZipEntryBuilder};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWrite};

use crate::archive::{Upload, UploadWriter};
use crate::cli::files::{MANIFEST, collect};

/// What goes from the zip's writer to its reader at once.
const PIPE_BYTES: usize = 256 * 1024;

/// A folder's files as they were a moment ago.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The package's `name`.
    pub(super) name: String,
    /// The package's `version`.
    pub(super) version: String,
    /// What tells one content from another.
    pub(super) digest: [u8; 32],
    pub(super) manifest: Value,
    /// Names in the archive with the files on disk, without the manifest.
    files: BTreeMap<String, PathBuf>,
}

impl Snapshot {
    /// Reads a folder. Blocks; reads every file.
    pub(super) fn take(folder: &Path, data: &Path) -> anyhow::Result<Self> {
        if folder.is_file() {
            let file = folder.display();
            anyhow::bail!("{file} is a file; name the folder of a package, which is packed here");
        }
        let manifest_file = folder.join(MANIFEST);
        let text = std::fs::read(&manifest_file)
            .with_context(|| format!("{} can not be read", manifest_file.display()))?;
        let manifest: Value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no JSON", manifest_file.display()))?;
        let field = |name: &str| {
            let value = manifest.get(name).and_then(Value::as_str).map(str::to_owned);
            value.with_context(|| format!("{} has no `{name}`", manifest_file.display()))
        };
        let (name, version) = (field("name")?, field("version")?);
        let mut files = collect(folder, Some(data))?;
        files.remove(MANIFEST);
        let digest = digest(&text, &files)?;
        Ok(Self {
            name,
            version,
            digest,
            manifest,
            files,
        })
    }

    /// Writes the package with another version into an upload.
    pub(super) async fn upload(&self, version: &str, mut upload: UploadWriter) -> anyhow::Result<Upload> {
        let (writer, mut reader) = tokio::io::duplex(PIPE_BYTES);
        let copy = async {
            let mut buffer = vec![0; PIPE_BYTES];
            loop {
                match reader.read(&mut buffer).await? {
                    0 => break,
                    count => upload.write(&buffer[..count]).await?,
                }
            }
            Ok(upload.finish().await?)
        };
        let (written, copied) = tokio::join!(self.write(version, writer), copy);
        // When the copy fails the pipe breaks, and so does the writing: the copy's error tells why.
        let copied: anyhow::Result<Upload> = copied;
        let copied = copied?;
        written?;
        Ok(copied)
    }

    async fn write(&self, version: &str, out: impl AsyncWrite + Unpin) -> anyhow::Result<()> {
        let mut manifest = self.manifest.clone();
        manifest["version"] = Value::from(version);
        let mut zip = ZipFileWriter::with_tokio(out);
        // Not compressed: it goes no further than this machine, and a change should serve within a second.
        let entry =
            |name: &str, mode| ZipEntryBuilder::new(name.into(), Compression::Stored).unix_permissions(mode);
        zip.write_entry_whole(entry(MANIFEST, 0o644), &serde_json::to_vec_pretty(&manifest)?)
            .await?;
        for (name, path) in &self.files {
            let mode = if is_executable(path)? { 0o755 } else { 0o644 };
            let content = tokio::fs::read(path)
                .await
                .with_context(|| path.display().to_string())?;
            zip.write_entry_whole(entry(name, mode), &content).await?;
        }
        zip.close().await?;
        Ok(())
    }
}

fn is_executable(path: &Path) -> io::Result<bool> {
    Ok(path.metadata()?.permissions().mode() & 0o111 != 0)
}

fn digest(manifest: &[u8], files: &BTreeMap<String, PathBuf>) -> anyhow::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut add = |name: &str, executable: bool, content: &[u8]| {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
        hash.update([u8::from(executable)]);
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    };
    add(MANIFEST, false, manifest);
    for (name, path) in files {
        let content = std::fs::read(path).with_context(|| path.display().to_string())?;
        add(name, is_executable(path)?, &content);
    }
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        write(
            "package.json",
            r#"{"name": "hello", "version": "1.2.3", "main": "./index.js"}"#,
        );
        write("index.js", "exports.handler = () => {};");
        write("node_modules/dependency/index.js", "1");
        write("node_modules/.bin/tool", "2");
        write(".git/HEAD", "3");
        write(".jobber/dev.json", "4");
        write("index.js~", "5");
        root
    }

    fn take(root: &Path) -> anyhow::Result<Snapshot> {
        Snapshot::take(root, &root.join(".jobber"))
    }

    #[test]
    fn a_package_is_its_files_without_what_tools_keep() {
        let root = package();
        let snapshot = take(root.path()).unwrap();
        assert_eq!(
            (snapshot.name.as_str(), snapshot.version.as_str()),
            ("hello", "1.2.3")
        );
        let names: Vec<_> = snapshot.files.keys().collect();
        assert_eq!(names, ["index.js", "node_modules/dependency/index.js"]);
    }

    #[test]
    fn the_digest_tells_one_content_from_another() {
        let root = package();
        let before = take(root.path()).unwrap().digest;
        std::fs::write(root.path().join(".git/HEAD"), "other").unwrap();
        assert_eq!(take(root.path()).unwrap().digest, before);
        std::fs::write(root.path().join("index.js"), "exports.handler = () => 1;").unwrap();
        assert_ne!(take(root.path()).unwrap().digest, before);
    }

    #[test]
    fn a_link_to_a_folder_above_is_no_endless_loop() {
        let root = package();
        std::os::unix::fs::symlink("..", root.path().join("node_modules/up")).unwrap();
        assert!(take(root.path()).unwrap_err().to_string().contains("link"));
    }

    #[test]
    fn a_folder_without_a_package_is_named() {
        let root = tempfile::tempdir().unwrap();
        assert!(
            take(root.path())
                .unwrap_err()
                .to_string()
                .contains("package.json")
        );
    }

    #[tokio::test]
    async fn the_archive_is_accepted_and_has_the_given_version() {
        let root = package();
        let store = crate::archive::DiskArchiveStore::open(&root.path().join(".jobber")).unwrap();
        let snapshot = take(root.path()).unwrap();
        let upload = snapshot
            .upload("1.2.3-dev.7", store.upload(1 << 20).await.unwrap())
            .await
            .unwrap();
        let inspection = crate::archive::inspect(upload.path(), crate::archive::ArchiveLimits::default())
            .await
            .unwrap();
        assert!(inspection.contains("index.js") && inspection.contains("node_modules/dependency/index.js"));
        let manifest: Value = serde_json::from_slice(&inspection.package_json).unwrap();
        assert_eq!(manifest["version"], "1.2.3-dev.7");
    }
}
