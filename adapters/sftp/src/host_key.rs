//! Whether the server is the one that was meant: its host key against what the configuration says.

use dropbridge_port::{ErrorKind, PortError, Result};
use russh::keys::ssh_key::Algorithm;
use russh::keys::{HashAlg, PublicKey, known_hosts, parse_public_key_base64};

use crate::settings::SftpSettings;

const OPERATION: &str = "connect";

/// What a fingerprint begins with; others than SHA-256 are not taken.
const FINGERPRINT: &str = "SHA256:";

/// The keys that are accepted.
#[derive(Debug)]
pub(crate) struct KnownHost {
    share: String,
    address: String,
    fingerprints: Vec<String>,
    keys: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
}

impl KnownHost {
    /// What the settings say, with `known_hosts` as it is now.
    ///
    /// # Errors
    /// `Configuration` for a key that is none, or a file that cannot be read.
    pub(crate) fn of(settings: &SftpSettings) -> Result<Self> {
        let mut known = Self {
            share: settings.share.clone(),
            address: settings.address(),
            fingerprints: Vec::new(),
            keys: Vec::new(),
            revoked: Vec::new(),
        };
        for stated in &settings.trust.host_keys {
            match stated.starts_with(FINGERPRINT) {
                true => known.fingerprints.push(stated.clone()),
                false => known.keys.push(public_key(stated).ok_or_else(|| known.no_key(stated))?),
            }
        }
        if let Some(path) = &settings.trust.known_hosts {
            let unusable = |error: &dyn std::fmt::Display| {
                PortError::new(ErrorKind::Configuration, "read known hosts", path.display().to_string(), error)
                    .with_hint("name a file in the form of OpenSSH's known_hosts, or state `host_key`")
            };
            let text = std::fs::read_to_string(path).map_err(|error| unusable(&error))?;
            let keys = known_hosts::known_host_keys_path(&settings.host, settings.port, path);
            known.keys.extend(keys.map_err(|error| unusable(&error))?.into_iter().map(|(_, key)| key));
            let revoked = text.lines().filter_map(|line| line.strip_prefix("@revoked "));
            known.revoked.extend(revoked.filter_map(|line| public_key(line.split_once(' ')?.1)));
        }
        Ok(known)
    }

    /// The algorithms of the known keys: a server has several keys, and has to show one that can be compared. Empty where
    /// only fingerprints are known, or nothing.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        if !self.fingerprints.is_empty() {
            return Vec::new();
        }
        self.keys.iter().map(PublicKey::algorithm).collect()
    }

    /// Accepts the key, or says why not and how it could be.
    ///
    /// # Errors
    /// `Refused`.
    pub(crate) fn judge(&self, shown: &PublicKey) -> Result<()> {
        let fingerprint = shown.fingerprint(HashAlg::Sha256).to_string();
        let name = format!("{} {fingerprint}", shown.algorithm().as_str());
        let refused = |message: String| PortError::new(ErrorKind::Refused, OPERATION, &self.address, message);
        if self.revoked.iter().any(|key| key.key_data() == shown.key_data()) {
            return Err(refused(format!("the server shows the host key {name}, which is revoked"))
                .with_hint("ask the server's owner: whoever has this key may not be who was meant"));
        }
        let is_known =
            self.fingerprints.contains(&fingerprint) || self.keys.iter().any(|key| key.key_data() == shown.key_data());
        if is_known {
            return Ok(());
        }
        let known: Vec<String> = self
            .fingerprints
            .iter()
            .cloned()
            .chain(self.keys.iter().map(|key| key.fingerprint(HashAlg::Sha256).to_string()))
            .collect();
        let accept = format!("state host_key = \"{fingerprint}\" in [share.{}]", self.share);
        if known.is_empty() {
            return Err(refused(format!("the server shows the host key {name}, which is not known"))
                .with_hint(format!(
                    "compare it with what the server's owner says (`ssh-keygen -lf` of its public host key); if it is the \
                     same, {accept}"
                )));
        }
        Err(refused(format!("the server shows the host key {name}, and {} is expected", known.join(" or "))).with_hint(
            format!(
                "somebody may have put another server in its place: ask the server's owner; if its key was changed, {accept}"
            ),
        ))
    }

    fn no_key(&self, stated: &str) -> PortError {
        let message = format!("`{stated}` is no host key");
        PortError::new(ErrorKind::Configuration, OPERATION, &self.address, message)
            .with_hint("state a fingerprint (`SHA256:…`) or a public key (`ssh-ed25519 AAAA…`)")
    }
}

/// `ALGORITHM BASE64 [comment]`.
fn public_key(text: &str) -> Option<PublicKey> {
    parse_public_key_base64(text.split_whitespace().nth(1)?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::time::Duration;

    use super::*;
    use crate::settings::HostKeyTrust;

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDmT1PPBqaKFUvPjj4L6jTK+BHl5KUvJOt9kx0Ys2gqx";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn settings(trust: HostKeyTrust) -> SftpSettings {
        SftpSettings {
            share: "gateway".to_owned(),
            host: "files.example.org".to_owned(),
            port: 22,
            user: "payroll".to_owned(),
            password: None,
            private_key: None,
            trust,
            connect_timeout: Duration::from_secs(1),
            stall_timeout: Duration::from_secs(1),
            parallel_transfers: 1,
        }
    }

    fn known(host_keys: &[&str]) -> KnownHost {
        let host_keys = host_keys.iter().map(|&key| key.to_owned()).collect();
        KnownHost::of(&settings(HostKeyTrust { host_keys, known_hosts: None })).unwrap()
    }

    #[test]
    fn only_stated_keys_are_accepted() {
        let (one, other) = (public_key(ONE).unwrap(), public_key(OTHER).unwrap());
        let fingerprint = one.fingerprint(HashAlg::Sha256).to_string();
        for trusted in [known(&[ONE]), known(&[&fingerprint]), known(&[OTHER, ONE])] {
            trusted.judge(&one).unwrap();
        }
        let unknown = known(&[]).judge(&one).unwrap_err();
        assert_eq!(unknown.kind, ErrorKind::Refused);
        assert!(unknown.message.contains(&fingerprint), "{unknown}");
        assert!(unknown.hint.unwrap().contains(&format!("host_key = \"{fingerprint}\" in [share.gateway]")));
        let changed = known(&[ONE]).judge(&other).unwrap_err();
        assert_eq!(changed.kind, ErrorKind::Refused);
        assert!(changed.message.contains(&fingerprint) && changed.message.contains("is expected"), "{changed}");
        assert!(KnownHost::of(&settings(HostKeyTrust { host_keys: vec!["x".to_owned()], known_hosts: None })).is_err());
    }

    #[test]
    fn known_hosts_are_found_by_name_and_port_and_revoked_keys_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("known_hosts");
        let one = public_key(ONE).unwrap();
        let judged = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let trust = HostKeyTrust { host_keys: Vec::new(), known_hosts: Some(path.clone()) };
            KnownHost::of(&settings(trust)).unwrap().judge(&one)
        };
        judged(&format!("# ours\nfiles.example.org,10.0.0.1 {ONE}\n")).unwrap();
        assert!(judged(&format!("other.example.org {ONE}\n")).is_err());
        assert!(judged(&format!("[files.example.org]:2222 {ONE}\n")).is_err());
        let revoked = judged(&format!("files.example.org {ONE}\n@revoked * {ONE}\n")).unwrap_err();
        assert!(revoked.message.contains("revoked"), "{revoked}");
        let trust = HostKeyTrust { host_keys: Vec::new(), known_hosts: Some(scratch.path().join("missing")) };
        assert_eq!(KnownHost::of(&settings(trust)).unwrap_err().kind, ErrorKind::Configuration);
    }
}
