//! Adds checkpoint and restart to an existing executable.
