//! Why an archive is not taken. Every reason names the entry it is about.

use std::fmt;

/// Why an uploaded archive is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveRefusal {
    /// Not a zip at all.
    #[error("the upload is not a zip archive")]
    NotAZip,
    /// It begins like a zip, and its end is missing.
    #[error("the archive is truncated: it has no end of central directory")]
    Truncated,
    /// Its directory can not be read.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// One entry's header or data can not be read, or does not match its checksum.
    #[error("entry {entry:?} is damaged: {reason}")]
    DamagedEntry {
        /// The entry's path.
        entry: String,
        /// What does not fit.
        reason: String,
    },
    /// An entry needs a password.
    #[error("entry {entry:?} is encrypted")]
    Encrypted {
        /// The entry's path.
        entry: String,
    },
    /// An entry is packed in a way other than "stored" and "deflate".
    #[error("entry {entry:?} is compressed with {method}; use deflate or store")]
    Compression {
        /// The entry's path.
        entry: String,
        /// The method it uses.
        method: String,
    },
    /// An entry's path could lead outside of the package's folder, or nowhere.
    #[error("entry {entry:?} {problem}")]
    Name {
        /// The entry's path, as far as it can be shown.
        entry: String,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// An entry is neither a file nor a folder.
    #[error("entry {entry:?} is {kind}; only files and folders may be packed{hint}", hint = kind.hint())]
    Special {
        /// The entry's path.
        entry: String,
        /// What it is.
        kind: SpecialKind,
    },
    /// Two entries have the same path.
    #[error("entry {entry:?} is in the archive twice")]
    Duplicate {
        /// The entry's path.
        entry: String,
    },
    /// Two entries' paths differ by case only.
    #[error("entries {entry:?} and {other:?} differ by case only")]
    CaseCollision {
        /// One entry's path.
        entry: String,
        /// The other's.
        other: String,
    },
    /// A path is both a file and a folder.
    #[error("entry {entry:?} is a file, and {other:?} needs it to be a folder")]
    FileIsFolder {
        /// The file's path.
        entry: String,
        /// A path below it.
        other: String,
    },
    /// Two entries share packed bytes: what bombs and archives with two faces do.
    #[error("entries {entry:?} and {other:?} overlap within the archive")]
    Overlap {
        /// One entry's path.
        entry: String,
        /// The other's.
        other: String,
    },
    /// It has more entries than allowed.
    #[error("the archive has more than {limit} entries")]
    TooManyEntries {
        /// The most.
        limit: u32,
    },
    /// The zip is larger than allowed.
    #[error("the archive is larger than {limit} bytes")]
    PackedTooLarge {
        /// The most, in bytes.
        limit: u64,
    },
    /// Its entries together are larger than allowed.
    #[error("the archive unpacks to more than {limit} bytes; the limit was passed in entry {entry:?}")]
    UnpackedTooLarge {
        /// The entry that passed the limit.
        entry: String,
        /// The most, in bytes.
        limit: u64,
    },
    /// An entry grows more than an honest file would.
    #[error("entry {entry:?} unpacks to more than {limit} times its packed size")]
    Ratio {
        /// The entry's path.
        entry: String,
        /// The most.
        limit: u32,
    },
    /// There is no package.json at the root or in the one top folder.
    #[error("the archive has no package.json at its root, nor in a single top folder")]
    NoPackageJson,
    /// The package.json is larger than anyone writes one.
    #[error("package.json is larger than {limit} bytes")]
    PackageJsonTooLarge {
        /// The most, in bytes.
        limit: u64,
    },
}

impl ArchiveRefusal {
    /// A stable code for programs; also the name of its page under `docs/reference/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAZip => "archive-not-a-zip",
            Self::Truncated => "archive-truncated",
            Self::Damaged(_) | Self::DamagedEntry { .. } => "archive-damaged",
            Self::Encrypted { .. } => "archive-encrypted",
            Self::Compression { .. } => "archive-compression",
            Self::Name { .. } => "archive-entry-name",
            Self::Special { .. } => "archive-special-file",
            Self::Duplicate { .. } | Self::CaseCollision { .. } | Self::FileIsFolder { .. } => {
                "archive-colliding-entries"
            }
            Self::Overlap { .. } => "archive-overlap",
            Self::TooManyEntries { .. }
            | Self::PackedTooLarge { .. }
            | Self::UnpackedTooLarge { .. }
            | Self::Ratio { .. }
            | Self::PackageJsonTooLarge { .. } => "archive-too-large",
            Self::NoPackageJson => "archive-no-package-json",
        }
    }

    /// Whether a limit was passed, as opposed to the archive being wrong in itself.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.code() == "archive-too-large"
    }
}

/// What is wrong with an entry's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProblem {
    /// It has no characters.
    Empty,
    /// It is not UTF-8.
    NotUtf8,
    /// It says two different names, one of them in a Unicode extra field.
    TwoNames,
    /// It contains a NUL or another control character.
    ControlCharacter,
    /// It contains a backslash.
    Backslash,
    /// It begins with `/`.
    Absolute,
    /// It begins with a drive letter.
    Drive,
    /// It has a `..` segment.
    Parent,
    /// It has a `.` segment.
    Current,
    /// It has an empty segment (`//`).
    EmptySegment,
    /// It, or one segment of it, is longer than file systems take.
    TooLong,
}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "has an empty name",
            Self::NotUtf8 => "has a name that is not UTF-8",
            Self::TwoNames => "has two different names",
            Self::ControlCharacter => "has a control character in its name",
            Self::Backslash => "has a backslash in its name; separate folders with /",
            Self::Absolute => "has an absolute path",
            Self::Drive => "has a drive letter in its path",
            Self::Parent => "has a \"..\" in its path",
            Self::Current => "has a \".\" in its path",
            Self::EmptySegment => "has an empty segment in its path",
            Self::TooLong => "has a path that is too long",
        })
    }
}

/// What an entry is that is neither a file nor a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialKind {
    /// A symbolic link.
    SymbolicLink,
    /// A device, socket or pipe.
    Device,
}

impl SpecialKind {
    fn hint(self) -> &'static str {
        match self {
            Self::SymbolicLink => " (zip without -y packs what a link points to)",
            Self::Device => "",
        }
    }
}

impl fmt::Display for SpecialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SymbolicLink => "a symbolic link",
            Self::Device => "a device, socket or pipe",
        })
    }
}
