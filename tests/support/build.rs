//! Building samples: each once, cached by what it is made of.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use anyhow::{Context, Result, bail};

use crate::place::{profile_dir, repository};
use crate::sample::{Link, Sample};

impl Sample {
    /// The program; built once, and again when it, a header or the compiler's arguments change.
    pub fn build(&self, link: Link) -> Result<PathBuf> {
        type Cell = Arc<OnceLock<Result<PathBuf, String>>>;
        static BUILT: OnceLock<Mutex<HashMap<(String, Link), Cell>>> = OnceLock::new();
        let cell = BUILT
            .get_or_init(Mutex::default)
            .lock()
            .map_err(|_| anyhow::anyhow!("another build panicked"))?
            .entry((self.name.clone(), link))
            .or_default()
            .clone();
        match cell.get_or_init(|| self.compile(link).map_err(|error| format!("{error:#}"))) {
            Ok(path) => Ok(path.clone()),
            Err(message) => bail!("{message}"),
        }
    }

    fn compile(&self, link: Link) -> Result<PathBuf> {
        let compiler = match (link, self.source.extension().is_some_and(|e| e == "cc")) {
            (Link::Musl, false) => "musl-gcc",
            (Link::Musl, true) => bail!("there is no C++ for musl here"),
            (_, true) => "c++",
            (_, false) => "cc",
        };
        let mut args: Vec<String> = ["-O1", "-g", "-Wall", "-Wextra", "-Werror"]
            .into_iter()
            .chain(["-Wno-unused-function", "-Wno-unused-variable"])
            .chain(flags_of(link).iter().copied())
            .map(str::to_owned)
            .collect();
        args.push(self.source.display().to_string());
        args.extend(self.flags.iter().cloned());

        let mut hash = DefaultHasher::new();
        (compiler, &args).hash(&mut hash);
        for directory in [
            self.source.parent(),
            Some(&*repository().join("samples/lib")),
        ] {
            for entry in fs::read_dir(directory.context("no directory")?)? {
                let path = entry?.path();
                if path == self.source || path.extension().is_some_and(|e| e == "h") {
                    (path.display().to_string(), fs::read(&path)?).hash(&mut hash);
                }
            }
        }
        let cache = profile_dir()?.join("samples");
        fs::create_dir_all(&cache)?;
        let name = self.name.replace('/', "-");
        let built = cache.join(format!("{name}-{}-{:016x}", link.name(), hash.finish()));
        if built.exists() {
            return Ok(built);
        }
        let unfinished = tempfile::Builder::new().prefix(&name).tempfile_in(&cache)?;
        let run = Command::new(compiler)
            .args(&args)
            .arg("-o")
            .arg(unfinished.path())
            .output()
            .with_context(|| format!("run {compiler}; tests/run.sh installs what is needed"))?;
        if !run.status.success() {
            let message = String::from_utf8_lossy(&run.stderr).into_owned();
            bail!("{compiler} {}: {message}", args.join(" "));
        }
        fs::set_permissions(unfinished.path(), fs::Permissions::from_mode(0o755))?;
        unfinished.persist(&built)?;
        Ok(built)
    }
}

fn flags_of(link: Link) -> &'static [&'static str] {
    match link {
        Link::Pie => &["-fPIE", "-pie"],
        Link::NoPie => &["-fno-pie", "-no-pie"],
        Link::Static => &["-fno-pie", "-static"],
        Link::StaticPie => &["-fPIE", "-static-pie"],
        Link::Musl => &["-static"],
    }
}
