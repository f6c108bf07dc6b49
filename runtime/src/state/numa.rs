//! Memory policies of mappings: on which nodes of the machine their pages are to be.

use ckpt_format::limits;
use ckpt_format::record::Policy;
use ckpt_format::toc::kind;

use super::memory::Space;
use crate::error::Result;
use crate::image::input::Image;
use crate::log;
use crate::sys::mm;
use crate::util::arena::Plain;
use crate::util::list::List;

/// Those of the mappings that have one.
pub fn collect(space: &Space) -> Result<List<Policy>> {
    let mut all = List::new(limits::VMAS as usize);
    for area in space.areas.as_slice() {
        // A kernel without nodes has no such call; what is no ordinary mapping has no policy.
        if let Ok((mode, nodes)) = mm::policy(Some(area.start))
            && mode != 0
        {
            all.push(Policy {
                start: area.start as u64,
                end: area.end as u64,
                mode,
                nodes,
            })?;
        }
    }
    Ok(all)
}

/// Sets them, when the mappings are in place. This host may have other nodes.
pub fn restore(image: &Image<'_>) {
    for policy in image.list::<Policy>(kind::POLICIES) {
        let range = (policy.start as usize, (policy.end - policy.start) as usize);
        if let Err(e) = mm::set_policy(&(policy.mode, policy.nodes), Some(range)) {
            let start = policy.start;
            log::info!("the memory policy of {start:#x} is not to be had here: {e}");
        }
    }
}

#[expect(unsafe_code, reason = "vouches for a record of integers")]
// SAFETY: a record of integers.
unsafe impl Plain for Policy {}
