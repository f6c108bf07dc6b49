//! Users, groups and capabilities.
//!
//! A restored program has what it had and never more capabilities; it has less where the restoring
//! user may not give it as much, which the log tells. Root restores the program of a user as that
//! user's.

use ckpt_format::crc::crc32c;
use ckpt_format::record::{Credentials, Thread};

use crate::error::{Context, Result, fail};
use crate::log;
use crate::sys::namespace::Capabilities;
use crate::sys::{SysResult, credentials, process};
use crate::util::arena::Arena;

/// prctl(2) options.
const SET_KEEPCAPS: u32 = 8;
const CAPBSET_READ: u32 = 23;
const CAPBSET_DROP: u32 = 24;
const GET_SECUREBITS: u32 = 27;
const SET_SECUREBITS: u32 = 28;
const CAP_AMBIENT: u32 = 47;
const AMBIENT_IS_SET: usize = 1;
const AMBIENT_RAISE: usize = 2;
const AMBIENT_CLEAR_ALL: usize = 4;
/// SECBIT_KEEP_CAPS, the one that anybody may set.
const KEEP_CAPS: u32 = 1 << 4;
const CAP_SETGID: u64 = 1 << 6;
const CAP_SETUID: u64 = 1 << 7;

/// The capabilities for which prctl(2) answers 1.
fn set_of(ask: impl Fn(usize) -> SysResult<usize>) -> u64 {
    (0..64).filter(|&n| ask(n) == Ok(1)).map(|n| 1 << n).sum()
}

/// Reads those of the calling thread. `arena` holds the groups.
#[inline(never)]
pub fn collect(arena: &Arena) -> Result<Credentials<'_>> {
    let what = format_args!("cannot tell the credentials");
    let [real_user, user, saved_user, file_user] = credentials::users().or_fail(what)?;
    let [real_group, group, saved_group, file_group] = credentials::groups().or_fail(what)?;
    let Capabilities([effective, permitted, inheritable]) = Capabilities::get().or_fail(what)?;
    let groups = arena.bytes(4 * credentials::supplementary(&mut []).or_fail(what)?, 4)?;
    credentials::supplementary(groups).or_fail(what)?;
    Ok(Credentials {
        real_user,
        user,
        saved_user,
        file_user,
        real_group,
        group,
        saved_group,
        file_group,
        secure: process::control(GET_SECUREBITS, 0, 0).or_fail(what)? as u32,
        effective,
        permitted,
        inheritable,
        bounding: set_of(|n| process::control(CAPBSET_READ, n, 0)),
        // Before Linux 4.3 there are none.
        ambient: set_of(|n| process::control(CAP_AMBIENT, AMBIENT_IS_SET, n)),
        groups,
    })
}

/// A number that is the same for threads that may the same.
#[must_use]
pub fn mark() -> u32 {
    let ids = [credentials::users(), credentials::groups()];
    let Capabilities(sets) = Capabilities::get().unwrap_or(Capabilities([0; 3]));
    let secure = process::control(GET_SECUREBITS, 0, 0).unwrap_or(0) as u64;
    let mut text = [0; 96];
    let ids = ids.into_iter().flatten().flatten().map(u64::from);
    let words = ids.chain(sets).chain([secure]);
    for (slot, word) in text.chunks_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    crc32c(&text)
}

fn users(of: &Credentials<'_>) -> credentials::Ids {
    [of.real_user, of.user, of.saved_user, of.file_user]
}

fn groups(of: &Credentials<'_>) -> credentials::Ids {
    [of.real_group, of.group, of.saved_group, of.file_group]
}

/// What the threads of an image are to be given.
#[derive(Clone, Copy, Debug)]
pub struct Rights<'a> {
    wanted: Credentials<'a>,
    /// What the restoring command has is the same.
    same: bool,
    /// The ids, too.
    ids: bool,
}

impl<'a> Rights<'a> {
    /// Checks that they can be had; without the right to be that user, `force` makes the program
    /// the restoring user's.
    pub fn prepare(arena: &Arena, wanted: Credentials<'a>, force: bool) -> Result<Self> {
        let here = collect(arena)?;
        let differ = users(&here) != users(&wanted) || groups(&here) != groups(&wanted);
        let may = here.effective & (CAP_SETUID | CAP_SETGID) == CAP_SETUID | CAP_SETGID;
        if differ && !may && !force {
            fail!(
                "the program was user {}, group {}, and you are user {}, group {}: not permitted \
                 here (--force: as yourself)",
                wanted.user,
                wanted.group,
                here.user,
                here.group
            );
        }
        Ok(Self {
            wanted,
            same: here == wanted,
            ids: !differ || may,
        })
    }

    /// Gives them to the calling thread, which was `thread`.
    #[inline(never)]
    pub fn give(&self, thread: &Thread) -> Result<()> {
        if self.same {
            return Ok(());
        }
        let Self { wanted, ids, .. } = self;
        let what = format_args!("cannot set the credentials");
        let Capabilities([_, had, _]) = Capabilities::get().or_fail(what)?;
        let extra = set_of(|n| process::control(CAPBSET_READ, n, 0)) & !wanted.bounding;
        let kept = (0..64).filter(|&n| extra >> n & 1 != 0);
        if kept
            .filter(|&n| process::control(CAPBSET_DROP, n, 0).is_err())
            .count()
            > 0
        {
            log::info!("capabilities {extra:#x} stay in the bounding set");
        }
        if credentials::set_supplementary(wanted.groups).is_err() {
            log::info!("the supplementary groups are those of the restoring user");
        }
        // What is permitted outlives a change of the user; then it is cut down.
        let secure = (wanted.secure | KEEP_CAPS) as usize;
        let _ = process::control(SET_SECUREBITS, secure, 0);
        let _ = process::control(SET_KEEPCAPS, 1, 0);
        if process::control(GET_SECUREBITS, 0, 0) != Ok(secure) {
            log::info!("securebits {:#x} are not to be had here", wanted.secure);
        }
        if *ids {
            credentials::set_groups(groups(wanted)).or_fail(what)?;
            credentials::set_users(users(wanted)).or_fail(what)?;
        }
        let permitted = had & wanted.permitted;
        let inheritable = wanted.inheritable & (permitted | had);
        Capabilities([permitted & wanted.effective, permitted, inheritable])
            .set()
            .or_fail(what)?;
        let _ = process::control(SET_KEEPCAPS, usize::from(wanted.secure & KEEP_CAPS != 0), 0);
        let _ = process::control(CAP_AMBIENT, AMBIENT_CLEAR_ALL, 0);
        for n in (0..64).filter(|&n| wanted.ambient >> n & 1 != 0) {
            let _ = process::control(CAP_AMBIENT, AMBIENT_RAISE, n);
        }
        let missing = wanted.permitted & !permitted;
        if missing != 0 {
            log::info!("capabilities {missing:#x} are not to be had here");
        }
        // A change of the user takes it away (commit_creds, kernel/cred.c).
        super::thread::set_death_signal(thread)
    }
}
