//! The linker's arguments for the payload's two parts, each with its reason.

/// Alike for the resident part, which cargo links, and for the body, which the rewriter's build does.
pub(crate) const ARGUMENTS: [&str; 9] = [
    // No libc and no start files: the payload is a guest in somebody else's program.
    "-nostdlib",
    "-nostartfiles",
    // Position-independent without an interpreter: it relocates itself.
    "-static-pie",
    "-Wl,--no-dynamic-linker",
    // The same input gives the same bytes.
    "-Wl,--build-id=none",
    "-Wl,--gc-sections",
    // Protection of its pages is the payload's own work; no segments beyond the two.
    "-Wl,-z,norelro",
    "-Wl,--no-eh-frame-hdr",
    "-Wl,-z,noexecstack",
];
