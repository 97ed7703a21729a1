//! The files of a database, and how they come through the system's and the disk's caches.
//!
//! sled's flush asks the system to write (`sync_file_range`) and not the disk to keep; only [`Files::sync`] makes a commit
//! outlive a power cut. All that asks the disk goes through [`Disk`], so that a test can cut the power.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What can be asked of a disk.
pub(super) trait Disk: Send + Sync {
    /// Keeps the octets of a file, but not its name.
    fn keep_file(&self, path: &Path, file: &File) -> io::Result<()>;

    /// Keeps the names in a folder, but not what they stand for.
    fn keep_names(&self, folder: &Path) -> io::Result<()>;
}

/// The disk that the system has.
pub(super) struct SystemDisk;

impl Disk for SystemDisk {
    fn keep_file(&self, _: &Path, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn keep_names(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// The files of one database, as far as a commit may change them: the log, and a file for each large node.
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    log_path: PathBuf,
    log: File,
    blobs: PathBuf,
    /// Large nodes that are on the disk. They are written once, under names that are not used again.
    kept: RefCell<BTreeSet<OsString>>,
}

impl Files {
    /// The files of a database that is open in the folder `path`.
    pub(super) fn open(path: &Path, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let log_path = path.join("db");
        let log = File::open(&log_path)?;
        Ok(Self { disk, log_path, log, blobs: path.join("blobs"), kept: RefCell::default() })
    }

    /// Brings all that the engine flushed to the disk. Large nodes first, for the log names them.
    ///
    /// Nodes are large only where a block is, so the folder is empty as a rule, and looking into it costs microseconds.
    pub(super) fn sync(&self) -> io::Result<()> {
        let (mut present, mut fresh) = (BTreeSet::new(), false);
        let mut kept = self.kept.borrow_mut();
        for entry in fs::read_dir(&self.blobs)? {
            let entry = entry?;
            let name = entry.file_name();
            if !kept.contains(&name) {
                let path = entry.path();
                match File::open(&path).and_then(|file| self.disk.keep_file(&path, &file)) {
                    Ok(()) => fresh = true,
                    // Replaced meanwhile.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
            }
            present.insert(name);
        }
        if fresh {
            self.disk.keep_names(&self.blobs)?;
        }
        *kept = present;
        self.disk.keep_file(&self.log_path, &self.log)
    }
}

/// Makes the folder `path` where there is none, and keeps its name.
pub(super) fn make_folder(path: &Path, disk: &dyn Disk) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_folder(parent, disk)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => (),
        made => made?,
    }
    disk.keep_names(parent.unwrap_or_else(|| Path::new(".")))
}
