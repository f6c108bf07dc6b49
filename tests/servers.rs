//! Real servers, unmodified, with state: asked for a checkpoint, going on, killed with SIGKILL, restored. Clients
//! that connect again find the data of the checkpoint at the old address, and go on.

#[path = "servers/catalogue.rs"]
mod catalogue;
#[path = "servers/dialogs.rs"]
mod dialogs;
#[path = "golang/build.rs"]
mod golang;
#[path = "servers/place.rs"]
mod place;
#[path = "servers/socat.rs"]
mod socat;
#[path = "servers/terminals.rs"]
mod terminals;

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use catalogue::{Server, catalogue};
use ckpt_tests::{Launch, Process, checkpoint, command_of, patch, wait_until};
use libtest_mimic::{Arguments, Failed, Trial};
use place::{Kind, Place};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for server in catalogue() {
        let kinds = [(Kind::Unix, server.unix), (Kind::Tcp, server.tcp)];
        for (kind, args) in kinds {
            if let Some(args) = args {
                let name = format!("{}::{}", server.name, kind.name());
                let survives = move || Run::new(&server, kind, args)?.survives();
                trials.push(trial(name.clone(), survives));
                if server.hears_halves {
                    let survives = move || Run::new(&server, kind, args)?.loses_a_client();
                    trials.push(trial(name + "_with_a_client", survives));
                }
            }
        }
    }
    let saving = "redis_saves_in_the_background".to_owned();
    trials.push(trial(saving, redis_saves_in_the_background));
    for tool in dialogs::tools() {
        trials.push(trial(tool.name.to_owned(), move || {
            dialogs::survives(&tool)
        }));
    }
    trials.push(trial("socat".to_owned(), socat::socat));
    for screen in terminals::screens() {
        let survives = move || terminals::survives(&screen);
        trials.push(trial(screen.name.to_owned(), survives));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(name: String, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test().map_err(|error| Failed::from(format!("{error:#}")))
    })
}

/// A server in a directory of its own, and what its clients have done.
struct Run {
    server: Server,
    place: Place,
    launch: Launch,
    process: Process,
    /// How often the step was taken, as the server knows it.
    count: u32,
}

impl Run {
    /// Starts the server; its clients have brought it into the state that is to survive.
    fn new(server: &Server, kind: Kind, args: &[&str]) -> Result<Self> {
        let place = Place::new(server.name, kind)?;
        for (name, content) in server.files {
            place.scratch.write(name, place.fill(content))?;
        }
        let original = (server.program)(&place.scratch).context("find the program")?;
        let program = place.scratch.join(server.file_name);
        patch(&original, &program)?;
        let mut launch = Launch::new(&program, &[], place.scratch.path());
        launch.args = args.iter().map(|arg| place.fill(arg)).collect();
        // For those that are connected at a checkpoint.
        launch.env = vec![("CKPT_ALLOW".to_owned(), "unix,tcp".to_owned())];
        let process = launch.start()?;
        let mut run = Self {
            server: *server,
            place,
            launch,
            process,
            count: 0,
        };
        for &(say, hear) in server.first {
            run.talk(say, hear).context("at the start")?;
        }
        run.step().context("at the start")?;
        Ok(run)
    }

    /// A client connects, says this, hears an answer that ends so, and hangs up.
    fn talk(&mut self, say: &str, hear: &str) -> Result<()> {
        let talked = self
            .place
            .connect(&mut self.process)
            .and_then(|mut client| {
                client.talk(say, hear)?;
                client.end()
            });
        talked.with_context(|| {
            let error = self.place.scratch.text("restore.err");
            format!("{}; the restore: {error:?}", self.process.complaint())
        })
    }

    /// Takes the step that depends on all the steps before it.
    fn step(&mut self) -> Result<()> {
        let (say, hear) = self.next();
        self.talk(say, &hear)
    }

    /// What is said and heard in the next step.
    fn next(&mut self) -> (&'static str, String) {
        self.count += 1;
        let (say, hear) = self.server.step;
        (say, hear.replace("COUNT", &self.count.to_string()))
    }

    fn survives(mut self) -> Result<()> {
        for generation in 1..=self.server.generations {
            let image = self.place.scratch.join(&format!("{generation}.img"));
            checkpoint(&self.launch.program, self.process.pid(), &image, false)
                .with_context(|| format!("checkpoint {generation}"))?;
            let count = self.count;
            for _ in 0..3 {
                self.step().context("after a checkpoint")?;
            }
            self.process.kill()?;
            self.restore(&image)?;
            self.count = count;
            for _ in 0..3 {
                self.step().context("after a restore")?;
            }
        }
        self.ends()
    }

    /// A client has said half of something when the checkpoint is taken, and the rest of it afterwards. In the
    /// restored server its connection is broken, and nothing else is amiss. The client has seen the end of it when
    /// the old server was killed.
    fn loses_a_client(mut self) -> Result<()> {
        let mut client = self.place.connect(&mut self.process)?;
        let count = self.count;
        let (say, hear) = self.next();
        // Not even the first line of it.
        let line = say.find('\r').unwrap_or(say.len());
        let (half, rest) = say.split_at(line / 2);
        client.say(half)?;
        // Until it has been heard by a server that does one thing at a time.
        std::thread::sleep(std::time::Duration::from_millis(100));
        let image = self.place.scratch.join("client.img");
        checkpoint(&self.launch.program, self.process.pid(), &image, false)?;
        client.talk(rest, &hear).context("after a checkpoint")?;
        self.process.kill()?;
        client
            .sees_the_end()
            .context("the client of the killed server")?;
        // Others try to connect all the while: refused they may be, but who is let in stays so.
        let strangers = [(); 3].map(|()| self.place.stranger());
        self.restore(&image)?;
        self.count = count;
        for _ in 0..3 {
            self.step().context("after a restore")?;
        }
        for stranger in strangers.into_iter().flatten() {
            let stranger = stranger.join().map_err(|_| anyhow!("panic"))??;
            stranger.is_kept().context("another client")?;
        }
        self.ends()
    }

    /// The signal that ends the server does so in good order.
    fn ends(mut self) -> Result<()> {
        let (signal, expected) = self.server.end;
        self.process.signal(signal)?;
        let status = self.process.wait()?;
        ensure!(
            status.code() == Some(expected),
            "the server ended with {status}: {}",
            self.process.complaint()
        );
        Ok(())
    }

    fn restore(&mut self, image: &Path) -> Result<()> {
        let mut launch = self.launch.restore(image);
        let options = self.server.options.iter().map(|&option| option.to_owned());
        launch.args.extend(options);
        self.process = launch.start()?;
        Ok(())
    }
}

/// A child that writes the data is refused by its name; when it is done, the checkpoint is taken.
fn redis_saves_in_the_background() -> Result<()> {
    let server = catalogue()
        .into_iter()
        .find(|server| server.name == "redis");
    let server = server.context("redis")?;
    let mut run = Run::new(&server, Kind::Unix, server.unix.context("arguments")?)?;
    // Microseconds for each key.
    run.talk("CONFIG SET rdb-key-save-delay 600000000\r\n", "+OK\r\n")?;
    // Not to its end: the child has this connection, too.
    let mut client = run.place.connect(&mut run.process)?;
    client.talk("BGSAVE\r\n", "+Background saving started\r\n")?;
    drop(client);
    let image = run.place.scratch.join("saving.img");
    let asked = command_of(&run.launch.program, None)
        .args(["--checkpoint", &run.process.pid().to_string(), "-o"])
        .arg(&image)
        .output()?;
    let said = String::from_utf8(asked.stderr)?;
    let child = said
        .strip_prefix("ckpt: error: child ")
        .and_then(|rest| rest.strip_suffix(" (redis-server): not carried\n"));
    let child: i32 = child.with_context(|| format!("{said:?}"))?.parse()?;
    ensure!(asked.status.code() == Some(1) && !image.exists());
    run.step()?;

    let child = rustix::process::Pid::from_raw(child).context("process id 0")?;
    rustix::process::kill_process(child, rustix::process::Signal::KILL)?;
    let mut client = run.place.connect(&mut run.process)?;
    wait_until("the end of the saving", || {
        let told = client.talk("INFO persistence\r\nPING\r\n", "+PONG\r\n")?;
        Ok(told.contains("rdb_bgsave_in_progress:0"))
    })?;
    client.end()?;
    run.survives()
}
