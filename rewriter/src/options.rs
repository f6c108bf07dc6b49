//! What the user chooses at patch time, as types that hold only what the runtime can honour.

use std::fmt;
use std::str::FromStr;

use ckpt_format::handoff::{FLAG_NAME_MAX, PATTERN_MAX};

/// Choices for one patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The signal that asks for a checkpoint.
    pub signal: Signal,
    /// Where images go.
    pub image: Pattern,
    /// The first argument that asks for a restore.
    pub restore_flag: FlagName,
    /// The first argument that asks another process for a checkpoint.
    pub checkpoint_flag: FlagName,
    /// Images hold the contents of files that are open for writing.
    pub files: bool,
    /// Patch although bytes after the program's end may be missed.
    pub force: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            signal: Signal(12),
            image: Pattern("%e-%p.img".to_owned()),
            restore_flag: FlagName("--restore".to_owned()),
            checkpoint_flag: FlagName("--checkpoint".to_owned()),
            files: false,
            force: false,
        }
    }
}

/// The classic signals in the order of their numbers on x86-64, from 1 (`signal(7)`).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// `SIGRTMIN` as glibc and the shells count: the kernel's 32 and 33 belong to libc's threads.
const RTMIN: u32 = 34;
const RTMAX: u32 = 64;

/// A signal that a program can handle, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(u32);

impl Signal {
    /// Its number, 0 for none.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    fn parse_number(text: &str) -> Option<u32> {
        if text == "none" {
            return Some(0);
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return text.parse().ok().filter(|n| *n != 0);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(rest) = name.strip_prefix("RTMIN") {
            let plus = if rest.is_empty() {
                "0"
            } else {
                rest.strip_prefix('+')?
            };
            return RTMIN.checked_add(digits(plus)?).filter(|n| *n <= RTMAX);
        }
        if let Some(rest) = name.strip_prefix("RTMAX") {
            let minus = if rest.is_empty() {
                "0"
            } else {
                rest.strip_prefix('-')?
            };
            return RTMAX.checked_sub(digits(minus)?).filter(|n| *n >= RTMIN);
        }
        let same = match name {
            "CLD" => "CHLD",
            "POLL" => "IO",
            "IOT" => "ABRT",
            other => other,
        };
        let index = NAMES.iter().position(|n| *n == same)?;
        u32::try_from(index + 1).ok()
    }
}

fn digits(text: &str) -> Option<u32> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

impl FromStr for Signal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = Self::parse_number(text)
            .filter(|n| *n <= RTMAX)
            .ok_or("not a signal: give a name (USR2, RTMIN+3), a number from 1 to 64, or `none`")?;
        match number {
            9 | 19 => Err("no program can handle KILL or STOP: choose another".to_owned()),
            32 | 33 => Err("the C library keeps 32 and 33 for itself: choose another".to_owned()),
            number => Ok(Self(number)),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = usize::try_from(self.0).ok().and_then(|n| n.checked_sub(1));
        match index.and_then(|i| NAMES.get(i)) {
            Some(name) => f.write_str(name),
            None if self.0 == 0 => f.write_str("none"),
            None if self.0 == RTMIN => f.write_str("RTMIN"),
            None => write!(f, "RTMIN+{}", self.0 - RTMIN),
        }
    }
}

/// Where images go: a path with `%e %p %h %n %t %%`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.ends_with('/') {
            return Err("names no file".to_owned());
        }
        if text.len() > PATTERN_MAX {
            return Err(format!("longer than {PATTERN_MAX} bytes"));
        }
        if text.contains('\0') {
            return Err("holds a NUL".to_owned());
        }
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                continue;
            }
            match rest.next() {
                Some('e' | 'p' | 'h' | 'n' | 't' | '%') => {}
                Some(other) => {
                    return Err(format!(
                        "`%{other}` is unknown: there are %e %p %h %n %t and %%"
                    ));
                }
                None => return Err("ends with a lone `%`: write %% for one".to_owned()),
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A reserved first argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagName(String);

impl FlagName {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for FlagName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if text.len() >= FLAG_NAME_MAX {
            return Err(format!("longer than {} bytes", FLAG_NAME_MAX - 1));
        }
        if text.contains('\0') {
            return Err("holds a NUL".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for FlagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<u32> {
        text.parse().ok().map(Signal::number)
    }

    #[test]
    fn signals_are_taken_by_name_and_number() {
        let good = [
            ("USR2", 12),
            ("SIGUSR2", 12),
            ("usr1", 10),
            ("HUP", 1),
            ("SYS", 31),
            ("10", 10),
            ("64", 64),
            ("RTMIN", 34),
            ("RTMIN+3", 37),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("none", 0),
        ];
        for (text, want) in good {
            assert_eq!(number(text), Some(want), "{text}");
        }
    }

    #[test]
    fn signals_that_cannot_be_used_are_refused() {
        let bad = [
            "KILL",
            "SIGSTOP",
            "9",
            "19",
            "32",
            "33",
            "0",
            "65",
            "-1",
            "",
            "SIG",
            "USR3",
            "RTMIN+31",
            "RTMIN-1",
            "RTMAX+1",
            "RTMIN+",
            "99999999999",
            "12x",
        ];
        for text in bad {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn a_signal_is_shown_by_a_name_that_is_taken() {
        for n in (1..=64).filter(|n| ![9, 19, 32, 33].contains(n)) {
            assert_eq!(number(&Signal(n).to_string()), Some(n));
        }
        assert_eq!(Signal(0).to_string(), "none");
    }

    #[test]
    fn patterns_have_known_escapes_only() {
        for good in ["a.img", "/tmp/%e-%p-%h-%n-%t.img", "100%%.img"] {
            assert!(good.parse::<Pattern>().is_ok(), "{good}");
        }
        let long = "x".repeat(PATTERN_MAX + 1);
        for bad in ["", "dir/", "%", "%q", "a%", "a\0b", &long] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }
}
