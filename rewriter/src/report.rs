//! What was found and done, for people and for machines.

use std::fmt::Write;
use std::path::PathBuf;

use crate::facts::Linkage;

/// The outcome of one patch.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file that was patched.
    pub input: PathBuf,
    /// The patched file; `None` if nothing was written.
    pub output: Option<PathBuf>,
    /// How the program is linked.
    pub linkage: Linkage,
    /// Path of its dynamic loader.
    pub interpreter: Option<String>,
    /// Whether it is a Go program.
    pub go: bool,
    /// Where the program header table is: `in-place`, `front` or `compat`.
    pub layout: &'static str,
    /// How room was made for an entry; `none` but for `in-place`.
    pub tactic: &'static str,
    /// Format of the bytes after the program's end, `none` if there are none.
    pub overlay: &'static str,
    /// `p_vaddr` of the added segment.
    pub segment_address: u64,
    /// `p_offset` of the added segment.
    pub segment_offset: u64,
    /// Size of the added segment, bytes.
    pub segment_size: u64,
    /// The program's own entry point, unbiased.
    pub original_entry: u64,
    /// The new entry point, unbiased.
    pub entry: u64,
    /// Size of the input, bytes.
    pub size_before: u64,
    /// Size of the output, bytes.
    pub size_after: u64,
    /// SHA-256 of the input, hexadecimal; empty if nothing was written.
    pub sha256: String,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
}

impl Report {
    /// Lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let go = if self.go { ", Go" } else { "" };
        let interpreter = self.interpreter.as_deref().unwrap_or("none");
        let size = self.size_after.saturating_sub(self.size_before);
        let lines = [
            format!(
                "program:     {} ({}{go})",
                self.input.display(),
                self.linkage.name()
            ),
            format!("interpreter: {interpreter}"),
            format!("overlay:     {}", self.overlay),
            format!("layout:      {} ({})", self.layout, self.tactic),
            format!(
                "segment:     {} bytes at address {:#x}, offset {:#x}",
                self.segment_size, self.segment_address, self.segment_offset
            ),
            format!(
                "entry:       {:#x}, was {:#x}",
                self.entry, self.original_entry
            ),
            format!("size:        {} bytes, {size} more", self.size_after),
        ];
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// One JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        let output = self
            .output
            .as_ref()
            .map(|p| p.to_string_lossy().into_owned());
        let fields = [
            ("input", string(&self.input.to_string_lossy())),
            ("output", output.as_deref().map_or_else(null, string)),
            ("linkage", string(self.linkage.name())),
            (
                "interpreter",
                self.interpreter.as_deref().map_or_else(null, string),
            ),
            ("go", self.go.to_string()),
            ("layout", string(self.layout)),
            ("tactic", string(self.tactic)),
            ("overlay", string(self.overlay)),
            ("segment_address", self.segment_address.to_string()),
            ("segment_offset", self.segment_offset.to_string()),
            ("segment_size", self.segment_size.to_string()),
            ("original_entry", self.original_entry.to_string()),
            ("entry", self.entry.to_string()),
            ("size_before", self.size_before.to_string()),
            ("size_after", self.size_after.to_string()),
            ("sha256", string(&self.sha256)),
        ];
        let mut json = String::from("{");
        for (name, value) in fields {
            // Writing to a string cannot fail.
            let _ = write!(json, "\"{name}\":{value},");
        }
        let warnings: Vec<_> = self.warnings.iter().map(|w| string(w)).collect();
        let _ = write!(json, "\"warnings\":[{}]}}", warnings.join(","));
        json
    }
}

fn null() -> String {
    "null".to_owned()
}

/// A JSON string (RFC 8259, section 7).
fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_are_escaped() {
        assert_eq!(super::string("a\"b\\c\nd"), r#""a\"b\\c\u000ad""#);
    }
}
