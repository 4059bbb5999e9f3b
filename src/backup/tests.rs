//! The file: what was written is read again, and nothing else is taken for it.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicBool;

use chrono::DateTime;
use secrecy::SecretString;

use super::fault::{BackupError, ReadError};
use super::manifest::{FORMAT, Manifest, Part, Unfit};
use super::read::{is_encrypted, verify};
use super::write::{Contents, write};

const PASSPHRASE: &str = "correct horse battery staple";

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        jobber: "0.1.0".into(),
        created: DateTime::UNIX_EPOCH,
        postgres: 17,
        schema: 11,
        archives: 2,
        missing_archives: Vec::new(),
        keys: Vec::new(),
        has_secrets: false,
    }
}

fn contents(manifest: Manifest) -> Contents {
    Contents {
        manifest,
        dump: file_of(&[1; 1000]),
        archives: Box::new(
            [
                Ok(([1; 32].into(), file_of(&[2; 512]))),
                Ok(([2; 32].into(), file_of(b""))),
            ]
            .into_iter(),
        ),
        secrets: Vec::new(),
    }
}

/// The bytes of a backup.
fn written(contents: Contents, passphrase: Option<&SecretString>) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let out = file.reopen().unwrap();
    write(out, contents, passphrase, &AtomicBool::new(false)).unwrap();
    std::fs::read(file.path()).unwrap()
}

fn read(bytes: &[u8], passphrase: Option<&SecretString>) -> Result<Manifest, ReadError> {
    verify(file_of(bytes), passphrase)
}

#[test]
fn what_was_written_is_read_again_and_other_tars_of_the_same_are_not() {
    let bytes = written(contents(manifest()), None);
    assert_eq!(read(&bytes, None).unwrap(), manifest());
    assert_eq!(bytes.len() % 512, 0);

    let more = [&bytes[..], &[0; 512]].concat();
    assert!(matches!(read(&more, None), Err(ReadError::Damaged(_))));
    let twice = [&bytes[..bytes.len() - 1024], &bytes[..]].concat();
    assert!(matches!(read(&twice, None), Err(ReadError::Damaged(_))));
    for nothing in [
        &b""[..],
        b"hello",
        &[0; 4096],
        b"PK\x03\x04 a zip of something else",
    ] {
        let told = read(nothing, None).unwrap_err();
        assert!(
            matches!(told, ReadError::NoBackup | ReadError::Truncated(_)),
            "{told}"
        );
    }
}

#[test]
fn wherever_it_is_cut_off_it_is_refused() {
    let bytes = written(contents(manifest()), None);
    for length in (0..bytes.len())
        .step_by(97)
        .chain([bytes.len() - 1, bytes.len() - 512, bytes.len() - 1024])
    {
        let told = read(&bytes[..length], None).unwrap_err();
        assert!(
            matches!(
                told,
                ReadError::Truncated(_) | ReadError::NoBackup | ReadError::Damaged(_)
            ),
            "{length}: {told}"
        );
    }
}

/// But for the padding behind a part, which nobody reads.
#[test]
fn wherever_a_part_is_changed_it_is_refused() {
    let bytes = written(contents(manifest()), None);
    let file = file_of(&bytes);
    let mut refused = 0;
    for place in (0..bytes.len()).step_by(61) {
        let padding = bytes[place] == 0;
        file.write_all_at(&[bytes[place] ^ 0x55], place as u64).unwrap();
        let mut again = file.try_clone().unwrap();
        again.rewind().unwrap();
        let result = verify(again, None);
        assert!(result.is_err() || padding, "byte {place}");
        refused += usize::from(result.is_err());
        file.write_all_at(&bytes[place..=place], place as u64).unwrap();
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn an_encrypted_one_needs_its_passphrase_and_shows_nothing() {
    let passphrase = SecretString::from(PASSPHRASE);
    let secrets = vec![(Part::MasterKey, SecretString::from("the key of everything"))];
    let manifest = Manifest {
        has_secrets: true,
        ..manifest()
    };
    let contents = Contents {
        secrets,
        ..contents(manifest.clone())
    };
    let bytes = written(contents, Some(&passphrase));
    assert!(is_encrypted(&file_of(&bytes)).unwrap());
    let shown = String::from_utf8_lossy(&bytes);
    assert!(!shown.contains("manifest") && !shown.contains("key of everything"));

    assert_eq!(read(&bytes, Some(&passphrase)).unwrap(), manifest);
    assert!(matches!(read(&bytes, None), Err(ReadError::PassphraseNeeded)));
    let other = SecretString::from("another passphrase");
    assert!(matches!(
        read(&bytes, Some(&other)),
        Err(ReadError::WrongPassphrase)
    ));
    let cut = read(&bytes[..bytes.len() - 10], Some(&passphrase)).unwrap_err();
    assert!(
        matches!(cut, ReadError::Truncated(_) | ReadError::Damaged(_)),
        "{cut}"
    );
    let mut changed = bytes;
    let last = changed.len() - 20;
    changed[last] ^= 1;
    let told = read(&changed, Some(&passphrase)).unwrap_err();
    assert!(matches!(told, ReadError::Damaged(_)), "{told}");
}

#[test]
fn a_newer_format_is_refused_before_anything_else_is_read() {
    let newer = Manifest {
        format: FORMAT + 1,
        ..manifest()
    };
    let bytes = written(contents(newer), None);
    let told = read(&bytes, None).unwrap_err();
    assert!(matches!(told, ReadError::Unfit(Unfit::Format(2))), "{told}");
}

#[test]
fn it_says_how_many_packages_it_has() {
    let more = Manifest {
        archives: 3,
        ..manifest()
    };
    let bytes = written(contents(more), None);
    assert!(matches!(read(&bytes, None), Err(ReadError::Damaged(_))));
}

#[test]
fn writing_can_be_stopped() {
    let stopped = write(
        tempfile::tempfile().unwrap(),
        contents(manifest()),
        None,
        &AtomicBool::new(true),
    );
    let told = BackupError::io("/backups", stopped.unwrap_err());
    assert!(matches!(told, BackupError::Stopping), "{told}");
    let full = BackupError::io("/backups", io::ErrorKind::StorageFull.into());
    assert!(
        full.to_string().contains("no room for a backup in /backups"),
        "{full}"
    );
}
