//! What the linker looks for by name in each of the two parts.
#![expect(unsafe_code, reason = "symbols that `core` names")]

/// `core` was built to unwind and names this; nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Likewise.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() {}
