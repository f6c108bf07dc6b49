//! A program on the other side of two pipes: say something, wait for an answer.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::spawn;

use anyhow::{Context, Result};

use crate::place::give;
use crate::run::{Process, wait_until};

/// A running program with its standard input and output.
#[derive(Debug)]
pub struct Dialog {
    process: Process,
    input: Option<ChildStdin>,
    heard: Arc<Mutex<Vec<u8>>>,
    /// What was heard up to here has been answered.
    position: usize,
}

impl Dialog {
    /// Starts the command in a directory.
    pub fn start(command: &mut Command, dir: &Path) -> Result<Self> {
        // A file, and not what the tests' caller has there: the program opens it again after a restore.
        let complaints = dir.join("dialog.err");
        let error = File::create(&complaints).context("make dialog.err")?;
        give(&complaints)?;
        let mut child = command
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(error)
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let input = child.stdin.take();
        let mut output = child.stdout.take().context("no standard output")?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&heard);
        spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                let mut all = listener.lock().unwrap_or_else(PoisonError::into_inner);
                all.extend_from_slice(buffer.get(..count).unwrap_or_default());
            }
        });
        Ok(Self {
            process: Process::new(child, complaints),
            input,
            heard,
            position: 0,
        })
    }

    /// The program.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Writes to its standard input.
    pub fn say(&mut self, text: &str) -> Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        input.write_all(text.as_bytes())?;
        input.flush()?;
        Ok(())
    }

    /// Closes its standard input.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    /// Waits until its output, from the last such place on, has this text.
    pub fn hear(&mut self, text: &str) -> Result<()> {
        let what = format!("{text:?}");
        let (heard, position) = (Arc::clone(&self.heard), self.position);
        let mut found = None;
        let result = wait_until(&what, || {
            let all = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let rest = all.get(position..).unwrap_or_default();
            found = rest
                .windows(text.len())
                .position(|window| window == text.as_bytes());
            Ok(found.is_some())
        });
        result.with_context(|| format!("heard so far: {:?}", self.all()))?;
        self.position = position + found.unwrap_or(0) + text.len();
        Ok(())
    }

    /// All of its output up to now.
    pub fn all(&self) -> String {
        let all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Waits for its end.
    pub fn end(&mut self) -> Result<ExitStatus> {
        let heard = self.all();
        self.process
            .wait()
            .with_context(|| format!("heard so far: {heard:?}"))
    }
}
