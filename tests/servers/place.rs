//! Where a server is reached, and what a client does there.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ckpt_tests::{LIMIT, Process, Scratch, wait_until};

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Unix socket named `socket` in its directory.
    Unix,
    /// TCP, on this machine.
    Tcp,
}

impl Kind {
    /// As test names have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Tcp => "tcp",
        }
    }
}

/// A server's directory and address.
pub(crate) struct Place {
    pub(crate) scratch: Scratch,
    kind: Kind,
    tcp: SocketAddrV4,
}

impl Place {
    /// An address of its own for each server, so that no other process can have the port: all of 127.0.0.0/8 is
    /// this machine.
    pub(crate) fn new(label: &str, kind: Kind) -> Result<Self> {
        const PORT: u16 = 20711;
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let next = u8::try_from(NEXT.fetch_add(1, Ordering::Relaxed))?;
        Ok(Self {
            scratch: Scratch::new(label)?,
            kind,
            tcp: SocketAddrV4::new(Ipv4Addr::new(127, high, low, next), PORT),
        })
    }

    /// Puts directory and address into a text: `DIR`, `HOST`, `PORT`, and `LISTEN`, which is `HOST:PORT` or
    /// `unix:DIR/socket`.
    pub(crate) fn fill(&self, text: &str) -> String {
        let listen = match self.kind {
            Kind::Unix => "unix:DIR/socket".to_owned(),
            Kind::Tcp => self.tcp.to_string(),
        };
        text.replace("LISTEN", &listen)
            .replace("DIR", &self.scratch.path().display().to_string())
            .replace("HOST", &self.tcp.ip().to_string())
            .replace("PORT", &self.tcp.port().to_string())
    }

    /// Connects a client, as soon as the server listens.
    pub(crate) fn connect(&self, process: &mut Process) -> Result<Client> {
        let mut client = None;
        wait_until("a server that listens", || {
            process.check_alive()?;
            match self.try_connect() {
                Ok(stream) => client = Some(Client(stream)),
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => {}
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            Ok(client.is_some())
        })?;
        client.context("no client")
    }

    /// A client of TCP that tries to connect without a pause, and says nothing.
    pub(crate) fn stranger(&self) -> Option<JoinHandle<Result<Client>>> {
        let (to, until) = (self.tcp, Instant::now() + LIMIT);
        let connect = move || loop {
            match TcpStream::connect(to) {
                Ok(stream) => return Ok(Client(OwnedFd::from(stream).into())),
                Err(e) if e.kind() == ErrorKind::ConnectionRefused && Instant::now() < until => {}
                Err(error) => return Err(error.into()),
            }
            // A moment for others.
            sleep(Duration::from_micros(200));
        };
        (self.kind == Kind::Tcp).then(|| spawn(connect))
    }

    fn try_connect(&self) -> std::io::Result<UnixStream> {
        let stream = match self.kind {
            Kind::Unix => UnixStream::connect(self.scratch.join("socket"))?,
            // The type does nothing with it but system calls that are the same for both.
            Kind::Tcp => OwnedFd::from(TcpStream::connect(self.tcp)?).into(),
        };
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(stream)
    }
}

/// A client's connection.
pub(crate) struct Client(UnixStream);

impl Client {
    /// Says something.
    pub(crate) fn say(&mut self, text: &str) -> Result<()> {
        Ok(self.0.write_all(text.as_bytes())?)
    }

    /// Says something, and hears an answer that ends so.
    pub(crate) fn talk(&mut self, say: &str, hear: &str) -> Result<String> {
        self.say(say)?;
        let mut heard = Vec::new();
        while !heard.ends_with(hear.as_bytes()) {
            let mut buffer = [0; 4096];
            let read = self.0.read(&mut buffer);
            let heard_so_far = || format!("{say:?} was answered {:?}", text(&heard));
            let count = read.with_context(heard_so_far)?;
            ensure!(count > 0, "{} and no more", heard_so_far());
            heard.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
        Ok(text(&heard))
    }

    /// Nobody has hung up.
    pub(crate) fn is_kept(&self) -> Result<()> {
        self.0.set_nonblocking(true)?;
        let got = (&self.0).read(&mut [0]);
        self.0.set_nonblocking(false)?;
        ensure!(
            matches!(&got, Err(e) if e.kind() == ErrorKind::WouldBlock),
            "let in, and then {got:?}"
        );
        Ok(())
    }

    /// The other end has hung up, or has reset the connection.
    pub(crate) fn sees_the_end(mut self) -> Result<()> {
        match self.0.read_to_end(&mut Vec::new()) {
            Err(e) if e.kind() != ErrorKind::ConnectionReset => Err(e).context("no end"),
            _ => Ok(()),
        }
    }

    /// Hangs up, and waits until the server has done so as well.
    pub(crate) fn end(mut self) -> Result<()> {
        // It may have done so before.
        let _ = self.0.shutdown(Shutdown::Write);
        self.0.read_to_end(&mut Vec::new()).context("hang up")?;
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
