//! The program whose log throughput is measured: this one, under a hidden verb.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::{
    failure::{Outcome, at, doing},
    interrupt::wait_for,
};

/// The hidden verb.
pub(crate) const VERB: &str = "__write";

/// How much is written.
const BYTES: usize = 64_000_000;

/// The length of a line, its end included.
const LINE: usize = 100;

/// What a program's runtime usually gathers before it writes.
const BUFFER: usize = 4096;

/// How long the writer may take to come up, and to write.
const LIMIT: Duration = Duration::from_mins(1);

/// The files by which a writer in another process is told to begin, and tells its speed.
#[derive(Clone, Debug)]
pub(crate) struct Signs {
    directory: PathBuf,
}

impl Signs {
    /// Signs in `directory`, which nobody else uses at the time.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// What the writer is called with.
    pub(crate) fn args(&self) -> Vec<String> {
        vec![VERB.to_owned(), self.directory.to_string_lossy().into_owned()]
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("writer-{name}"))
    }

    /// Waits until the writer is up, tells it to begin and gives the bytes that it wrote in a second.
    pub(crate) fn conduct(&self) -> Outcome<f64> {
        let (ready, go, rate) = (self.file("ready"), self.file("go"), self.file("rate"));
        wait_for("the log writer comes up", LIMIT, || ready.exists().then_some(()))?;
        fs::write(&go, "").map_err(at(&go))?;
        let bytes_per_second = wait_for("the log writer ends", LIMIT, || {
            fs::read_to_string(&rate).ok()?.strip_suffix('\n')?.parse().ok()
        })?;
        for file in [ready, go, rate] {
            fs::remove_file(&file).map_err(at(&file))?;
        }
        Ok(bytes_per_second)
    }

    /// The writer itself: waits until it is told to begin, so that whoever started it is at rest again.
    pub(crate) fn write(&self) -> Outcome<()> {
        let ready = self.file("ready");
        fs::write(&ready, "").map_err(at(&ready))?;
        while !self.file("go").exists() {
            thread::sleep(Duration::from_millis(1));
        }
        let began = Instant::now();
        lines().map_err(doing("writing the log"))?;
        let rate = self.file("rate");
        let bytes_per_second = BYTES as f64 / began.elapsed().as_secs_f64();
        fs::write(&rate, format!("{bytes_per_second}\n")).map_err(at(&rate))
    }
}

fn lines() -> io::Result<()> {
    // Standard output itself would write each line at once.
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut output = BufWriter::with_capacity(BUFFER, output);
    let mut line = [b'x'; LINE];
    line[LINE - 1] = b'\n';
    for _ in 0..BYTES / LINE {
        output.write_all(&line)?;
    }
    output.flush()
}
