//! Images that cannot be restored: from a good one, made here, with one thing wrong at a time. Each is refused
//! with exit status 125 and exactly one line, and nothing of the program runs. And the other side: a dump that
//! is cut off at any moment leaves the image before it as it was.

#[cfg(test)]
mod checksums;
#[cfg(test)]
mod dumps;
#[cfg(test)]
mod files;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod header;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod records;
#[cfg(test)]
mod table;
#[cfg(test)]
mod vdso;
#[cfg(test)]
mod victim;
