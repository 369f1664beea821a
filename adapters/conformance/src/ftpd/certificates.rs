//! A certificate for a server, and the authority that issued it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::FtpdCertificate;
use crate::daemon::Daemon;

/// Makes `ca.pem`, `server.pem` and `server.key` in a server's directory.
pub(super) fn make(daemon: &Daemon, certificate: FtpdCertificate) {
    let directory = daemon.directory();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let names = match certificate {
        FtpdCertificate::OfAnotherName => "DNS:elsewhere.test".to_owned(),
        _ => format!("IP:{},DNS:localhost", daemon.address().ip()),
    };
    fs::write(directory.join("names"), format!("subjectAltName={names}\n")).expect("names");
    openssl(
        directory,
        &[&["req", "-x509"][..], &key, &["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority"]],
    );
    openssl(
        directory,
        &[&["req"][..], &key, &["-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"]],
    );
    let days = if certificate == FtpdCertificate::Expired { "-1" } else { "30" };
    let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(directory, &[&sign[..], &["-days", days, "-extfile", "names", "-out", "server.pem"]]);
}

/// SHA-256 of a certificate, as OpenSSL spells it.
pub(super) fn fingerprint(certificate: &Path) -> String {
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(certificate)
        .output()
        .expect("openssl");
    let text = String::from_utf8(output.stdout).expect("text");
    text.trim().split_once('=').expect("a fingerprint").1.to_owned()
}

/// Hashes a password as `crypt(3)` takes it.
pub(super) fn crypt(password: &str) -> String {
    let output = Command::new("openssl").args(["passwd", "-5", password]).output().expect("openssl");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

fn openssl(directory: &Path, arguments: &[&[&str]]) {
    let output = Command::new("openssl").args(arguments.concat()).current_dir(directory).output().expect("openssl");
    assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
}
