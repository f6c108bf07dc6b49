//! Makes sockets again.

use ckpt_format::DecodeError;
use ckpt_format::record::{Attributes, Socket, SocketOption, file_kind, socket_flag, socket_state};
use ckpt_format::toc::kind;

use super::super::open::c_path;
use super::super::{F_SETFL, O_ASYNC};
use super::{Shown, Sock, fill, inet, multicast, name, options, tcp, unix};
use crate::error::{Context, Result};
use crate::image::input::{Image, InImage};
use crate::sys::Errno;
use crate::sys::fs::{self, Fd};
use crate::sys::socket::{self, DATAGRAM, Name, RAW, STREAM};
use crate::util::arena::{Arena, Plain};

/// What was made for a socket; -1 for no descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// The socket, until it is asked for.
    pub(super) fd: i32,
    /// The other end, if the program does not have it.
    pub(super) other: i32,
    /// A listening socket of its name that the program does not have.
    pub(super) listener: i32,
    /// What will be in its queue.
    pub(super) contents: i32,
    pub(super) len: u64,
}

#[expect(unsafe_code, reason = "vouches for a record of integers")]
// SAFETY: a record of integers.
unsafe impl Plain for Slot {}

impl Slot {
    const NONE: Self = Self {
        fd: -1,
        other: -1,
        listener: -1,
        contents: -1,
        len: 0,
    };
}

/// All sockets of an image, in the order of their files.
#[derive(Debug)]
pub(in super::super) struct Made<'a> {
    pub(super) all: &'a mut [Sock],
    pub(super) slots: &'a mut [Slot],
}

impl<'a> Made<'a> {
    /// Makes all sockets.
    #[inline(never)]
    pub(in super::super) fn new(arena: &'a Arena, image: &Image<'_>) -> Result<Self> {
        let records = image.list::<Socket<'_>>(kind::SOCKETS);
        let count = records.left() as usize;
        let mut made = Self {
            all: arena.records(count)?,
            slots: arena.records(count)?,
        };
        let files = image.files().filter(|file| file.kind == file_kind::SOCKET);
        let places = made.all.iter_mut().zip(made.slots.iter_mut());
        for ((record, file), (sock, slot)) in records.zip(files).zip(places) {
            *sock = Sock::new(&record);
            *slot = Slot {
                len: file.pos as u64,
                ..Slot::NONE
            };
            if slot.len > 0 {
                let what = format_args!("cannot make a socket's queue again");
                let contents = fs::memory_file(c"socket").or_fail(what)?;
                fs::truncate(contents.number(), slot.len).or_fail(what)?;
                slot.contents = contents.release();
            }
        }
        if !made.all.iter().all(|sock| made.has_its_peer(sock)) {
            return Err(DecodeError::Value("socket")).within(&image.path);
        }
        if count > 0 {
            at_home(image, || made.make(image))?;
        }
        Ok(made)
    }

    /// Is there another end, if the state asks for one?
    fn has_its_peer(&self, sock: &Sock) -> bool {
        let peer = || self.find(sock.peer).map(|n| self.sock(n).state);
        match sock.state {
            socket_state::CONNECTED | socket_state::DIRECTED => peer().is_some(),
            socket_state::WAITING => peer() == Some(socket_state::LISTENING),
            _ => true,
        }
    }

    fn make(&mut self, image: &Image<'_>) -> Result<()> {
        let mut set = Setter::new(image);
        for n in 0..self.all.len() {
            let sock = self.sock(n);
            if stands_alone(&sock) && !is_late(&sock) {
                let fd = open(&sock, image)?;
                set.options(&sock, fd.number(), true)?;
                name::give(fd.number(), &sock, number(image, sock.file))?;
                self.set(n, |slot| slot.fd = fd.release());
            }
        }
        // Beside one that listens, others can no longer be bound to its port; at a Unix socket that
        // does, connections are made.
        self.pairs(image, true)?;
        self.listen(image, false)?;
        self.pairs(image, false)?;
        self.listen(image, true)?;
        // In the order in which they are to be accepted.
        let waiting = |sock: &&Sock| sock.state == socket_state::WAITING;
        let mut left = self.all.iter().filter(waiting).count();
        for n in 0..self.all.len() {
            let mut place = 0;
            let listener = self.sock(n);
            let waits = |sock: &Sock, place| {
                (sock.state, sock.peer, sock.backlog)
                    == (socket_state::WAITING, listener.file, place)
            };
            while listener.state == socket_state::LISTENING
                && let Some(next) = self.all.iter().position(|sock| waits(sock, place))
            {
                let sock = self.sock(next);
                if is_late(&sock) {
                    let fd = connect(image, &sock, &sock.remote)?;
                    self.set(next, |slot| slot.fd = fd.release());
                } else {
                    let fd = self.slot(next).fd;
                    socket::connect(fd, listener.local.as_bytes()).or_fail(format_args!(
                        "descriptor {}: cannot connect",
                        number(image, listener.file)
                    ))?;
                }
                place += 1;
                left -= 1;
            }
        }
        if left > 0 {
            return Err(DecodeError::Value("place in a socket's backlog")).within(&image.path);
        }
        Ok(())
    }

    /// Makes sockets listen. Until the program's own connections are made, Unix sockets have room
    /// for one at a time (unix_recvq_full, net/unix/af_unix.c): others that connect wait.
    fn listen(&self, image: &Image<'_>, others: bool) -> Result<()> {
        for n in 0..self.all.len() {
            let sock = self.sock(n);
            if sock.state == socket_state::LISTENING {
                let number = number(image, sock.file);
                let what = format_args!("descriptor {number}: cannot listen");
                let most = if others || inet::is(sock.family) {
                    sock.backlog
                } else {
                    0
                };
                socket::listen(self.slot(n).fd, most).or_fail(what)?;
            }
        }
        Ok(())
    }

    /// Makes what is made with its other end: of TCP, or of Unix sockets.
    fn pairs(&mut self, image: &Image<'_>, tcp: bool) -> Result<()> {
        for n in 0..self.all.len() {
            let sock = self.sock(n);
            if self.slot(n).fd < 0 && !is_late(&sock) && inet::is(sock.family) == tcp {
                self.pair(n, image)?;
            }
        }
        Ok(())
    }

    /// Makes a connection of TCP: the end that is there, and the other.
    fn connection(&self, n: usize, other: Option<usize>, image: &Image<'_>) -> Result<[Fd; 2]> {
        let sock = self.sock(n);
        let Some(peer) = other.map(|m| self.sock(m)) else {
            return remains(&sock, image);
        };
        if !tcp::is_connection(&peer) {
            return Err(DecodeError::Value("socket")).within(&image.path);
        }
        // The end that was accepted has its port with the one that listened, and perhaps others.
        let shared = |name: &Name| {
            let Ok(at) = name.internet() else {
                return false;
            };
            let of =
                |s: &&Sock| s.kind == STREAM && s.local.internet().is_ok_and(|l| l.includes(&at));
            self.all.iter().filter(of).nth(1).is_some()
        };
        let accepts = shared(&sock.local) || !shared(&peer.local);
        let [server, client] = if accepts {
            [&sock, &peer]
        } else {
            [&peer, &sock]
        };
        let descriptor = number(image, sock.file);
        let listener = tcp::listen(open_early(image, server)?, server, descriptor)?;
        let what = format_args!("descriptor {descriptor}: cannot make its connection again");
        let to = server.local.internet();
        let to = to.map(|to| Name::at(&to, client.family)).or_fail(what)?;
        let end = connect(image, client, &to)?;
        let taken = tcp::accept(listener.number(), end.number()).or_fail(what)?;
        Ok(if accepts { [taken, end] } else { [end, taken] })
    }

    /// Makes a socket with its other end, which may be nobody's.
    fn pair(&mut self, n: usize, image: &Image<'_>) -> Result<()> {
        let sock = self.sock(n);
        let what = format_args!(
            "descriptor {}: cannot make its socket again",
            number(image, sock.file)
        );
        let other = self
            .find(sock.peer)
            .filter(|_| sock.state != socket_state::CLOSED);
        if other.is_some_and(|m| self.slot(m).fd >= 0) {
            return Err(DecodeError::Value("socket")).within(&image.path);
        }
        let named = sock.local.is_some() || sock.remote.is_some();
        let [this, that] = if inet::is(sock.family) {
            self.connection(n, other, image)?
        } else if named && sock.kind != DATAGRAM {
            // The end that was accepted has its name of the listening socket, as others may.
            let shared = |name: &[u8]| {
                let of = |s: &&Sock| s.local.as_bytes() == name;
                self.all.iter().filter(of).nth(1).is_some()
            };
            let accepted = sock.local.is_some()
                && (!sock.remote.is_some()
                    || shared(sock.local.as_bytes())
                    || !shared(sock.remote.as_bytes()));
            match other {
                Some(m) if !accepted => {
                    let [client, server] = self.by_name(m, Some(&sock), image)?;
                    [client, server]
                }
                _ => {
                    let client = other.map(|m| self.sock(m));
                    let [client, server] = self.by_name(n, client.as_ref(), image)?;
                    [server, client]
                }
            }
        } else {
            let ends = socket::pair(sock.kind).or_fail(what)?;
            name::give(ends[0].number(), &sock, number(image, sock.file))?;
            if let Some(m) = other {
                let peer = self.sock(m);
                name::give(ends[1].number(), &peer, number(image, peer.file))?;
            }
            ends
        };
        self.set(n, |slot| slot.fd = this.release());
        match other {
            Some(m) => self.set(m, |slot| slot.fd = that.release()),
            None => self.set(n, |slot| slot.other = that.release()),
        }
        Ok(())
    }

    /// Connects to the name of socket `server` and accepts: client and server.
    fn by_name(
        &mut self,
        server: usize,
        client: Option<&Sock>,
        image: &Image<'_>,
    ) -> Result<[Fd; 2]> {
        let sock = self.sock(server);
        let descriptor = number(image, sock.file);
        let what = format_args!("descriptor {descriptor}: cannot make its connection again");
        let name = sock.local;
        let same =
            |other: &Sock| other.local.as_bytes() == name.as_bytes() && other.kind == sock.kind;
        let found = (0..self.all.len()).find_map(|n| {
            let (other, slot) = (self.sock(n), self.slots.get(n)?);
            match other.state {
                _ if !same(&other) => None,
                socket_state::LISTENING => Some(slot.fd),
                _ => Some(slot.listener).filter(|&fd| fd >= 0),
            }
        });
        let listener = match found {
            Some(listener) => listener,
            None => {
                let fd = open(&sock, image)?;
                name::give(fd.number(), &sock, descriptor)?;
                socket::listen(fd.number(), 0).or_fail(what)?;
                self.set(server, |slot| slot.listener = fd.number());
                fd.release()
            }
        };
        let end = open(&sock, image)?;
        if let Some(client) = client {
            name::give(end.number(), client, number(image, client.file))?;
        }
        // Where there is room for one, there is none for who comes in between; who has come before
        // is in the way, and nothing puts him back once he is accepted.
        while socket::connect(end.number(), name.as_bytes()) == Err(Errno::AGAIN) {
            drop(socket::accept(listener));
        }
        let accepted = socket::accept(listener).or_fail(what)?;
        Ok([end, accepted])
    }

    pub(super) fn sock(&self, n: usize) -> Sock {
        self.all.get(n).copied().unwrap_or(Sock::NONE)
    }

    pub(super) fn slot(&self, n: usize) -> Slot {
        self.slots.get(n).copied().unwrap_or(Slot::NONE)
    }

    fn set(&mut self, n: usize, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(n) {
            change(slot);
        }
    }

    /// The place of a file's socket.
    pub(super) fn find(&self, file: u32) -> Option<usize> {
        self.all.binary_search_by_key(&file, |sock| sock.file).ok()
    }

    /// Hands the socket of a file out.
    pub(in super::super) fn take(&self, file: usize) -> Option<Fd> {
        let n = self.find(file as u32)?;
        Some(Fd::own(self.slot(n).fd)).filter(|fd| fd.number() >= 0)
    }

    /// Where the contents of file `number` go at first, and how many bytes they are.
    pub(in super::super) fn place(&self, number: u32) -> Option<(i32, u64)> {
        let slot = self.slots.get(self.find(number)?)?;
        Some((slot.contents, slot.len)).filter(|_| slot.len > 0)
    }
}

/// The lowest descriptor of a file, for messages; that of a file which is only under way is not
/// one.
#[cold]
pub(super) fn number(image: &Image<'_>, file: u32) -> u32 {
    let found = image.descriptors().find(|d| d.file == file);
    found.map_or(u32::MAX, |d| d.fd)
}

/// Does something in the program's working directory, which relative names are meant from.
fn at_home(image: &Image<'_>, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let home = image.single::<Attributes<'_>>(kind::ATTRIBUTES);
    let what = format_args!("cannot enter the working directory");
    let here = fs::open(c".", fs::O_PATH | fs::O_DIRECTORY, 0).or_fail(what)?;
    // No socket has a name in one that was removed.
    if home.removed == 0 {
        fs::change_directory(c_path(home.cwd).as_c()).or_fail(what)?;
    }
    let done = work();
    fs::change_directory_to(here.number()).or_fail(what)?;
    done
}

/// Goes through the options of an image along with its sockets, in their common order.
struct Setter<'i, 'a> {
    image: &'i Image<'a>,
    rest: core::iter::Peekable<ckpt_format::record::Known<'a, SocketOption<'a>>>,
}

impl<'i, 'a> Setter<'i, 'a> {
    fn new(image: &'i Image<'a>) -> Self {
        Self {
            image,
            rest: image.list(kind::SOCKET_OPTIONS).peekable(),
        }
    }

    fn options(&mut self, sock: &Sock, fd: i32, early: bool) -> Result<()> {
        while let Some(option) = self.rest.next_if(|option| option.file <= sock.file) {
            if option.file != sock.file {
                continue;
            }
            if let Some(parts) = option.interface() {
                // Before anything can be heard: streams, which hear nothing, may be accepted ones.
                if early != (sock.kind == STREAM) {
                    let number = number(self.image, sock.file);
                    multicast::restore(fd, &option, parts, number)?;
                }
                continue;
            }
            let set = options::restore(fd, &option, sock, early);
            // What is left of a connection that is over may be elsewhere.
            if inet::is(sock.family) && is_over(sock) {
                continue;
            }
            set.or_fail(format_args!(
                "descriptor {}: cannot set option {} of level {} of its socket",
                number(self.image, sock.file),
                option.name,
                option.level
            ))?;
        }
        Ok(())
    }
}

impl Made<'_> {
    /// Fills the queues and sets what had to wait; `places` has a descriptor for every file.
    #[inline(never)]
    pub(in super::super) fn finish(
        &self,
        arena: &Arena,
        image: &Image<'_>,
        places: &[i32],
    ) -> Result<()> {
        if self.all.is_empty() {
            return Ok(());
        }
        at_home(image, || {
            fill::all(self, arena, image, places)?;
            self.direct(image, places)?;
            for sock in self
                .all
                .iter()
                .filter(|sock| sock.has(socket_flag::UNLINKED))
            {
                if let Some(path) = unix::path(&sock.local) {
                    // Those that were accepted share the name of one that listened.
                    let _ = fs::unlink(path.as_c());
                }
            }
            Ok(())
        })?;
        let mut set = Setter::new(image);
        let files = image.files().filter(|file| file.kind == file_kind::SOCKET);
        for (n, (sock, file)) in self.all.iter().zip(files).enumerate() {
            let place = places.get(sock.file as usize).copied().unwrap_or(-1);
            let mut slot = self.slot(n);
            let what = format_args!(
                "descriptor {}: cannot make its socket as it was",
                number(image, sock.file)
            );
            if sock.state == socket_state::RESET && slot.other >= 0 {
                let error = sock.has(socket_flag::ERROR);
                tcp::break_off(Fd::own(slot.other), place, error).or_fail(what)?;
                slot.other = -1;
            } else if slot.other >= 0 && sock.has(socket_flag::ERROR) {
                // What the other end leaves unread when it closes becomes an error here.
                socket::send(place, b"-", &[], &[], 0).or_fail(what)?;
            }
            for fd in [slot.other, slot.listener, slot.contents] {
                if fd >= 0 {
                    drop(Fd::own(fd));
                }
            }
            set.options(sock, place, false)?;
            for (flag, how) in [(socket_flag::NO_READING, 0), (socket_flag::NO_WRITING, 1)] {
                let closed = sock.state == socket_state::CLOSED && !inet::is(sock.family);
                if sock.has(flag) && !closed {
                    socket::shut_down(place, how).or_fail(what)?;
                }
            }
            fs::control(place, F_SETFL, (file.flags & !O_ASYNC) as usize).or_fail(what)?;
        }
        Ok(())
    }

    /// Connects datagram sockets, which from then on take datagrams only from there: each to one
    /// that is not connected yet, or is so to this one (unix_may_send, net/unix/af_unix.c).
    fn direct(&self, image: &Image<'_>, places: &[i32]) -> Result<()> {
        let place = |sock: &Sock| places.get(sock.file as usize).copied().unwrap_or(-1);
        let pending = |sock: &Sock| {
            let datagrams = sock.kind == DATAGRAM || sock.kind == RAW;
            datagrams && stands_alone(sock) && sock.remote.is_some()
        };
        let rounds = self.all.iter().filter(|sock| pending(sock)).count();
        for round in 1..=rounds {
            for sock in self.all.iter().filter(|sock| pending(sock)) {
                // Once more does no harm.
                let connected = socket::connect(place(sock), sock.remote.as_bytes());
                if round == rounds {
                    connected.or_fail(format_args!(
                        "descriptor {}: cannot connect to{}",
                        number(image, sock.file),
                        Shown(&sock.remote)
                    ))?;
                }
            }
        }
        Ok(())
    }
}

/// Is it made without its other end?
pub(super) fn stands_alone(sock: &Sock) -> bool {
    match sock.state {
        socket_state::CONNECTED if sock.kind == DATAGRAM => {
            // Both find each other by their names, when their queues are filled.
            sock.local.is_some() && sock.remote.is_some()
        }
        socket_state::DIRECTED => sock.remote.is_some(),
        socket_state::CONNECTED | socket_state::CLOSED | socket_state::RESET => false,
        _ => true,
    }
}

/// Is it made when the socket that it waits at listens?
fn is_late(sock: &Sock) -> bool {
    sock.state == socket_state::WAITING && inet::is(sock.family)
}

/// Is the connection over?
fn is_over(sock: &Sock) -> bool {
    matches!(sock.state, socket_state::CLOSED | socket_state::RESET)
}

/// A new socket with the options that come first.
fn open_early(image: &Image<'_>, sock: &Sock) -> Result<Fd> {
    let fd = open(sock, image)?;
    Setter::new(image).options(sock, fd.number(), true)?;
    Ok(fd)
}

/// Makes a connection of TCP whose other end is closed or lost.
fn remains(sock: &Sock, image: &Image<'_>) -> Result<[Fd; 2]> {
    let number = number(image, sock.file);
    let what = format_args!("descriptor {number}: cannot make its connection again");
    let make = &mut || socket::open(sock.family, STREAM, 0).or_fail(what);
    if !sock.remote.is_some() || !sock.local.is_some() {
        return tcp::severed(make, sock, number);
    }
    let Ok(listener) = tcp::listen(make()?, sock, number) else {
        return tcp::severed(make, sock, number);
    };
    let end = tcp::connect(make, &sock.remote, &sock.local, number)?;
    let taken = tcp::accept(listener.number(), end.number()).or_fail(what)?;
    Ok([taken, end])
}

/// Connects an end of TCP from where it was.
fn connect(image: &Image<'_>, sock: &Sock, to: &Name) -> Result<Fd> {
    let number = number(image, sock.file);
    tcp::connect(&mut || open_early(image, sock), &sock.local, to, number)
}

fn open(sock: &Sock, image: &Image<'_>) -> Result<Fd> {
    socket::open(sock.family, sock.kind, sock.protocol).or_fail(format_args!(
        "descriptor {}: cannot make its socket again",
        number(image, sock.file)
    ))
}
