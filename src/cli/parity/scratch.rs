//! Scratch files on disk: without a name from the beginning, so that nobody else opens them and none is left behind,
//! whatever ends the process. They carry other people's data.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::parity::{Scratch, ScratchFile};

/// A directory in which they take their room.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn file(&self) -> io::Result<File> {
        let file = tempfile::tempfile_in(&self.0);
        file.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.0.display())))
    }
}

impl Scratch for Directory {
    fn create(&self) -> io::Result<Box<dyn ScratchFile>> {
        Ok(Box::new(self.file()?))
    }
}
