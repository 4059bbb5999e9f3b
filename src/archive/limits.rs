//! How big an archive may be.

/// The most that an uploaded archive may be, packed and unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Bytes of the zip itself.
    pub packed_bytes: u64,
    /// Bytes of all entries together, counted while they are inflated: an archive's own word is not taken for it.
    pub unpacked_bytes: u64,
    /// Entries, folders included.
    pub entries: u32,
    /// How many times larger than its packed size one entry may get. Looked at only in entries that unpack to more
    /// than [`Self::ratio_free_bytes`], because small files of blanks are harmless and compress without limit.
    pub ratio: u32,
    /// Unpacked bytes of an entry up to which [`Self::ratio`] is not looked at.
    pub ratio_free_bytes: u64,
    /// Bytes of the `package.json`.
    pub package_json_bytes: u64,
    /// Bytes of one entry's path.
    pub path_bytes: usize,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            packed_bytes: 256 << 20,
            unpacked_bytes: 1 << 30,
            entries: 50_000,
            ratio: 200,
            ratio_free_bytes: 1 << 20,
            package_json_bytes: 1 << 20,
            path_bytes: 1024,
        }
    }
}
