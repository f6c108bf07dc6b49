//! Asynchronous I/O contexts.
#![expect(unsafe_code, reason = "system calls")]

use super::{SysResult, call};

/// `struct iocb` of linux/aio_abi.h: data; key and flags; operation, priority and descriptor;
/// buffer, length, offset, nothing, and what to tell.
pub type Request = [u64; 8];

/// `struct io_event` of linux/aio_abi.h: data, request, and two results.
pub type Event = [u64; 4];

/// io_setup(2); tells where the ring is, which is the context's name.
pub fn setup(events: u32) -> SysResult<usize> {
    let mut context = 0usize;
    // SAFETY: the kernel writes the number.
    unsafe { call!(__NR_io_setup, events, core::ptr::from_mut(&mut context)) }?;
    Ok(context)
}

/// io_submit(2) of one request so many times over, at most 128; tells how many were taken.
pub fn submit(context: usize, request: &Request, count: u32) -> SysResult<u32> {
    const MOST: u32 = 128;
    let places = [core::ptr::from_ref(request); MOST as usize];
    // SAFETY: the kernel reads the request, and writes zero for its key.
    let taken = unsafe { call!(__NR_io_submit, context, count.min(MOST), places.as_ptr()) }?;
    Ok(taken as u32)
}
