//! Where the files of keys lie: few and small, each replaced as a whole or destroyed, durably and one by one.
//!
//! Not in the engine's files: those are logs, in which what was deleted stays for as long as they like.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::KeyFault;
use crate::store::files::{Disk, make_folder};

/// A folder of small files.
pub(super) trait Drawer: Send {
    /// The names in it, but for what a crash left half written.
    fn names(&self) -> Result<Vec<String>, KeyFault>;

    /// Removes what a crash left half written.
    fn tidy(&mut self) -> Result<(), KeyFault>;

    /// What a file holds; `None` where there is none.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, KeyFault>;

    /// Writes a file, or replaces it by another: durable when it returns, the old one or the new one at any time.
    fn put(&mut self, name: &str, octets: &[u8]) -> Result<(), KeyFault>;

    /// Destroys files, durably. One that is not there is no fault.
    fn destroy(&mut self, names: &[String]) -> Result<(), KeyFault>;

    /// Where a file is, for people.
    fn place(&self, name: &str) -> PathBuf;
}

/// A folder on a disk.
pub(super) struct Folder {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Folder {
    /// The folder at `path`, which is made when something is put into it.
    pub(super) fn new(path: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { path: if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() }, disk }
    }

    fn all(&self) -> Result<Vec<String>, KeyFault> {
        let fault = |error: io::Error| KeyFault::file(&self.path, &error);
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fault(error)),
        };
        let name =
            |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<io::Result<_>>().map_err(fault)
    }

    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(octets)?;
        self.disk.keep_file(path, &file)
    }

    /// Writes zeros over what a file holds. Some file systems and disks keep the old octets elsewhere; most do not.
    fn blank(&self, path: &Path, file: &mut File) -> io::Result<()> {
        let length = file.metadata()?.len().min(LONGEST);
        file.seek(SeekFrom::Start(0))?;
        io::copy(&mut io::repeat(0).take(length), file)?;
        self.disk.keep_file(path, file)
    }

    fn replace(&self, name: &str, octets: &[u8]) -> io::Result<()> {
        make_folder(&self.path, &*self.disk)?;
        let (path, fresh) = (self.path.join(name), self.path.join(format!("{FRESH}{name}")));
        let old = OpenOptions::new().write(true).open(&path).ok();
        self.write(&fresh, octets)?;
        fs::rename(&fresh, &path)?;
        self.disk.keep_names(&self.path)?;
        if let Some(mut old) = old {
            // It has no name any more. What cannot be written over is gone as far as the file system lets it.
            let _ = self.blank(&path, &mut old);
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<bool> {
        let path = self.path.join(name);
        match OpenOptions::new().write(true).open(&path) {
            Ok(mut file) => self.blank(&path, &mut file)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        fs::remove_file(&path).map(|()| true)
    }
}

impl Drawer for Folder {
    fn names(&self) -> Result<Vec<String>, KeyFault> {
        Ok(self.all()?.into_iter().filter(|name| !name.starts_with(FRESH)).collect())
    }

    fn tidy(&mut self) -> Result<(), KeyFault> {
        let left: Vec<String> = self.all()?.into_iter().filter(|name| name.starts_with(FRESH)).collect();
        self.destroy(&left)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, KeyFault> {
        let path = self.path.join(name);
        let mut octets = Vec::new();
        match File::open(&path).and_then(|file| file.take(LONGEST).read_to_end(&mut octets)) {
            Ok(_) => Ok(Some(octets)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KeyFault::file(&path, &error)),
        }
    }

    fn put(&mut self, name: &str, octets: &[u8]) -> Result<(), KeyFault> {
        self.replace(name, octets).map_err(|error| KeyFault::file(&self.path.join(name), &error))
    }

    fn destroy(&mut self, names: &[String]) -> Result<(), KeyFault> {
        let mut any = false;
        for name in names {
            any |= self.remove(name).map_err(|error| KeyFault::file(&self.path.join(name), &error))?;
        }
        if !any {
            return Ok(());
        }
        self.disk.keep_names(&self.path).map_err(|error| KeyFault::file(&self.path, &error))
    }

    fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// A drawer in memory, for stores in memory. What is put is durable at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    files: BTreeMap<String, Vec<u8>>,
}

impl Drawer for Memory {
    fn names(&self) -> Result<Vec<String>, KeyFault> {
        Ok(self.files.keys().cloned().collect())
    }

    fn tidy(&mut self) -> Result<(), KeyFault> {
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, KeyFault> {
        Ok(self.files.get(name).cloned())
    }

    fn put(&mut self, name: &str, octets: &[u8]) -> Result<(), KeyFault> {
        self.files.insert(name.to_owned(), octets.to_vec());
        Ok(())
    }

    fn destroy(&mut self, names: &[String]) -> Result<(), KeyFault> {
        for name in names {
            self.files.remove(name);
        }
        Ok(())
    }

    fn place(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }
}

/// Begins the name of a file that is not in its place yet.
const FRESH: &str = ".new-";

/// Octets of the longest file: 65,535 accounts' keys of a day are a tenth of it.
const LONGEST: u64 = 64 << 20;
