//! A certificate for a server, and the authority that issued it.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes `ca.pem`, `server.pem` and `server.key` in a directory.
pub(super) fn make(directory: &Path, expired: bool) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").expect("names");
    openssl(
        directory,
        &[&["req", "-x509"][..], &key, &["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority"]],
    );
    openssl(
        directory,
        &[&["req"][..], &key, &["-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"]],
    );
    let days = if expired { "-1" } else { "30" };
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
