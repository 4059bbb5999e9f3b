//! The files of each template.

use super::Template;

/// One file of a package.
#[derive(Debug)]
pub(super) struct File {
    /// Its place in the package.
    pub(super) path: &'static str,
    /// What is in it.
    pub(super) content: String,
}

macro_rules! file {
    ($path:literal, $source:literal) => {
        ($path, include_str!(concat!("templates/", $source)))
    };
}

const HTTP: &[(&str, &str)] = &[
    file!("package.json", "http/package.json"),
    file!("index.js", "http/index.js"),
    file!("README.md", "http/README.md"),
    file!(".jobberignore", "all/jobberignore"),
    file!(".gitignore", "all/gitignore"),
];

const MQTT: &[(&str, &str)] = &[
    file!("package.json", "mqtt/package.json"),
    file!("index.js", "mqtt/index.js"),
    file!("README.md", "mqtt/README.md"),
    file!(".jobberignore", "all/jobberignore"),
    file!(".gitignore", "all/gitignore"),
];

const SCHEDULE: &[(&str, &str)] = &[
    file!("package.json", "schedule/package.json"),
    file!("index.js", "schedule/index.js"),
    file!("README.md", "schedule/README.md"),
    file!(".jobberignore", "all/jobberignore"),
    file!(".gitignore", "all/gitignore"),
];

const HONO: &[(&str, &str)] = &[
    file!("package.json", "hono/package.json"),
    file!("src/index.js", "hono/src/index.js"),
    file!("README.md", "hono/README.md"),
    file!(".jobberignore", "all/jobberignore-built"),
    file!(".gitignore", "all/gitignore"),
];

const TYPESCRIPT: &[(&str, &str)] = &[
    file!("package.json", "typescript/package.json"),
    file!("tsconfig.json", "typescript/tsconfig.json"),
    file!("src/index.ts", "typescript/src/index.ts"),
    // The runtime's own, so that they can not differ from what a function gets.
    (
        "types/jobber.d.ts",
        include_str!("../../../docker/runner-node/types/index.d.ts"),
    ),
    file!("README.md", "typescript/README.md"),
    file!(".jobberignore", "all/jobberignore-built"),
    file!(".gitignore", "all/gitignore"),
];

/// A template's files for a job of this name.
pub(super) fn files(template: Template, name: &str) -> Vec<File> {
    let files = match template {
        Template::Http => HTTP,
        Template::Mqtt => MQTT,
        Template::Schedule => SCHEDULE,
        Template::Hono => HONO,
        Template::Typescript => TYPESCRIPT,
    };
    // A scope is no part of a path.
    let route = name.rsplit('/').next().unwrap_or(name);
    let filled = |content: &str| content.replace("{{name}}", name).replace("{{route}}", route);
    files
        .iter()
        .map(|(path, content)| File {
            path,
            content: filled(content),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_template_is_a_package_with_a_name_filled_in() {
        for template in Template::value_variants() {
            let files = files(*template, "@scope/hello");
            assert!(
                files.iter().all(|file| !file.content.contains("{{")),
                "{template:?}"
            );
            let manifest = files.iter().find(|file| file.path == "package.json").unwrap();
            let manifest: Value = serde_json::from_str(&manifest.content).unwrap();
            assert_eq!(manifest["name"], "@scope/hello");
            assert_eq!(
                manifest["scripts"]["build"].is_string(),
                template.needs_packages()
            );
            let path = manifest["triggers"][0]["path"].as_str();
            assert!(path.is_none_or(|path| path.starts_with("/hello")), "{template:?}");
        }
    }
}
