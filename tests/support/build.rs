//! Building samples: each once, cached by what it is made of.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use anyhow::{Context, Result, bail, ensure};

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
            .chain(root_of(link)?)
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
        Link::Pie | Link::Old | Link::New => &["-fPIE", "-pie"],
        Link::NoPie => &["-fno-pie", "-no-pie"],
        Link::Static | Link::OldStatic | Link::NewStatic => &["-fno-pie", "-static"],
        Link::StaticPie => &["-fPIE", "-static-pie"],
        Link::Musl => &["-static"],
    }
}

/// A folder of what `tests/releases.sh` unpacks, which is brought where it is not there yet.
pub fn of_other_release(folder: &str) -> Result<PathBuf> {
    static FETCHED: OnceLock<Result<(), String>> = OnceLock::new();
    let fetched = FETCHED.get_or_init(|| fetch().map_err(|error| format!("{error:#}")));
    if let Err(message) = fetched {
        bail!("{message}");
    }
    Ok(repository().join("target/releases").join(folder))
}

fn fetch() -> Result<()> {
    let run = Command::new(repository().join("tests/releases.sh")).output()?;
    let complaint = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "tests/releases.sh: {complaint}");
    Ok(())
}

/// Another release's headers and C library, its loader, and where that finds the library.
fn root_of(link: Link) -> Result<Vec<String>> {
    let release = match link {
        Link::Old | Link::OldStatic => "bullseye",
        Link::New | Link::NewStatic => "trixie",
        _ => return Ok(Vec::new()),
    };
    let root = of_other_release(release)?;
    let root = root.display();
    let mut flags = vec![format!("--sysroot={root}")];
    // The compiler looks beside itself first, in this system's folders.
    for folder in [
        "lib/x86_64-linux-gnu",
        "usr/lib/x86_64-linux-gnu",
        "usr/lib/gcc/x86_64-linux-gnu/10",
    ] {
        flags.push(format!("-B{root}/{folder}"));
        flags.push(format!("-L{root}/{folder}"));
    }
    if flags_of(link).contains(&"-pie") {
        let library = format!("{root}/lib/x86_64-linux-gnu");
        flags.push(format!(
            "-Wl,--dynamic-linker={library}/ld-linux-x86-64.so.2"
        ));
        // For what the library itself loads later, too.
        flags.push(format!("-Wl,--disable-new-dtags,-rpath={library}"));
    }
    Ok(flags)
}
