//! Staging: the file of a delivery and what stands beside it, under temporary names, synced and witnessed.

use std::io::{self, Write};

use dropbridge_port::failpoint::Failpoint;
use dropbridge_port::{EntryPath, ErrorKind, Outbox, PortError, StagedFile, StagedName, WrittenFile};
use md5::{Digest, Md5};

use super::journal::{Journal, pass};
use super::mirror::AssemblyError;
use super::source::Source;
use crate::capture::readiness::ChecksumAlgorithm;
use crate::config::settings::RenderingSettings;
use crate::domain::ContentHash;
use crate::domain::hash::hex;
use crate::ledger::delivery::{Delivery, Part, PartRole};

/// The parts of one delivery while they are made.
pub(super) struct Stage<'d> {
    outbox: &'d dyn Outbox,
    journal: &'d Journal,
    settings: &'d RenderingSettings,
    /// Whose temporary names they are.
    owner: &'d str,
    names: Vec<StagedName>,
}

impl<'d> Stage<'d> {
    pub(super) fn new(
        outbox: &'d dyn Outbox,
        journal: &'d Journal,
        settings: &'d RenderingSettings,
        owner: &'d str,
    ) -> Self {
        Self { outbox, journal, settings, owner, names: Vec::new() }
    }

    /// Every part, in the order in which they are to be published: data, checksum, marker. Of what came to nothing,
    /// nothing is left, as far as the outbox allows.
    pub(super) fn parts(
        mut self,
        source: &mut dyn Source,
        delivery: &mut Delivery,
    ) -> Result<Vec<Part>, AssemblyError> {
        let parts = self.all(source, delivery);
        // An output that was begun anew has left the one before it.
        let needed: Vec<&str> = parts.iter().flatten().map(|part| part.staged.as_str()).collect();
        for name in self.names.iter().filter(|name| !needed.contains(&name.to_string().as_str())) {
            if let Err(error) = self.outbox.discard(name) {
                tracing::debug!(%error, "what was staged stays until the next start");
            }
        }
        parts
    }

    fn all(&mut self, source: &mut dyn Source, delivery: &mut Delivery) -> Result<Vec<Part>, AssemblyError> {
        let name = source.path(delivery)?;
        let path = EntryPath::parse(&name);
        let path = path.ok_or_else(|| AssemblyError::Refused(format!("`{name}` is no file name")))?;
        let (data, md5) = self.data(source, delivery, &path)?;
        let sha256 = data.sha256;
        let mut parts = vec![data];
        let settings = self.settings;
        let beside = |name: Vec<u8>| {
            let wrong = || AssemblyError::Refused(format!("no name can be made beside `{path}`"));
            path.sibling(&name).ok_or_else(wrong)
        };
        if let Some(rule) = &settings.checksum {
            let checksum = match rule.algorithm {
                ChecksumAlgorithm::Md5 => md5.unwrap_or_default(),
                ChecksumAlgorithm::Sha256 => sha256.to_string(),
            };
            let mut content = format!("{checksum}  ").into_bytes();
            content.extend_from_slice(path.file_name());
            content.push(b'\n');
            let target = beside(rule.sidecar.apply(path.file_name()))?;
            parts.push(self.small(PartRole::Checksum, &target, &content)?);
        }
        if let Some(template) = &settings.marker {
            let target = beside(template.apply(path.file_name()))?;
            parts.push(self.small(PartRole::Marker, &target, b"")?);
        }
        Ok(parts)
    }

    /// The file itself, and its MD5 where that is to stand beside it.
    fn data(
        &mut self,
        source: &mut dyn Source,
        delivery: &mut Delivery,
        path: &EntryPath,
    ) -> Result<(Part, Option<String>), AssemblyError> {
        let Self { outbox, journal, settings, owner, names } = self;
        let is_md5_wanted = settings.checksum.as_ref().is_some_and(|rule| rule.algorithm == ChecksumAlgorithm::Md5);
        let (sink, rendered) = source.write(delivery, &mut || {
            let name = name(owner, journal.epoch(), journal.next_number())?;
            names.push(name.clone());
            let md5 = is_md5_wanted.then(Md5::new);
            Ok(Sink { file: outbox.stage(&name, settings.attributes)?, md5 })
        })?;
        pass(Failpoint::Rendered)?;
        let md5 = sink.md5.map(|md5| hex(&md5.finalize()));
        let written = sink.file.finish()?;
        if hex(&written.sha256) != rendered.sha256.to_string() {
            let message = "what was staged has another hash than what was rendered";
            return Err(PortError::new(ErrorKind::Corrupt, "stage", path.to_string(), message).into());
        }
        Ok((self.part(PartRole::Data, path, written)?, md5))
    }

    fn small(&mut self, role: PartRole, path: &EntryPath, content: &[u8]) -> Result<Part, AssemblyError> {
        let name = name(self.owner, self.journal.epoch(), self.journal.next_number())?;
        self.names.push(name.clone());
        let mut file = self.outbox.stage(&name, self.settings.attributes)?;
        file.write(content)?;
        let written = file.finish()?;
        self.part(role, path, written)
    }

    /// The part that was written last, with its witness.
    fn part(&self, role: PartRole, path: &EntryPath, written: WrittenFile) -> Result<Part, AssemblyError> {
        let name = self.names.last().ok_or_else(|| AssemblyError::Refused("nothing is staged".to_owned()))?;
        self.outbox.witness(name)?;
        Ok(Part {
            role,
            target: path.to_string(),
            staged: name.to_string(),
            bytes: written.size,
            sha256: ContentHash::from(written.sha256),
        })
    }
}

fn name(owner: &str, epoch: u64, number: u64) -> Result<StagedName, PortError> {
    let wrong = || PortError::new(ErrorKind::Bug, "stage", owner, "this cannot be part of a temporary name");
    StagedName::new(owner, epoch, number).ok_or_else(wrong)
}

/// A staged file as something to write to.
pub(super) struct Sink {
    file: Box<dyn StagedFile>,
    md5: Option<Md5>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.file.write(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
