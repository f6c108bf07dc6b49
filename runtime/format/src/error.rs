//! Each way an image can be wrong.

use core::fmt;

/// Why bytes are not a valid image. The text is what a user reads after the image's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The file is shorter than a header.
    TooShort,
    /// The first eight bytes are not an image's.
    Magic,
    /// Written in a format whose major version this build does not read: (found, read).
    Version(u16, u16),
    /// A checksum does not match; which part.
    Checksum(&'static str),
    /// The file's length is not the one that its header tells.
    Length,
    /// A field of the header has a value that this format does not define; which field.
    Header(&'static str),
    /// A section does not lie where the one before ends, or an entry of the table is impossible.
    Table,
    /// A required section of a kind that this build does not know.
    UnknownSection(u32),
    /// A required section occurs in a version that this build does not read.
    SectionVersion(u32),
    /// A section that every image has is not there; its name.
    Missing(&'static str),
    /// A section occurs twice; its number.
    Twice(u32),
    /// A record ends before its section's last field, or bytes are left over; which section.
    Record(&'static str),
    /// A value within a record is impossible; what it is.
    Value(&'static str),
    /// More of something than the format allows; what.
    Limit(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Texts are written as they are: formatting them with `{}` would take the code for
        // widths and fills along.
        let mut all = |texts: &[&str]| texts.iter().try_for_each(|text| f.write_str(text));
        match *self {
            Self::TooShort => all(&["too short to be an image"]),
            Self::Magic => all(&["not an image (magic number)"]),
            Self::Version(found, read) => {
                let [found, read] = [found, read].map(u32::from);
                write!(
                    f,
                    "image format {found} is not supported, this program reads format {read}"
                )
            }
            Self::Checksum(part) => all(&["checksum of the ", part, " does not match"]),
            Self::Length => all(&["truncated or extended: length differs from the header's"]),
            Self::Header(field) => all(&["unsupported value in header field ", field]),
            Self::Table => all(&["section table is out of bounds, out of order or leaves gaps"]),
            Self::UnknownSection(kind) => {
                write!(
                    f,
                    "required section of unknown kind {kind}: made by a newer version"
                )
            }
            Self::SectionVersion(kind) => {
                write!(
                    f,
                    "section {kind} has an unknown version: made by a newer version"
                )
            }
            Self::Missing(name) => all(&["section ", name, " is missing"]),
            Self::Twice(kind) => write!(f, "section {kind} occurs twice"),
            Self::Record(name) => all(&["section ", name, " does not decode"]),
            Self::Value(what) => all(&["impossible value: ", what]),
            Self::Limit(what) => all(&["too many ", what]),
        }
    }
}
