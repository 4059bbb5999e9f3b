//! Packages, made in the test that tells about them.

use async_zip::base::write::ZipFileWriter;
use async_zip::{Compression, ZipEntryBuilder};
use serde_json::{Value, json};

/// A package to publish.
#[derive(Clone)]
pub struct Package {
    manifest: Value,
    files: Vec<(String, Vec<u8>)>,
}

impl Package {
    /// A package with one module, answering on `/<name>` and below.
    pub fn new(name: &str, module: &str) -> Self {
        let manifest = json!({
            "name": name, "version": "1.0.0", "type": "module", "main": "./index.js",
            "action": { "runnerMinCount": 1, "runnerMaxCount": 1 },
            "triggers": [{ "type": "http", "path": format!("/{name}") }],
        });
        Self {
            manifest,
            files: vec![("index.js".into(), module.as_bytes().to_vec())],
        }
    }

    /// Another version of it.
    pub fn version(mut self, version: &str) -> Self {
        self.manifest["version"] = json!(version);
        self
    }

    /// With this module instead.
    pub fn module(mut self, module: &str) -> Self {
        self.files[0].1 = module.as_bytes().to_vec();
        self
    }

    /// With these fields in its action.
    pub fn action(mut self, action: Value) -> Self {
        for (name, value) in action.as_object().unwrap() {
            self.manifest["action"][name] = value.clone();
        }
        self
    }

    /// With one more trigger.
    pub fn trigger(mut self, trigger: Value) -> Self {
        self.manifest["triggers"].as_array_mut().unwrap().push(trigger);
        self
    }

    /// For this range of Node.js releases.
    pub fn node(mut self, range: &str) -> Self {
        self.manifest["engines"] = json!({ "node": range });
        self
    }

    /// Writes it into a folder, as whoever works on it has it.
    pub fn write(&self, folder: &std::path::Path) {
        std::fs::create_dir(folder).unwrap();
        let manifest = serde_json::to_vec_pretty(&self.manifest).unwrap();
        std::fs::write(folder.join("package.json"), manifest).unwrap();
        for (name, bytes) in &self.files {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }

    /// The zip.
    pub async fn zip(&self) -> Vec<u8> {
        let manifest = serde_json::to_vec_pretty(&self.manifest).unwrap();
        let mut zip = ZipFileWriter::new(Vec::new());
        let manifest = ("package.json".to_owned(), manifest);
        for (name, bytes) in std::iter::once(&manifest).chain(&self.files) {
            let entry = ZipEntryBuilder::new(name.clone().into(), Compression::Deflate);
            zip.write_entry_whole(entry, bytes).await.unwrap();
        }
        zip.close().await.unwrap()
    }
}
