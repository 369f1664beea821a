//! The jars of Apache Kafka: from Maven Central once, by `xtask/kafka/pom.xml`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::programs;
use crate::workspace;

const POM: &str = include_str!("../kafka/pom.xml");

/// The directory of the jars. They are brought when they are not there, or when the pom is another than it was.
pub(crate) fn bring() -> Result<PathBuf> {
    let jars = workspace::kafka().join("jars");
    let stamp = jars.join("pom.xml");
    if fs::read_to_string(&stamp).is_ok_and(|brought| brought == POM) {
        return Ok(jars);
    }
    programs::require("mvn", "Apache Kafka cannot be brought")?;
    eprintln!("bringing Apache Kafka from Maven Central to {} …", jars.display());
    if jars.exists() {
        fs::remove_dir_all(&jars).with_context(|| format!("remove {}", jars.display()))?;
    }
    let status = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(workspace::root().join("xtask/kafka/pom.xml"))
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .status()
        .context("run mvn")?;
    ensure!(status.success(), "mvn could not bring the jars of Apache Kafka ({status}): is Maven Central in reach?");
    // Written last: a directory without it is an unfinished one.
    fs::write(&stamp, POM).with_context(|| format!("write {}", stamp.display()))?;
    Ok(jars)
}
