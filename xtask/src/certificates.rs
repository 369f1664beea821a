//! A certificate authority and a server certificate for one test node, by `openssl`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::programs;

const KEY: [&str; 6] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256"];

/// Writes `ca.pem`, which clients trust, and `node.pem`, key and certificate of the node, into a new directory.
pub(crate) fn make(directory: &Path) -> Result<()> {
    programs::require("openssl", "the listener with TLS cannot be set up")?;
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    let at = |name: &str| directory.join(name).display().to_string();
    openssl(&["-keyout", &at("ca.key"), "-out", &at("ca.pem"), "-subj", "/CN=dropbridge test authority"])?;
    let subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
    let issuer = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", &at("ca.pem"), "-CAkey", &at("ca.key")];
    let output = ["-keyout", &at("node.key"), "-out", &at("node.crt")];
    openssl(&[&output[..], &subject[..], &issuer[..]].concat())?;
    let mut both = fs::read(directory.join("node.key"))?;
    both.extend(fs::read(directory.join("node.crt"))?);
    fs::write(directory.join("node.pem"), both).context("write the node's key and certificate")
}

fn openssl(arguments: &[&str]) -> Result<()> {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-days", "3650"])
        .args(KEY)
        .args(arguments)
        .output()
        .context("run openssl")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
