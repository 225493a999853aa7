//! The directory of a log: whose it is, and in which format.
//!
//! ```text
//! LOCK       held by the process that has the directory open
//! FORMAT     "tapeline log 3\n": the format of everything beside it
//! CACHE      the identity of the log that this is the cache of, where it is one
//! COPYING    a log is being copied there, and is not whole
//! journal/   what was acknowledged and is not yet safe in the store
//! store/     everything else
//! ```
//!
//! A directory that is made gets its FORMAT last, before anything is written to its parts. So one that has a FORMAT has all of
//! them, and one that has anything recorded has a FORMAT: where that is not so, something was lost.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::OpenError;

const LOCK: &str = "LOCK";
const FORMAT_FILE: &str = "FORMAT";
const CACHE: &str = "CACHE";
const COPYING: &str = "COPYING";
const JOURNAL: &str = "journal";
const STORE: &str = "store";
const FORMAT: u32 = 3;
/// In 1, streams had no horizon, and segments no index; in 2, objects had no indexes. All else is the same, so such a
/// directory is opened as it is; from then on it says the newer format, for the sake of versions that know an older one
/// alone.
const OLDEST: u32 = 1;
const FORMAT_WORDS: &str = "tapeline log ";

/// A directory that is ours while this lives.
pub(super) struct Directory {
    path: PathBuf,
    lock: File,
}

impl Drop for Directory {
    /// Closing the file alone leaves it locked for as long as a child that is being started has it open.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Directory {
    /// Takes a directory with a log, making it where there is none.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let directory = Self::locked(path)?;
        match directory.read_cache()? {
            Some(of) => Err(OpenError::Cache { directory: path.to_owned(), of }),
            None if directory.is_being_copied() => Err(OpenError::Copying { directory: path.to_owned() }),
            None => directory.prepare(),
        }
    }

    /// Takes a directory into which a log may be copied, making it where there is none.
    pub(super) fn take_to_copy(path: &Path) -> Result<Self, OpenError> {
        let directory = Self::locked(path)?;
        match directory.read_cache()? {
            Some(of) => Err(OpenError::Cache { directory: path.to_owned(), of }),
            None => directory.prepare(),
        }
    }

    /// Whether a log is being copied there.
    pub(super) fn is_being_copied(&self) -> bool {
        self.path.join(COPYING).exists()
    }

    /// Says that a log is being copied there, or that it is whole.
    pub(super) fn say_copying(&self, copying: bool) -> io::Result<()> {
        let path = self.path.join(COPYING);
        match copying {
            true => write_line(&path, "tapeline copy was not finished: run it again")?,
            false => fs::remove_file(path)?,
        }
        sync_directory(&self.path)
    }

    /// Takes a directory with the cache of a log, making it where there is none.
    pub(super) fn take_cache(path: &Path, of: &str) -> Result<Self, OpenError> {
        let directory = Self::locked(path)?;
        match directory.read_cache()? {
            Some(other) if other != of => Err(OpenError::Cache { directory: path.to_owned(), of: other }),
            Some(_) => directory.prepare(),
            None if directory.read_format()?.is_some() => Err(OpenError::NoCache { directory: path.to_owned() }),
            None => {
                write_line(&path.join(CACHE), of)?;
                directory.prepare()
            }
        }
    }

    fn locked(path: &Path) -> Result<Self, OpenError> {
        make(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                io::Error::new(io::ErrorKind::NotADirectory, "this is a file: name a directory")
            }
            _ => error,
        })?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        Ok(Self { path: path.to_owned(), lock: locked(lock, path)? })
    }

    /// Makes the parts that are not there yet, where nothing was lost.
    fn prepare(self) -> Result<Self, OpenError> {
        if self.check_parts()?.is_none() {
            fs::create_dir_all(self.journal())?;
            fs::create_dir_all(self.store())?;
            sync_directory(&self.path)?;
        }
        Ok(self)
    }

    /// Checks that all parts are there that are there where it says its format. `None` where it does not say.
    fn check_parts(&self) -> Result<Option<u32>, OpenError> {
        let format = self.read_format()?;
        match format {
            Some(_) if !self.journal().is_dir() => Err(self.lacks(JOURNAL)),
            Some(_) if !has_anything(&self.store())? => Err(self.lacks(STORE)),
            None if has_anything(&self.journal())? => Err(self.lacks(FORMAT_FILE)),
            _ => Ok(format),
        }
    }

    fn lacks(&self, missing: &'static str) -> OpenError {
        OpenError::Incomplete { directory: self.path.clone(), missing }
    }

    /// Says the format once the store is open, in a file that is there with all it says or not at all. `is_used`: something
    /// was written to the store before.
    pub(super) fn is_open(&self, is_used: bool) -> Result<(), OpenError> {
        match self.read_format()? {
            Some(FORMAT) => return Ok(()),
            None if is_used => return Err(self.lacks(FORMAT_FILE)),
            _ => {}
        }
        let new = self.path.join(FORMAT_FILE.to_owned() + ".new");
        write_line(&new, &format!("{FORMAT_WORDS}{FORMAT}"))?;
        fs::rename(new, self.path.join(FORMAT_FILE))?;
        Ok(sync_directory(&self.path)?)
    }

    /// Takes a directory that has a log, and changes nothing.
    pub(super) fn look(path: &Path) -> Result<Self, OpenError> {
        let no_log = || OpenError::NoLog { directory: path.to_owned() };
        let lock = File::open(path.join(LOCK)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => no_log(),
            _ => error.into(),
        })?;
        let directory = Self { path: path.to_owned(), lock: locked(lock, path)? };
        directory.check_parts()?.ok_or_else(no_log)?;
        Ok(directory)
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    pub(super) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Whether it is the cache of a log that is elsewhere.
    pub(super) fn is_cache(&self) -> io::Result<bool> {
        Ok(self.read_cache()?.is_some())
    }

    /// Of which log it is the cache, if of any.
    fn read_cache(&self) -> io::Result<Option<String>> {
        Ok(read_text(&self.path.join(CACHE))?.map(|text| text.trim_end().to_owned()))
    }

    /// Checks that it has the format that is known here. `None` where it does not say.
    fn read_format(&self) -> Result<Option<u32>, OpenError> {
        let path = self.path.join(FORMAT_FILE);
        let Some(text) = read_text(&path)? else { return Ok(None) };
        let found = text.trim_end().strip_prefix(FORMAT_WORDS).and_then(|number| number.parse().ok());
        match found {
            Some(known @ OLDEST..=FORMAT) => Ok(Some(known)),
            Some(newer) if newer > FORMAT => Err(OpenError::Newer { found: newer, known: FORMAT }),
            _ => Err(OpenError::Foreign { path, text }),
        }
    }
}

fn locked(lock: File, directory: &Path) -> Result<File, OpenError> {
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { directory: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Makes a directory, and those that it is in, with names that are durable.
fn make(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(path)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(|parent| match parent.as_os_str().is_empty() {
        true => sync_directory(Path::new(".")),
        false => sync_directory(parent),
    })
}

/// Whether anything is in a directory, where there is one.
fn has_anything(path: &Path) -> io::Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().transpose()?.is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a file says. `None` where there is none, or it is empty.
fn read_text(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_line(path: &Path, line: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    writeln!(file, "{line}")?;
    file.sync_all()
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
