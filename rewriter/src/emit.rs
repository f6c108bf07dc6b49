//! Writes the output as planned, to a file without a name in its directory; and gives it its name.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use tempfile::TempPath;

use crate::error::{PatchError, Result};
use crate::facts::Facts;
use crate::handoff::IDENTITY;
use crate::input::Input;
use crate::layout::Plan;

/// The output before it is published: however this process ends, nothing is left of it. Where the
/// file system cannot make files without a name, it has one, which goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) file: File,
    name: Option<TempPath>,
}

impl Draft {
    fn create(dir: &Path) -> io::Result<Self> {
        let unnamed = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::TMPFILE.bits().cast_signed())
            .mode(0o600)
            .open(dir);
        match unnamed {
            // It is named through this directory.
            Ok(file) if Path::new("/proc/self/fd").exists() => {
                return Ok(Self { file, name: None });
            }
            _ => {}
        }
        let (file, name) = builder().tempfile_in(dir)?.into_parts();
        Ok(Self {
            file,
            name: Some(name),
        })
    }

    /// Gives the file its name. Only to replace another does it need a temporary one, for the
    /// moment between the two calls.
    fn publish(self, output: &Path) -> io::Result<()> {
        let Self { file, name } = self;
        if let Some(name) = name {
            return Ok(name.persist(output)?);
        }
        // open(2), O_TMPFILE: the way to link without CAP_DAC_READ_SEARCH.
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        let link = |path: &Path| {
            linkat(CWD, &unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
        };
        match link(output) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let named = builder().make_in(parent(output), link)?;
                Ok(named.into_temp_path().persist(output)?)
            }
            done => done,
        }
    }
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ckpt-patch-");
    builder
}

/// Writes all but the identity.
pub(crate) fn write(input: &Input, facts: &Facts, plan: &Plan, dir: &Path) -> Result<Draft> {
    let draft = Draft::create(dir).map_err(|e| PatchError::io("create it", &e))?;
    write_all(input, facts, plan, &draft.file).map_err(|e| PatchError::io("write it", &e))?;
    Ok(draft)
}

fn write_all(input: &Input, facts: &Facts, plan: &Plan, out: &File) -> io::Result<()> {
    copy(input, (0, facts.overlay.start), out, plan.shift)?;
    out.write_all_at(&plan.blob, plan.blob_at)?;
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
    out.write_all_at(identity, plan.block + IDENTITY)
        .map_err(|e| PatchError::io("write it", &e))
}

/// Gives the finished file its mode and its name, durably: after a crash there is the old file or
/// the new one, whole.
pub(crate) fn publish(input: &Input, draft: Draft, output: &Path) -> Result<()> {
    let doing = |doing: &'static str| move |e: io::Error| PatchError::io(doing, &e);
    // No setuid, setgid or sticky bit: what runs with other rights is for its owner to decide.
    let mode = input.meta.mode() & 0o777;
    let file = &draft.file;
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(doing("set its mode"))?;
    file.sync_all().map_err(doing("write it"))?;
    draft.publish(output).map_err(doing("give it its name"))?;
    let dir = parent(output);
    // Some file systems cannot sync a directory; the file itself is safe by now.
    let synced = File::open(dir).and_then(|d| d.sync_all());
    match synced {
        Err(e) if e.kind() == io::ErrorKind::StorageFull => Err(PatchError::io("write it", &e)),
        _ => Ok(()),
    }
}

/// Keeps the owner when a file is replaced by its patched self; says whether that worked.
pub(crate) fn keep_owner(input: &Input, draft: &Draft) -> bool {
    let (uid, gid) = (input.meta.uid(), input.meta.gid());
    let same = |m: fs::Metadata| m.uid() == uid && m.gid() == gid;
    let file = &draft.file;
    file.metadata().is_ok_and(same) || std::os::unix::fs::fchown(file, Some(uid), Some(gid)).is_ok()
}

/// The directory that a path is in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
