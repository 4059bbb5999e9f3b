//! What a user would publish.

use serde_json::{Value, json};

use crate::manifest::Manifest;

/// A package in the making: one route, one runner, nothing special unless the test says so.
#[derive(Clone, Debug)]
pub struct FakePackage {
    name: String,
    version: String,
    action: Value,
    routes: Vec<String>,
    triggers: Vec<Value>,
}

impl FakePackage {
    /// Version 1.0.0 of a package of this name, which answers everything below `/<name>/`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            version: "1.0.0".into(),
            action: json!({}),
            routes: vec![format!("/{name}/*rest")],
            triggers: Vec::new(),
        }
    }

    /// Another version.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        self.version = version.into();
        self
    }

    /// Its `action`.
    #[must_use]
    pub fn action(mut self, action: Value) -> Self {
        self.action = action;
        self
    }

    /// Its routes' paths, instead of the one it has.
    #[must_use]
    pub fn routes(mut self, routes: &[&str]) -> Self {
        self.routes = routes.iter().map(|&route| route.to_owned()).collect();
        self
    }

    /// A further trigger, of any kind.
    #[must_use]
    pub fn trigger(mut self, trigger: Value) -> Self {
        self.triggers.push(trigger);
        self
    }

    /// The manifest that a user would have written.
    ///
    /// # Panics
    /// If the test made a package that can not be published.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        let triggers: Vec<Value> = self
            .routes
            .iter()
            .map(|path| json!({ "type": "http", "path": path }))
            .chain(self.triggers.iter().cloned())
            .collect();
        let document = json!({
            "name": self.name, "version": self.version, "main": "./index.js",
            "action": self.action, "triggers": triggers,
        });
        match Manifest::check(&document) {
            Ok(checked) => checked.manifest,
            Err(errors) => panic!("the test's package is refused: {errors:?}"),
        }
    }
}
