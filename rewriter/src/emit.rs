//! Writes the output as planned, under a temporary name in its directory; and gives it its name.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::handoff::IDENTITY;
use crate::input::Input;
use crate::layout::Plan;

/// Writes all but the identity. The file vanishes if it is dropped.
pub(crate) fn write(
    input: &Input,
    facts: &Facts,
    plan: &Plan,
    dir: &Path,
) -> Result<NamedTempFile> {
    let temp = tempfile::Builder::new()
        .prefix(".ckpt-patch-")
        .tempfile_in(dir)
        .map_err(|e| Error::io("create a file in its directory", &e))?;
    write_all(input, facts, plan, temp.as_file()).map_err(|e| Error::io("write it", &e))?;
    Ok(temp)
}

fn write_all(input: &Input, facts: &Facts, plan: &Plan, out: &File) -> io::Result<()> {
    copy(input, (0, facts.overlay.start), out, plan.shift)?;
    out.write_all_at(&plan.blob, plan.segment.offset)?;
    for edit in &plan.edits {
        out.write_all_at(&edit.bytes, edit.offset)?;
    }
    let end = facts.overlay.start + facts.overlay.len;
    copy(input, (facts.overlay.start, end), out, plan.overlay)
}

/// Copies a range of the input to `to`, within the kernel if it can.
fn copy(input: &Input, range: (u64, u64), mut out: &File, to: u64) -> io::Result<()> {
    let mut from = &input.file;
    from.seek(SeekFrom::Start(range.0))?;
    out.seek(SeekFrom::Start(to))?;
    let len = range.1 - range.0;
    let copied = io::copy(&mut from.take(len), &mut out)?;
    if copied < len {
        return Err(io::Error::other("the input became shorter"));
    }
    Ok(())
}

/// Writes what is known only after the input has been read.
pub(crate) fn identify(plan: &Plan, out: &File, identity: &[u8; 32]) -> Result<()> {
    out.write_all_at(identity, plan.segment.offset + IDENTITY)
        .map_err(|e| Error::io("write it", &e))
}

/// Gives the finished file its mode and its name, durably: after a crash there is the old file or
/// the new one, whole.
pub(crate) fn publish(input: &Input, temp: NamedTempFile, output: &Path) -> Result<()> {
    let doing = |doing: &'static str| move |e: io::Error| Error::io(doing, &e);
    // No setuid, setgid or sticky bit: what runs with other rights is for its owner to decide.
    let mode = input.meta.mode() & 0o777;
    let file = temp.as_file();
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(doing("set its mode"))?;
    file.sync_all().map_err(doing("write it"))?;
    temp.persist(output)
        .map_err(|e| Error::io("give it its name", &e.error))?;
    let dir = parent(output);
    // Some file systems cannot sync a directory; the file itself is safe by now.
    let synced = File::open(dir).and_then(|d| d.sync_all());
    match synced {
        Err(e) if e.kind() == io::ErrorKind::StorageFull => Err(Error::io("write it", &e)),
        _ => Ok(()),
    }
}

/// Keeps the owner when a file is replaced by its patched self; says whether that worked.
pub(crate) fn keep_owner(input: &Input, temp: &NamedTempFile) -> bool {
    let (uid, gid) = (input.meta.uid(), input.meta.gid());
    let same = |m: fs::Metadata| m.uid() == uid && m.gid() == gid;
    let file = temp.as_file();
    file.metadata().is_ok_and(same) || std::os::unix::fs::fchown(file, Some(uid), Some(gid)).is_ok()
}

/// The directory that a path is in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
