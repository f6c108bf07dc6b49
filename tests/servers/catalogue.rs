//! The servers, how they are started, and what their clients say and hear.

use std::path::PathBuf;

use anyhow::Result;
use ckpt_tests::{JVM, Scratch, installed, java};
use rustix::process::Signal;

use crate::golang::go;

/// What a client says, and how the answer ends.
pub(crate) type Talk = (&'static str, &'static str);

/// One server. `DIR`, `HOST`, `PORT` and `LISTEN` stand for its directory and address (`Place::fill`).
#[derive(Clone, Copy)]
pub(crate) struct Server {
    /// First part of the names of its tests.
    pub(crate) name: &'static str,
    /// Name that the program has in the working directory.
    pub(crate) file_name: &'static str,
    /// Where the original is, or how to make it.
    pub(crate) program: fn(&Scratch) -> Result<PathBuf>,
    /// Files that it needs, and what is in them.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Its arguments, if it can listen at a Unix socket.
    pub(crate) unix: Option<&'static [&'static str]>,
    /// Its arguments, if it can listen at a port.
    pub(crate) tcp: Option<&'static [&'static str]>,
    /// What clients do at the start.
    pub(crate) first: &'static [Talk],
    /// What they do over and over; `COUNT` is how often it has been done.
    pub(crate) step: Talk,
    /// The step may be said in two halves, and the first one is not counted.
    pub(crate) hears_halves: bool,
    /// How often it is killed and restored in a row.
    pub(crate) generations: u32,
    /// Options of the restores.
    pub(crate) options: &'static [&'static str],
    /// The signal that ends it, and its exit status then.
    pub(crate) end: (Signal, i32),
}

const PLAIN: Server = Server {
    name: "",
    file_name: "",
    program: |_| Ok(PathBuf::new()),
    files: &[],
    unix: None,
    tcp: None,
    first: &[],
    step: COUNTED,
    hears_halves: true,
    generations: 2,
    options: &[],
    end: (Signal::TERM, 3),
};

/// For those of `programs/`: they answer with the number of the request, and end at SIGTERM with status 3.
const COUNTED: Talk = (
    "GET /count HTTP/1.0\r\n\r\n",
    "\r\n\r\nrequest COUNT: timers tick\n",
);

/// All of them.
pub(crate) fn catalogue() -> Vec<Server> {
    let mut all = stores();
    all.extend(web());
    all.extend(runtimes());
    all
}

fn stores() -> Vec<Server> {
    vec![
        Server {
            name: "redis",
            file_name: "redis-server",
            program: |_| installed("/usr/bin/redis-server"),
            unix: Some(&["--port", "0", "--unixsocket", "DIR/socket", "--save", ""]),
            tcp: Some(&["--bind", "HOST", "--port", "PORT", "--save", ""]),
            first: &[
                ("RPUSH list a b c\r\n", ":3\r\n"),
                ("SET short lived EX 100000\r\n", "+OK\r\n"),
            ],
            step: (
                "INCR count\r\nLRANGE list 1 1\r\n",
                ":COUNT\r\n*1\r\n$1\r\nb\r\n",
            ),
            end: (Signal::TERM, 0),
            ..PLAIN
        },
        Server {
            name: "memcached",
            file_name: "memcached",
            program: |_| installed("/usr/bin/memcached"),
            unix: Some(&["-s", "DIR/socket", "-t", "4"]),
            tcp: Some(&["-l", "HOST", "-p", "PORT", "-t", "4"]),
            first: &[
                ("set text 0 0 5\r\nhello\r\n", "STORED\r\n"),
                ("set count 0 0 1\r\n0\r\n", "STORED\r\n"),
            ],
            step: ("get text\r\nincr count 1\r\n", "hello\r\nEND\r\nCOUNT\r\n"),
            end: (Signal::TERM, 0),
            ..PLAIN
        },
    ]
}

fn web() -> Vec<Server> {
    const NGINX: &str = "\
daemon off; master_process off; pid DIR/pid; error_log stderr;
events { worker_connections 64; }
http {
    access_log DIR/access.log;
    client_body_temp_path DIR/t; proxy_temp_path DIR/t; fastcgi_temp_path DIR/t; uwsgi_temp_path DIR/t;
    scgi_temp_path DIR/t;
    server { listen LISTEN; root DIR; ssi on; ssi_types *; location /status { stub_status; } }
}
";
    const CONFIGURED: &[&str] = &["-p", "DIR", "-c", "conf"];
    vec![
        Server {
            name: "nginx",
            file_name: "nginx",
            program: |_| installed("/usr/sbin/nginx"),
            files: &[
                ("conf", NGINX),
                ("page", "a file, <!--# include virtual=\"/status\" -->\n"),
            ],
            unix: Some(CONFIGURED),
            tcp: Some(CONFIGURED),
            // Connections accepted and handled, and requests.
            step: (
                "GET /page HTTP/1.0\r\n\r\n",
                "a file, Active connections: 1 \nserver accepts handled requests\n COUNT COUNT COUNT \n\
                 Reading: 0 Writing: 1 Waiting: 0 \n\n",
            ),
            hears_halves: false,
            end: (Signal::QUIT, 0),
            ..PLAIN
        },
        Server {
            name: "python3_http_server",
            file_name: "python3",
            program: |_| installed("/usr/bin/python3"),
            files: &[("page", "what is in a file\n")],
            tcp: Some(&[
                "-u",
                "-m",
                "http.server",
                "--bind",
                "HOST",
                "--directory",
                "DIR",
                "PORT",
            ]),
            step: ("GET /page HTTP/1.0\r\n\r\n", "what is in a file\n"),
            end: (Signal::INT, 0),
            ..PLAIN
        },
    ]
}

fn runtimes() -> Vec<Server> {
    vec![
        // asyncio remembers its process id, and knows no loop in another process.
        Server {
            name: "python3_asyncio",
            file_name: "python3",
            program: |_| installed("/usr/bin/python3"),
            files: &[("serve.py", include_str!("programs/serve.py"))],
            unix: Some(&["-B", "serve.py", "LISTEN"]),
            tcp: Some(&["-B", "serve.py", "LISTEN"]),
            generations: 1,
            options: &["--pid", "same"],
            ..PLAIN
        },
        Server {
            name: "node",
            file_name: "node",
            program: |_| installed("/usr/bin/node"),
            files: &[("serve.js", include_str!("programs/serve.js"))],
            unix: Some(&["serve.js", "LISTEN"]),
            tcp: Some(&["serve.js", "LISTEN"]),
            ..PLAIN
        },
        Server {
            name: "go",
            file_name: "serve",
            program: |scratch| go(scratch, &["serve.go"], &[], "0"),
            unix: Some(&["LISTEN"]),
            tcp: Some(&["LISTEN"]),
            ..PLAIN
        },
        Server {
            name: "jvm",
            file_name: "bin/java",
            program: |scratch| {
                java(scratch, "servers/programs/Serve.java")?;
                installed(&format!("{JVM}/bin/java"))
            },
            tcp: Some(&["-Xmx48m", "-XX:-UsePerfData", "-cp", ".", "Serve", "LISTEN"]),
            ..PLAIN
        },
    ]
}
