//! Entries' paths: what may be written below a package's folder, on any file system.

use super::refusal::NameProblem;

/// Longest segment that common file systems take, in bytes.
const MAX_SEGMENT_BYTES: usize = 255;

/// Checks a path from an archive. A folder's trailing `/` is not part of the answer.
///
/// # Errors
/// The first [`NameProblem`] found.
pub(super) fn check(raw: &[u8], max_bytes: usize) -> Result<&str, NameProblem> {
    let name = std::str::from_utf8(raw).map_err(|_| NameProblem::NotUtf8)?;
    if name.is_empty() {
        return Err(NameProblem::Empty);
    }
    if name.chars().any(char::is_control) {
        return Err(NameProblem::ControlCharacter);
    }
    if name.contains('\\') {
        return Err(NameProblem::Backslash);
    }
    if name.starts_with('/') {
        return Err(NameProblem::Absolute);
    }
    if matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
        return Err(NameProblem::Drive);
    }
    if name.len() > max_bytes {
        return Err(NameProblem::TooLong);
    }
    let path = name.strip_suffix('/').unwrap_or(name);
    for segment in path.split('/') {
        match segment {
            "" => return Err(NameProblem::EmptySegment),
            "." => return Err(NameProblem::Current),
            ".." => return Err(NameProblem::Parent),
            _ if segment.len() > MAX_SEGMENT_BYTES => return Err(NameProblem::TooLong),
            _ => {}
        }
    }
    Ok(path)
}

/// The form in which two paths are the same file on a file system that ignores case. Upper-cased first, so that
/// letters whose capitals are the same (`ß` and `ss`, `ſ` and `s`) meet.
pub(super) fn fold(path: &str) -> String {
    path.to_uppercase().to_lowercase()
}

/// An entry's path as it can be shown: replacement characters where it is not UTF-8, and not endless.
pub(super) fn shown(raw: &[u8]) -> String {
    const SHOWN_CHARACTERS: usize = 200;
    let name = String::from_utf8_lossy(&raw[..raw.len().min(4 * SHOWN_CHARACTERS)]);
    if name.chars().count() <= SHOWN_CHARACTERS && raw.len() <= 4 * SHOWN_CHARACTERS {
        return name.into_owned();
    }
    name.chars().take(SHOWN_CHARACTERS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str) -> Option<NameProblem> {
        check(name.as_bytes(), 1024).err()
    }

    #[test]
    fn ordinary_paths_pass_and_folders_lose_their_slash() {
        assert_eq!(check(b"dist/index.js", 1024), Ok("dist/index.js"));
        assert_eq!(check(b"dist/", 1024), Ok("dist"));
        assert_eq!(check("grün/…/日本.js".as_bytes(), 1024), Ok("grün/…/日本.js"));
        assert_eq!(check(b"..hidden/a..b", 1024), Ok("..hidden/a..b"));
    }

    #[test]
    fn each_way_out_of_the_folder_is_named() {
        assert_eq!(problem("../evil"), Some(NameProblem::Parent));
        assert_eq!(problem("a/../../evil"), Some(NameProblem::Parent));
        assert_eq!(problem("a/.."), Some(NameProblem::Parent));
        assert_eq!(problem("/etc/passwd"), Some(NameProblem::Absolute));
        assert_eq!(problem("C:/windows"), Some(NameProblem::Drive));
        assert_eq!(problem("c:evil"), Some(NameProblem::Drive));
        assert_eq!(problem("a\\b"), Some(NameProblem::Backslash));
        assert_eq!(problem("a\0b"), Some(NameProblem::ControlCharacter));
        assert_eq!(problem("a\nb"), Some(NameProblem::ControlCharacter));
        assert_eq!(problem("a//b"), Some(NameProblem::EmptySegment));
        assert_eq!(problem("a/./b"), Some(NameProblem::Current));
        assert_eq!(problem(""), Some(NameProblem::Empty));
        assert_eq!(problem(&"x".repeat(256)), Some(NameProblem::TooLong));
        assert_eq!(problem(&"x/".repeat(600)), Some(NameProblem::TooLong));
        assert_eq!(check(b"\xff\xfe", 1024), Err(NameProblem::NotUtf8));
    }

    #[test]
    fn folding_meets_what_a_case_blind_file_system_meets() {
        assert_eq!(fold("README.md"), fold("readme.MD"));
        assert_eq!(fold("straße"), fold("STRASSE"));
        assert_eq!(fold("Ärger"), fold("ärger"));
        assert_ne!(fold("a"), fold("b"));
    }

    #[test]
    fn what_is_shown_of_a_name_is_bounded() {
        assert_eq!(shown(b"plain"), "plain");
        assert_eq!(shown(&[b'x'; 60_000]).chars().count(), 201);
    }
}
