//! Samples: found under `samples/`, described by the directives in their heads.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::place::repository;

/// How a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// glibc, position-independent, dynamic.
    Pie,
    /// glibc, at a fixed address, dynamic.
    NoPie,
    /// glibc, at a fixed address, static.
    Static,
    /// glibc, position-independent, static.
    StaticPie,
    /// musl, static.
    Musl,
    /// As `Pie`, with glibc 2.31.
    Old,
    /// As `Static`, with glibc 2.31.
    OldStatic,
    /// As `Pie`, with glibc 2.41.
    New,
    /// As `Static`, with glibc 2.41.
    NewStatic,
}

impl Link {
    /// Those with this system's C libraries.
    pub const ALL: [Self; 5] = [
        Self::Pie,
        Self::NoPie,
        Self::Static,
        Self::StaticPie,
        Self::Musl,
    ];

    /// Those with C libraries of other systems, which `tests/releases.sh` brings.
    pub const OTHER: [Self; 4] = [Self::Old, Self::OldStatic, Self::New, Self::NewStatic];

    /// As directives and test names have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pie => "pie",
            Self::NoPie => "nopie",
            Self::Static => "static",
            Self::StaticPie => "staticpie",
            Self::Musl => "musl",
            Self::Old => "glibc2.31",
            Self::OldStatic => "glibc2.31static",
            Self::New => "glibc2.41",
            Self::NewStatic => "glibc2.41static",
        }
    }
}

/// Who may ask the sample for a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The signal as well as the command.
    Either,
    /// The command alone: the sample blocks, takes or plays with SIGUSR2.
    Command,
    /// With musl the signal alone: the library has taken the command's signal for itself.
    SignalInMusl,
}

/// One sample.
#[derive(Debug, Clone)]
pub struct Sample {
    /// `memory/anon`.
    pub name: String,
    /// Its source file.
    pub source: PathBuf,
    /// `//#Flags:` for compiler and linker.
    pub flags: Vec<String>,
    /// `//#Links:` the kinds of linking in which it exists; all, if it does not say.
    pub links: Vec<Link>,
    /// `//#Variants:` values of its second argument, each a test; one empty one, if it does not say.
    pub variants: Vec<String>,
    /// `//#Ask: command`.
    pub ask: Ask,
    /// `//#MaxImage:` most bytes of an image.
    pub max_image: Option<u64>,
    /// `//#Generations:` how often it is killed and restored in a row.
    pub generations: u32,
    /// `//#Unseen:` parts of `State` that a restore may change in this sample.
    pub unseen: Vec<String>,
    /// `//#Allow:` losses that it allows, as `CKPT_ALLOW` has them.
    pub allow: Option<String>,
    /// The numbers of its `SPOIL`s.
    pub spoils: Vec<u32>,
}

impl Sample {
    /// All samples of these directories of `samples/`, in order.
    pub fn all(directories: &[&str]) -> Result<Vec<Self>> {
        let mut samples = Vec::new();
        for directory in directories {
            let path = repository().join("samples").join(directory);
            for entry in fs::read_dir(&path).with_context(|| format!("read {}", path.display()))? {
                let source = entry?.path();
                if source.extension().is_some_and(|e| e == "c" || e == "cc") {
                    samples.push(Self::read(directory, &source)?);
                }
            }
        }
        samples.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(samples)
    }

    /// One sample by its name.
    pub fn named(name: &str) -> Result<Self> {
        let (directory, _) = name.split_once('/').context("a name is DIRECTORY/FILE")?;
        Self::all(&[directory])?
            .into_iter()
            .find(|sample| sample.name == name)
            .with_context(|| format!("there is no sample {name}"))
    }

    fn read(directory: &str, source: &Path) -> Result<Self> {
        let text = fs::read_to_string(source)?;
        let stem = source.file_stem().unwrap_or_default().to_string_lossy();
        let mut sample = Self {
            name: format!("{directory}/{stem}"),
            source: source.to_path_buf(),
            flags: Vec::new(),
            links: Link::ALL.to_vec(),
            variants: vec![String::new()],
            ask: Ask::Either,
            max_image: None,
            generations: 2,
            unseen: Vec::new(),
            allow: None,
            spoils: spoils_of(&text),
        };
        for line in text.lines() {
            if let Some((key, value)) = line.strip_prefix("//#").and_then(|l| l.split_once(':')) {
                sample
                    .directive(key, value.trim())
                    .with_context(|| format!("{}: {line}", source.display()))?;
            }
        }
        Ok(sample)
    }

    fn directive(&mut self, key: &str, value: &str) -> Result<()> {
        let words = || {
            value
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        match key {
            "Flags" => self.flags = words(),
            "Links" => {
                let links: Result<_> = words().iter().map(|word| link_named(word)).collect();
                self.links = links?;
            }
            "Variants" => self.variants = words(),
            "Ask" if value == "command" => self.ask = Ask::Command,
            "Ask" if value == "signal in musl" => self.ask = Ask::SignalInMusl,
            "MaxImage" => self.max_image = Some(value.parse()?),
            "Generations" => self.generations = value.parse()?,
            "Unseen" => self.unseen = words(),
            "Allow" => self.allow = Some(value.to_owned()),
            _ => bail!("unknown directive"),
        }
        Ok(())
    }
}

fn link_named(name: &str) -> Result<Link> {
    let all = Link::ALL.into_iter().chain(Link::OTHER);
    all.into_iter()
        .find(|link| link.name() == name)
        .with_context(|| format!("{name} is no kind of linking"))
}

fn spoils_of(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text
        .split("SPOIL(")
        .skip(1)
        .filter_map(|rest| rest.split_once(',')?.0.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
