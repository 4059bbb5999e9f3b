//! `jobber init`: a package to begin with.

mod template;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;

use self::template::{File, files};
use super::failure::{Exit, Failure};
use super::output::{Output, note};

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Where to put it; made if it is not there.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// What kind of package.
    #[arg(long, short, value_enum, default_value_t = Template::Http)]
    template: Template,
    /// The job's name; the folder's unless given.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Answer with JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// A kind of package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Template {
    /// Answers requests.
    Http,
    /// Answers messages of an MQTT broker.
    Mqtt,
    /// Runs at the instants of a schedule.
    Schedule,
    /// An app of the web framework Hono, bundled.
    Hono,
    /// Answers requests, in TypeScript.
    Typescript,
}

impl Template {
    /// Whether it has something to install before it can be built.
    fn needs_packages(self) -> bool {
        matches!(self, Self::Hono | Self::Typescript)
    }
}

pub(super) fn run(args: &InitArgs) -> anyhow::Result<Exit> {
    let name = match &args.name {
        Some(name) => checked(name)?,
        None => checked(&name_of(&args.folder)?)?,
    };
    let files = files(args.template, &name);
    let folder = &args.folder;
    if let Some(there) = files.iter().find(|file| folder.join(file.path).exists()) {
        let failure = Failure::new(
            Exit::Refused,
            format!("{} is there already", folder.join(there.path).display()),
        );
        return Err(failure.next("give another folder; nothing is overwritten").into());
    }
    for file in &files {
        write(folder, file)?;
    }
    let paths: Vec<&str> = files.iter().map(|file| file.path).collect();
    let document = json!({ "success": true, "name": name, "folder": folder, "files": paths });
    Output::new(args.json).answer(&document, || Ok(format!("made {name} in {}", folder.display())))?;
    note(&next_steps(args.template, folder));
    Ok(Exit::Ok)
}

fn write(folder: &Path, file: &File) -> anyhow::Result<()> {
    let path = folder.join(file.path);
    let parent = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    let mut new = std::fs::File::create_new(&path).with_context(|| path.display().to_string())?;
    new.write_all(file.content.as_bytes())
        .with_context(|| path.display().to_string())
}

fn next_steps(template: Template, folder: &Path) -> String {
    let shown = folder.display();
    let install = if template.needs_packages() {
        format!("  npm install --prefix {shown}\n")
    } else {
        String::new()
    };
    let build = if template.needs_packages() {
        format!("  npm run build --prefix {shown}\n")
    } else {
        String::new()
    };
    format!(
        "next:\n{install}{build}  jobber dev {shown}      # try it on this machine\n  jobber publish {shown}  # send it to a server"
    )
}

/// The folder's own name, as a package may be called.
fn name_of(folder: &Path) -> anyhow::Result<String> {
    let absolute = std::path::absolute(folder)?;
    let name = absolute
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("function")
        .to_lowercase();
    let is_kept = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let name: String = name
        .chars()
        .map(|character| if is_kept(character) { character } else { '-' })
        .collect();
    let name = name.trim_matches(['-', '.', '_']);
    Ok(if name.is_empty() {
        "function".to_owned()
    } else {
        name.to_owned()
    })
}

/// Names that npm and Jobber take, and that need no quoting in the templates.
fn checked(name: &str) -> Result<String, Failure> {
    let is_part = |part: &str| {
        let is_kept = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        !part.is_empty() && !part.starts_with(['.', '_']) && part.bytes().all(is_kept)
    };
    let is_name = match name.strip_prefix('@').map(|scoped| scoped.split_once('/')) {
        None => is_part(name),
        Some(scoped) => scoped.is_some_and(|(scope, name)| is_part(scope) && is_part(name)),
    };
    let is_reserved = matches!(name, "actions" | "triggers" | "logs" | "runners" | "publish");
    if is_name && !is_reserved && name.len() <= 214 {
        return Ok(name.to_owned());
    }
    let failure = Failure::usage(format!("{name:?} can not be the name of a job"));
    Err(failure.next("give one with --name: lower-case letters, digits, `-`, `_` and `.`, as npm has them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_called_as_its_folder() {
        assert_eq!(name_of(Path::new("/a/My Function!")).unwrap(), "my-function");
        assert_eq!(name_of(Path::new("/a/_x.")).unwrap(), "x");
        assert_eq!(name_of(Path::new("/")).unwrap(), "function");
    }

    #[test]
    fn names_are_those_of_npm_that_jobber_takes() {
        for name in ["a", "a-b.c_1", "@scope/a"] {
            assert!(checked(name).is_ok(), "{name}");
        }
        for name in ["", "A", "logs", "@scope", "@/a", "a b", ".a", "a/b", "a\"b"] {
            assert_eq!(checked(name).unwrap_err().exit, Exit::Usage, "{name}");
        }
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_half_made() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("README.md"), "mine").unwrap();
        let args = InitArgs {
            folder: folder.path().to_owned(),
            template: Template::Http,
            name: Some("a".into()),
            json: false,
        };
        assert!(run(&args).unwrap_err().to_string().contains("README.md"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
