//! Packages, made in the test that tells about them.

use async_zip::base::write::ZipFileWriter;
use async_zip::{Compression, ZipEntryBuilder};
use futures_util::FutureExt;
use serde_json::{Value, json};

/// A package to publish.
#[derive(Clone)]
pub struct Package {
    pub manifest: Value,
    files: Vec<(String, Vec<u8>)>,
}

impl Package {
    /// The module that a new package has.
    pub const MODULE: &str = "export function handler(request, response) { response.text('hello'); }";

    /// A package that answers on `/<name>`.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            manifest: json!({
                "name": name, "version": version, "type": "module", "main": "./index.js",
                "action": {"runnerMinCount": 0},
                "triggers": [{"type": "http", "path": format!("/{name}")}],
            }),
            files: vec![("index.js".to_owned(), Self::MODULE.as_bytes().to_vec())],
        }
    }

    /// With other HTTP triggers.
    pub fn routes(mut self, paths: &[&str]) -> Self {
        self.manifest["triggers"] = paths
            .iter()
            .map(|path| json!({"type": "http", "path": path}))
            .collect();
        self
    }

    /// With another value of a field of the manifest.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.manifest[field] = value.into();
        self
    }

    /// With a further file, or another content of one.
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.retain(|(known, _)| known != path);
        self.files.push((path.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// Without a file.
    pub fn without(mut self, path: &str) -> Self {
        self.files.retain(|(known, _)| known != path);
        self
    }

    /// The zip.
    pub fn zip(&self) -> Vec<u8> {
        let packing = async {
            let mut writer = ZipFileWriter::new(futures_util::io::Cursor::new(Vec::new()));
            let manifest = ("package.json".to_owned(), self.manifest.to_string().into_bytes());
            for (path, content) in self.files.iter().chain([&manifest]) {
                let entry = ZipEntryBuilder::new(path.as_str().into(), Compression::Deflate);
                writer.write_entry_whole(entry, content).await.unwrap();
            }
            writer.close().await.unwrap().into_inner()
        };
        packing.now_or_never().expect("memory never pends")
    }
}
