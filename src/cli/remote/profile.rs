//! What `login` keeps: the tokens of servers, in a file that only its owner reads.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// More than this is no such file.
const MAX_BYTES: u64 = 1 << 20;

/// All servers that somebody signed in to from this account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Profiles {
    /// The last one.
    current: Option<String>,
    #[serde(default)]
    servers: BTreeMap<String, Kept>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    #[serde(serialize_with = "exposed")]
    token: SecretString,
    /// The token's id where `login` had it made, so that `logout` can have it removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_id: Option<String>,
}

/// The file is the one place where a token is written down.
fn exposed<S: Serializer>(token: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose_secret())
}

/// A token that is not kept any more.
#[derive(Debug)]
pub(super) struct Forgotten {
    pub(super) token: SecretString,
    pub(super) id: Option<String>,
}

impl Profiles {
    /// What is kept; nothing, if there is no such file.
    pub(super) fn load() -> anyhow::Result<Self> {
        match file() {
            Some(file) => Self::read(&file),
            None => Ok(Self::default()),
        }
    }

    fn read(file: &Path) -> anyhow::Result<Self> {
        let about = match fs::metadata(file) {
            Ok(about) => about,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| file.display().to_string()),
        };
        anyhow::ensure!(about.len() <= MAX_BYTES, "{} is too large", file.display());
        let bytes = fs::read(file).with_context(|| file.display().to_string())?;
        serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} is not as `jobber login` writes it; remove it and sign in again",
                file.display()
            )
        })
    }

    /// The server of the last login.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// What is kept for exactly this server.
    pub(super) fn token(&self, server: &str) -> Option<SecretString> {
        self.servers.get(server).map(|kept| kept.token.clone())
    }

    /// Keeps a token, and takes its server for the one that is meant from now on.
    pub(super) fn keep(&mut self, server: &str, token: &SecretString, token_id: Option<String>) {
        let kept = Kept {
            token: token.clone(),
            token_id,
        };
        self.servers.insert(server.to_owned(), kept);
        self.current = Some(server.to_owned());
    }

    /// Forgets a server.
    pub(super) fn forget(&mut self, server: &str) -> Option<Forgotten> {
        let kept = self.servers.remove(server)?;
        if self.current.as_deref() == Some(server) {
            self.current = self.servers.keys().next().cloned();
        }
        Some(Forgotten {
            token: kept.token,
            id: kept.token_id,
        })
    }

    /// Writes it down. Gives the file's name.
    pub(super) fn save(&self) -> anyhow::Result<PathBuf> {
        let file = file().context("neither XDG_CONFIG_HOME nor HOME says where to keep the token")?;
        self.write(&file)?;
        Ok(file)
    }

    /// As a whole or not at all; never readable by others, not for a moment.
    fn write(&self, file: &Path) -> anyhow::Result<()> {
        let folder = file.parent().context("the file is in a folder")?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| folder.display().to_string())?;
        // Such files have the mode 0600 from their beginning.
        let mut new =
            tempfile::NamedTempFile::new_in(folder).with_context(|| folder.display().to_string())?;
        new.as_file().set_permissions(Permissions::from_mode(0o600))?;
        new.write_all(&serde_json::to_vec_pretty(self)?)?;
        new.as_file().sync_all()?;
        new.persist(file).with_context(|| file.display().to_string())?;
        Ok(())
    }
}

fn file() -> Option<PathBuf> {
    // An empty or relative XDG_CONFIG_HOME is as good as none, says the specification.
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("jobber/profile.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jobber/profile.json");
        assert!(Profiles::read(&file).unwrap().current().is_none());
        let mut profiles = Profiles::default();
        profiles.keep("https://a", &"one".into(), Some("id".into()));
        profiles.keep("https://b", &"two".into(), None);
        profiles.write(&file).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

        let mut found = Profiles::read(&file).unwrap();
        assert_eq!(found.current(), Some("https://b"));
        assert_eq!(found.token("https://a").unwrap().expose_secret(), "one");
        assert_eq!(found.forget("https://a").unwrap().id.as_deref(), Some("id"));
        assert!(found.token("https://a").is_none() && found.forget("https://a").is_none());
    }

    #[test]
    fn another_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("profile.json");
        fs::write(&file, "no").unwrap();
        assert!(
            Profiles::read(&file)
                .unwrap_err()
                .to_string()
                .contains("profile.json")
        );
    }

    #[test]
    fn a_token_does_not_show_when_it_is_printed() {
        let mut profiles = Profiles::default();
        profiles.keep("https://a", &"hunter2".into(), None);
        assert!(!format!("{profiles:?}").contains("hunter2"));
    }
}
