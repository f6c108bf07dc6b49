//! `--remap OLD=NEW`: at a restore, files, directories and sockets have other names.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ckpt_tests::{
    Launch, Link, Sample, Scratch, checkpoint, patch, wait_for_ready, wait_for_runtime,
};

/// A program that had names, and an image of it.
struct Case {
    scratch: Scratch,
    launch: Launch,
    image: PathBuf,
    pid: u32,
    tcp: SocketAddr,
    udp: SocketAddr,
}

/// The address that the program has told: `tcp 127.0.0.1 80`.
fn address(told: &str, what: &str) -> Result<SocketAddr> {
    let line = told.lines().find_map(|line| line.strip_prefix(what));
    let line = line.with_context(|| format!("{what} in {told}"))?;
    let (ip, port) = line.trim().split_once(' ').context(line.to_owned())?;
    Ok(SocketAddr::new(ip.parse::<IpAddr>()?, port.parse()?))
}

/// A port at this address that nobody uses, of TCP and of UDP.
fn free_port(at: SocketAddr) -> Result<u16> {
    loop {
        let port = TcpListener::bind((at.ip(), 0))?.local_addr()?.port();
        if UdpSocket::bind((at.ip(), port)).is_ok() {
            return Ok(port);
        }
    }
}

impl Case {
    fn new(label: &str, at: &str) -> Result<Self> {
        let scratch = Scratch::new(label)?;
        let program = scratch.join("app");
        patch(&Sample::named("image/renamed")?.build(Link::Pie)?, &program)?;
        let go = scratch.join("go").display().to_string();
        let launch = Launch::new(&program, &[&go, at], scratch.path());
        let mut process = launch.start()?;
        wait_for_ready(&mut process, &scratch)?;
        let image = scratch.join("kept.img");
        let pid = process.pid();
        checkpoint(&program, pid, &image, true)?;
        process.wait()?;
        let told = scratch.text("out");
        Ok(Self {
            launch,
            image,
            pid,
            tcp: address(&told, "tcp ")?,
            udp: address(&told, "udp ")?,
            scratch,
        })
    }

    /// The command that restores it by these rules, in which `DIR` is its directory.
    fn restore(&self, rules: &[String]) -> Launch {
        let mut launch = self.launch.restore(&self.image);
        let dir = self.scratch.path().display().to_string();
        for rule in rules {
            let rule = rule.replace("DIR", &dir);
            launch.args.extend(["--remap".to_owned(), rule]);
        }
        launch
    }

    /// It is restored and finds everything; what it tells then, with `DIR` for its directory.
    fn told(&self, rules: &[String]) -> Result<String> {
        let mut process = self.restore(rules).start()?;
        wait_for_runtime(&mut process)?;
        self.scratch.write("go.new", "go")?;
        fs::rename(self.scratch.join("go.new"), self.scratch.join("go"))?;
        let status = process.wait()?;
        fs::remove_file(self.scratch.join("go"))?;
        // Its output is a file like others.
        let out = self.scratch.text("out");
        let (_, told) = out.split_once("ready\n").context("ready")?;
        ensure!(
            status.code() == Some(ckpt_tests::PASS),
            "{status}: {told}; {}",
            process.complaint()
        );
        let dir = self.scratch.path().display().to_string();
        Ok(told.replace(&dir, "DIR"))
    }

    /// What it tells when it has these names.
    fn names([cwd, data, socket, abstract_name]: [&str; 4], at: [SocketAddr; 2]) -> String {
        let [tcp, udp] = at.map(|at| format!("{} {}", at.ip(), at.port()));
        format!(
            "cwd {cwd}\ndata {data}\nsocket {socket}\nabstract {abstract_name}\ntcp {tcp}\nudp {udp}\npass\n"
        )
    }

    /// The restore is refused with this line.
    fn refused(&self, rules: &[String], what: &str) -> Result<()> {
        let status = self.restore(rules).start()?.wait()?;
        let dir = self.scratch.path().display().to_string();
        let said = self.scratch.text("restore.err").replace(&dir, "DIR");
        let right = said == format!("ckpt: error: {what}\n");
        ensure!(
            status.code() == Some(125) && right,
            "{status} {said:?} instead of {what:?}"
        );
        ensure!(self.scratch.text("out").ends_with("ready\n"), "it ran");
        Ok(())
    }

    /// What the last restore has said.
    fn said(&self) -> String {
        self.scratch.text("restore.err")
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        Ok(fs::rename(self.scratch.join(from), self.scratch.join(to))?)
    }
}

#[test]
fn everything_has_another_name() -> Result<()> {
    let case = Case::new("remap-all", "own")?;
    case.rename("here", "there")?;
    let moved = SocketAddr::new(case.tcp.ip(), free_port(case.tcp)?);
    // What has the old ones is left alone.
    let kept = [TcpListener::bind(case.tcp)?];
    let pid = case.pid;
    let rules = [
        "DIR/here=DIR/there".to_owned(),
        format!("@renamed-{pid}=@other-{pid}"),
        format!("{}={moved}", case.tcp),
    ];
    let told = case.told(&rules)?;
    let abstract_name = format!("other-{pid}");
    let names = [
        "DIR/there",
        "DIR/there/data",
        "DIR/there/socket",
        &abstract_name,
    ];
    ensure!(told == Case::names(names, [moved, case.udp]), "{told}");
    ensure!(case.said().is_empty(), "{}", case.said());
    drop(kept);
    Ok(())
}

#[test]
fn a_taken_port_is_left_to_who_has_it() -> Result<()> {
    let case = Case::new("remap-port", "own")?;
    let taken = TcpListener::bind(case.tcp)?;
    let port = free_port(case.tcp)?;
    let name = format!("renamed-{}", case.pid);
    let names = ["DIR/here", "DIR/here/data", "DIR/here/socket", &name];
    let mut moved = case.tcp;
    moved.set_port(port);
    // Of a port alone, of any address.
    let told = case.told(&[format!("{}={port}", case.tcp.port())])?;
    ensure!(told == Case::names(names, [moved, case.udp]), "{told}");
    drop(taken);
    // The image is as it was, and its files are.
    case.scratch.write("here/data", "some data")?;
    case.scratch.write("here/mapped", "on a page")?;
    let rules = ["--allow", "changed"].map(str::to_owned);
    let mut launch = case.restore(&[]);
    launch.args.extend(rules);
    let mut process = launch.start()?;
    wait_for_runtime(&mut process)?;
    process.kill()
}

#[test]
fn addresses_by_their_parts() -> Result<()> {
    let case = Case::new("remap-parts", "127.77.0.1")?;
    let name = format!("renamed-{}", case.pid);
    let names = ["DIR/here", "DIR/here/data", "DIR/here/socket", &name];
    let host: IpAddr = "127.77.0.2".parse()?;
    let port = free_port(SocketAddr::new(host, 0))?;
    // The first rule that fits; kinds are told apart.
    let rules = [
        format!("tcp:{}:=127.77.0.2:", case.udp.ip()),
        format!("udp::{}=:{port}", case.udp.port()),
        "127.77.0.1:=127.77.0.9:".to_owned(),
        "127.77.0.2:=[::1]:".to_owned(),
    ];
    let told = case.told(&rules)?;
    let tcp = SocketAddr::new(host, case.tcp.port());
    let udp = SocketAddr::new(case.udp.ip(), port);
    ensure!(told == Case::names(names, [tcp, udp]), "{told}");
    // A rule that was not needed is no error.
    ensure!(case.said().is_empty(), "{}", case.said());
    Ok(())
}

#[test]
fn version_6_stands_in_brackets() -> Result<()> {
    let case = Case::new("remap-v6", "::1")?;
    let name = format!("renamed-{}", case.pid);
    let names = ["DIR/here", "DIR/here/data", "DIR/here/socket", &name];
    let port = free_port(case.tcp)?;
    let (old_tcp, old_udp) = (case.tcp.port(), case.udp.port());
    let rules = [
        format!("[0::0:1]:{old_tcp}=[0:0:0:0:0:0:0:1]:{port}"),
        format!("udp:[::0.0.0.1]:{old_udp}=:{port}"),
    ];
    let told = case.told(&rules)?;
    let at = SocketAddr::new(case.tcp.ip(), port);
    ensure!(told == Case::names(names, [at, at]), "{told}");
    ensure!(case.said().is_empty(), "{}", case.said());
    Ok(())
}

#[test]
fn the_longest_path_of_whole_names_counts() -> Result<()> {
    let case = Case::new("remap-paths", "own")?;
    case.rename("here", "a=b")?;
    case.rename("a=b/data", "alone")?;
    let rules = [
        "DIR/here/data=DIR/alone".to_owned(),
        "DIR/here/=DIR/a=b//".to_owned(),
        "DIR/her=DIR/x".to_owned(),
        "/=/nowhere".to_owned(),
        // Else the libraries would be looked for there; those that are not there come from the image.
        "/dev=/dev".to_owned(),
        "DIR=DIR".to_owned(),
    ];
    let mut launch = case.restore(&rules);
    launch.args.extend(["--log", "info"].map(str::to_owned));
    launch.streams.error = "moved.err".to_owned();
    let mut process = launch.start()?;
    wait_for_runtime(&mut process)?;
    let of = format!("/proc/{}/", process.pid());
    let mut links = vec![fs::read_link(format!("{of}cwd"))?];
    for entry in fs::read_dir(format!("{of}fd"))? {
        links.extend(fs::read_link(entry?.path()));
    }
    for name in ["a=b", "alone"] {
        let wanted = case.scratch.join(name);
        ensure!(links.contains(&wanted), "{name} in {links:?}");
    }
    let said = case.scratch.text("moved.err");
    let unused = format!(
        "ckpt: --remap {0}/her={0}/x: nothing in the image has such a name",
        case.scratch.path().display()
    );
    let told: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("--remap"))
        .collect();
    ensure!(told == [unused], "{said}");
    process.kill()
}

#[test]
fn what_is_not_there_is_named() -> Result<()> {
    let case = Case::new("remap-missing", "own")?;
    let rule = ["DIR/here=DIR/there".to_owned()];
    case.refused(
        &rule,
        "working directory DIR/there: no such file or directory",
    )?;
    case.scratch.make_dir("there")?;
    case.rename("here/data", "there/data")?;
    case.refused(
        &rule,
        "cannot open mapped file DIR/there/mapped: no such file or directory",
    )?;
    let deep = format!("DIR/here=/{}", "x".repeat(4090));
    let start = "x".repeat(199);
    let what = format!("--remap: a name becomes too long: /{start}");
    case.refused(&[deep], &what)?;
    let long = "y".repeat(108);
    let what = format!("--remap: a name becomes too long: {long}");
    case.refused(&[format!("@renamed-{}=@{long}", case.pid)], &what)
}

#[test]
fn rules_that_are_none_are_refused() -> Result<()> {
    let case = Case::new("remap-wrong", "own")?;
    for rule in [
        "",
        "/old",
        "/old=",
        "/old=new",
        "old=/new",
        "/old=@new",
        "@old=/new",
        "@old",
        "=",
        ":=",
        "80=x",
        "80=0",
        "80=65536",
        "localhost:80=:81",
        "1.2.3:80=:81",
        "1.2.3.4.5:80=:81",
        "1.2.3.256:80=:81",
        "::1:80=:81",
        "[::1:80=:81",
        "[::1]=:81",
        "[1::2::3]:80=:81",
        "[1:2:3:4:5:6:7]:80=:81",
        "[1:2:3:4:5:6:7:8:9]:80=:81",
        "[1:2:3:4:5:6:7:8::]:80=:81",
        "[1:]:80=:81",
        "[12345::]:80=:81",
        "sctp:1.2.3.4:80=:81",
        "1.2.3.4:80=:81=:82",
        "--force",
    ] {
        let what = format!(
            "--remap {rule}: not OLD=NEW, both of them absolute paths, @NAMEs of Unix sockets, or addresses ([tcp:|udp:]HOST:PORT=HOST:PORT, either part may be missing, version 6 in brackets)"
        );
        case.refused(&[rule.to_owned()], &what)?;
    }
    let mut launch = case.restore(&[]);
    launch.args.push("--remap".to_owned());
    let status = launch.start()?.wait()?;
    ensure!(
        status.code() == Some(125) && case.said().starts_with("ckpt: error: usage: --restore IMG"),
        "{status} {}",
        case.said()
    );
    Ok(())
}
