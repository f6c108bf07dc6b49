//! Reads /proc/thread-self/smaps: the only place where the kernel tells a mapping's flags.

use ckpt_format::record::vma_flag as flag;

use super::{Area, Source, Space};
use crate::error::{Context, Result, fail};
use crate::sys::fs;
use crate::util::list::List;
use crate::util::own;
use crate::util::text::{Words, after, decimal, find, hexadecimal, split, trim_start};

/// Bits of [`Area::refused`].
pub mod refused {
    /// Memory of a device.
    pub const DEVICE: u32 = 1;
    /// Pages larger than usual.
    pub const HUGETLB: u32 = 2;
    /// Registered with userfaultfd.
    pub const USERFAULT: u32 = 4;
    /// A shadow stack.
    pub const SHADOW: u32 = 8;
    /// Has a protection key.
    pub const KEY: u32 = 16;
}

/// A path of PATH_MAX bytes, each escaped, and what stands before it.
const LINE: usize = 20 << 10;

/// All mappings but the runtime's own, which are cut out where the kernel merged them with others.
pub fn read() -> Result<Space> {
    let file = fs::open(c"/proc/thread-self/smaps", fs::O_RDONLY, 0)
        .or_fail(format_args!("cannot read /proc/thread-self/smaps"))?;
    let mut parser = Parser {
        space: Space {
            areas: List::new(1 << 20),
            names: List::new(256 << 20),
            vdso: [0; 3],
            flags_of_new: 0,
        },
        current: None,
    };
    // What is mapped while the kernel tells of mappings could be told of twice.
    parser.space.areas.reserve()?;
    parser.space.names.reserve()?;
    let mut buffer: List<u8> = List::new(LINE);
    let buffer = buffer.fill(LINE)?;
    let mut held = 0;
    loop {
        let room = buffer.get_mut(held..).unwrap_or(&mut []);
        let got = fs::read(file.number(), room)
            .or_fail(format_args!("cannot read /proc/thread-self/smaps"))?;
        if got == 0 {
            break;
        }
        held += got;
        let text = buffer.get(..held).unwrap_or(&[]);
        let mut used = 0;
        while let Some(len) = text.get(used..).and_then(|t| find(t, b'\n')) {
            parser.line(text.get(used..used + len).unwrap_or(&[]))?;
            used += len + 1;
        }
        if used == 0 && held == LINE {
            fail!("/proc/thread-self/smaps has a line beyond {LINE} bytes");
        }
        buffer.copy_within(used..held, 0);
        held -= used;
    }
    parser.end()?;
    Ok(parser.space)
}

struct Parser {
    space: Space,
    current: Option<Area>,
}

impl Parser {
    fn line(&mut self, line: &[u8]) -> Result<()> {
        // Details begin with a capital letter, a mapping with its address.
        if line.first().is_some_and(u8::is_ascii_uppercase) {
            if let Some(area) = &mut self.current {
                if let Some(flags) = after(line, b"VmFlags:") {
                    take_flags(area, flags);
                } else if let Some(rest) = after(line, b"ProtectionKey:") {
                    let key = decimal(trim_start(rest)).map_or(0, |(key, _)| key);
                    area.refused |= if key == 0 { 0 } else { refused::KEY };
                } else if let Some(rest) = after(line, b"Swap:") {
                    area.swapped = decimal(trim_start(rest)).is_some_and(|(kib, _)| kib > 0);
                }
            }
            return Ok(());
        }
        self.end()?;
        self.mapping(line)
    }

    /// `55d0c000-55d0e000 r--p 00001000 fe:00 1234    /path`
    #[inline(never)]
    fn mapping(&mut self, line: &[u8]) -> Result<()> {
        let Some((mut area, name)) = head(line) else {
            fail!("/proc/thread-self/smaps has a line that is no mapping");
        };
        match name {
            b"[vsyscall]" | b"[uprobes]" => return Ok(()),
            b"[vvar]" | b"[vvar_vclock]" => {
                if let [vvar @ 0, ..] = &mut self.space.vdso {
                    *vvar = area.start;
                }
                return Ok(());
            }
            b"[vdso]" => {
                let [vvar, _, _] = self.space.vdso;
                let vvar = if vvar == 0 { area.start } else { vvar };
                self.space.vdso = [vvar, area.start, area.end];
                return Ok(());
            }
            _ => {}
        }
        let at = self.space.names.as_slice().len();
        let mut rest = name;
        loop {
            let (plain, tail) = rest.split_at(find(rest, b'\\').unwrap_or(rest.len()));
            self.space.names.append(plain)?;
            // The kernel writes a line end in a name as \012, and nothing else so (seq_path).
            let (byte, tail) = match (after(tail, b"\\012"), tail) {
                (Some(tail), _) => (b'\n', tail),
                (None, [byte, tail @ ..]) => (*byte, tail),
                (None, []) => break,
            };
            self.space.names.push(byte)?;
            rest = tail;
        }
        let len = self.space.names.as_slice().len() - at;
        area.name = (at as u32, len as u32);
        self.current = Some(area);
        Ok(())
    }

    /// The details are complete: keeps what is the program's.
    fn end(&mut self) -> Result<()> {
        let Some(area) = self.current.take() else {
            return Ok(());
        };
        if own::first_foreign(area.start, area.end).is_none() {
            self.space.flags_of_new |= area.flags;
        }
        let mut from = area.start;
        while let Some((start, end)) = own::first_foreign(from, area.end) {
            let mut part = area;
            part.start = start;
            part.end = end;
            if area.ino != 0 {
                part.offset += (start - area.start) as u64;
            }
            self.space.areas.push(part)?;
            from = end;
        }
        Ok(())
    }
}

fn head(line: &[u8]) -> Option<(Area, &[u8])> {
    let (start, rest) = hexadecimal(line)?;
    let (end, rest) = hexadecimal(after(rest, b"-")?)?;
    let (mode, rest) = after(rest, b" ")?.split_at_checked(4)?;
    let (offset, rest) = hexadecimal(after(rest, b" ")?)?;
    let (major, rest) = hexadecimal(after(rest, b" ")?)?;
    let (minor, rest) = hexadecimal(after(rest, b":")?)?;
    let (ino, rest) = decimal(after(rest, b" ")?)?;
    let [r, w, x, s] = mode.first_chunk::<4>()?;
    let prot = u32::from(*r == b'r') | u32::from(*w == b'w') << 1 | u32::from(*x == b'x') << 2;
    let area = Area {
        start: start as usize,
        end: end as usize,
        prot,
        shared: *s == b's',
        flags: 0,
        refused: 0,
        swapped: false,
        offset,
        dev: major << 32 | minor,
        ino,
        name: (0, 0),
        kind: 0,
        source: Source::Nothing,
        object: 0,
        segment: false,
        size: 0,
        mtime: 0,
    };
    Some((area, trim_start(rest)))
}

/// Letters of the `vma_flag` bits, from the lowest on, as show_smap_vma_flags (fs/proc/task_mmu.c)
/// has them.
const LETTERS: Words = Words("gd nr lo lf dc wf dd mg hg nh sr rr dp sl mw ht");
const _: () = assert!(flag::GROWSDOWN == 1 && flag::HUGETLB == 1 << 15);

fn take_flags(area: &mut Area, flags: &[u8]) {
    for word in split(flags, b' ') {
        area.flags |= LETTERS.position(word).map_or(0, |bit| 1 << bit);
        area.refused |= match word {
            b"pf" | b"io" => refused::DEVICE,
            b"ht" => refused::HUGETLB,
            b"um" | b"uw" | b"ui" => refused::USERFAULT,
            b"ss" => refused::SHADOW,
            _ => 0,
        };
    }
}
