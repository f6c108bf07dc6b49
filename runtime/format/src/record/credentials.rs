//! What a process may.

use crate::DecodeError;
use crate::codec::record;

record! {
    /// Users, groups and capabilities, credentials(7), capabilities(7).
    Credentials<'a> {
        /// Real user id.
        real_user: u32,
        /// Effective user id.
        user: u32,
        /// Saved user id.
        saved_user: u32,
        /// User id for files.
        file_user: u32,
        /// Real group id.
        real_group: u32,
        /// Effective group id.
        group: u32,
        /// Saved group id.
        saved_group: u32,
        /// Group id for files.
        file_group: u32,
        /// Securebits, `PR_SET_KEEPCAPS` among them.
        secure: u32,
        /// Capabilities, number *n* as bit *n*: effective.
        effective: u64,
        /// Permitted.
        permitted: u64,
        /// Inheritable.
        inheritable: u64,
        /// Bounding set.
        bounding: u64,
        /// Ambient.
        ambient: u64,
        /// Supplementary groups, four bytes each.
        groups: &'a [u8],
    }
}

/// Most supplementary groups: NGROUPS_MAX.
const GROUPS: usize = 65536;

impl Credentials<'_> {
    /// Checks what a kernel keeps to.
    pub fn check(&self) -> Result<(), DecodeError> {
        let within = self.effective & !self.permitted == 0
            && self.ambient & !(self.permitted & self.inheritable) == 0;
        let groups = self.groups.len().is_multiple_of(4) && self.groups.len() <= 4 * GROUPS;
        if within && groups && self.secure < 1 << 12 {
            Ok(())
        } else {
            Err(DecodeError::Value("credentials"))
        }
    }
}
