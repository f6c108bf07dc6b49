//! Programs of every kind are patched, run as before, and other tools still understand them.

#[path = "../programs.rs"]
mod programs;

#[cfg(test)]
mod c;
#[cfg(test)]
mod languages;
#[cfg(test)]
mod musl;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod sectionless;
