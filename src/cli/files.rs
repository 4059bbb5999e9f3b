//! Which files of a folder are its package.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Files more than this are no package.
const MAX_FILES: usize = 100_000;
/// Folders in folders more than this are a loop.
const MAX_DEPTH: usize = 64;
/// The file that makes a folder a package.
pub(super) const MANIFEST: &str = "package.json";
/// What else is left out, in the syntax of `.gitignore`.
pub(super) const IGNORE_FILE: &str = ".jobberignore";

/// Whether a path below a package's folder is left out whatever the package says: what tools keep for themselves, links to
/// programs that `npm` makes, and the files of editors.
pub(super) fn is_ignored(relative: &Path) -> bool {
    let mut parents_are_modules = false;
    for part in relative.components() {
        let Component::Normal(name) = part else { continue };
        let Some(name) = name.to_str() else { continue };
        let of_tools = matches!(
            name,
            ".git" | ".hg" | ".svn" | ".jobber" | ".DS_Store" | ".idea" | ".vscode"
        );
        let of_npm =
            parents_are_modules && matches!(name, ".bin" | ".cache" | ".package-lock.json" | ".vite");
        let of_editors =
            name.ends_with('~') || name.ends_with(".swp") || name.ends_with(".swx") || name == "4913";
        if of_tools || of_npm || of_editors {
            return true;
        }
        parents_are_modules = name == "node_modules";
    }
    false
}

/// Whether a file of the package's own, by its name, is one in which people keep secrets.
pub(super) fn may_hold_secrets(name: &str) -> bool {
    let is_foreign = name.split('/').any(|part| part == "node_modules");
    let file = name.rsplit('/').next().unwrap_or(name);
    let is_template = [".example", ".sample", ".template"]
        .iter()
        .any(|end| file.ends_with(end));
    let is_environment = file == ".env" || file.starts_with(".env.");
    let is_known = matches!(file, ".npmrc" | ".netrc" | "id_rsa" | "id_ed25519") || file.ends_with(".pem");
    !is_foreign && !is_template && (is_environment || is_known)
}

/// The package's files: names in the archive with the files on disk. The manifest is among them, whatever is ignored.
///
/// # Errors
/// What can not be read, and what is no package: too many files, a loop of links, names that are no UTF-8.
pub(super) fn collect(root: &Path, leave_out: Option<&Path>) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut collector = Collector {
        root,
        leave_out,
        rules: rules(root)?,
        files: BTreeMap::new(),
    };
    collector.folder(root, 0)?;
    Ok(collector.files)
}

fn rules(root: &Path) -> anyhow::Result<Gitignore> {
    let file = root.join(IGNORE_FILE);
    if !file.is_file() {
        return Ok(Gitignore::empty());
    }
    let mut builder = GitignoreBuilder::new(root);
    if let Some(error) = builder.add(&file) {
        return Err(error).with_context(|| format!("{} can not be read", file.display()));
    }
    builder.build().with_context(|| file.display().to_string())
}

struct Collector<'a> {
    root: &'a Path,
    leave_out: Option<&'a Path>,
    rules: Gitignore,
    files: BTreeMap<String, PathBuf>,
}

impl Collector<'_> {
    /// Links are followed, for an archive holds none: a dependency given as `file:…` is one.
    fn folder(&mut self, folder: &Path, depth: usize) -> anyhow::Result<()> {
        if depth > MAX_DEPTH {
            bail!(
                "{} is more than {MAX_DEPTH} folders deep; is there a link to a folder above it?",
                folder.display()
            );
        }
        let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            self.entry(entry?.path(), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: PathBuf, depth: usize) -> anyhow::Result<()> {
        let relative = path.strip_prefix(self.root)?;
        let is_left_out = self.leave_out.is_some_and(|left_out| path.starts_with(left_out));
        if is_ignored(relative) || is_left_out {
            return Ok(());
        }
        let Ok(about) = path.metadata() else {
            tracing::debug!(path = %path.display(), "left out: a link that leads nowhere");
            return Ok(());
        };
        let is_manifest = relative == Path::new(MANIFEST);
        let by_rule = self.rules.matched(relative, about.is_dir()).is_ignore();
        if relative == Path::new(IGNORE_FILE) || by_rule && !is_manifest {
            return Ok(());
        }
        if about.is_dir() {
            self.folder(&path, depth + 1)?;
        } else if about.is_file() {
            let name = relative
                .to_str()
                .with_context(|| format!("{} is no UTF-8", path.display()))?
                .to_owned();
            self.files.insert(name, path);
            if self.files.len() > MAX_FILES {
                bail!("{} has more than {MAX_FILES} files", self.root.display());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        root
    }

    fn names(root: &Path) -> Vec<String> {
        collect(root, None).unwrap().into_keys().collect()
    }

    #[test]
    fn jobberignore_leaves_out_what_gitignore_would() {
        let root = folder(&[
            (
                ".jobberignore",
                "# sources\nsrc/\n*.log\n!keep.log\n/.env\npackage.json\n",
            ),
            ("package.json", "{}"),
            ("src/index.ts", ""),
            ("dist/index.js", ""),
            ("dist/src/more.js", ""),
            ("a.log", ""),
            ("keep.log", ""),
            (".env", ""),
            ("dist/.env", ""),
        ]);
        assert_eq!(
            names(root.path()),
            ["dist/.env", "dist/index.js", "keep.log", "package.json"]
        );
    }

    #[test]
    fn without_rules_all_but_the_files_of_tools_are_the_package() {
        let root = folder(&[
            ("package.json", "{}"),
            ("node_modules/a/index.js", ""),
            ("node_modules/.bin/a", ""),
            (".git/HEAD", ""),
            ("index.js~", ""),
        ]);
        assert_eq!(names(root.path()), ["node_modules/a/index.js", "package.json"]);
    }

    #[test]
    fn files_of_secrets_are_known_by_their_names() {
        let found: Vec<_> = [
            ".env",
            "config/.env.production",
            ".env.example",
            ".npmrc",
            "node_modules/a/.npmrc",
            "tls/key.pem",
            "environment.js",
        ]
        .into_iter()
        .filter(|name| may_hold_secrets(name))
        .collect();
        assert_eq!(found, [".env", "config/.env.production", ".npmrc", "tls/key.pem"]);
    }

    #[test]
    fn a_broken_rule_is_told() {
        let root = folder(&[(".jobberignore", "a[z-a]\n"), ("package.json", "{}")]);
        let error = format!("{:#}", collect(root.path(), None).unwrap_err());
        assert!(error.contains(".jobberignore"), "{error}");
    }
}
