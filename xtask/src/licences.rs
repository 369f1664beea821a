//! `cargo xtask licences`: what the project links may be linked, and nothing is linked twice.
//!
//! Checked are the packages that a build for Linux uses, those of tests and build scripts too.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use anyhow::{Context, Result};
use cargo_metadata::{CargoOpt, Metadata, MetadataCommand, Package};
use spdx::{Expression, LicenseReq, ParseMode};

use crate::workspace;

/// Licences that any package may have. Where a package offers a choice, one of these must be in it.
const ALLOWED: [&str; 9] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "MPL-2.0",
    "ISC",
    "Zlib",
    "Unicode-3.0",
];

/// Packages that may have another licence: name, licence, why.
const EXCEPTIONS: [(&str, &str, &str); 2] = [
    ("notify", "CC0-1.0", "a dedication to the public domain; the usual crate for file notifications"),
    ("borrow-or-share", "MIT-0", "MIT without the duty to repeat the notice; jsonschema needs it"),
];

/// Packages that may be there in several versions, and why.
const DUPLICATES: [(&str, &str); 3] = [
    ("getrandom", "ring, ahash and the generators of russh are on one version each"),
    ("num-bigint", "russh is ahead of jsonschema"),
    ("syn", "derive macros move to version 3 one by one; nothing of it is in the program"),
];

const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Checks, and prints what is wrong.
pub(crate) fn run() -> Result<ExitCode> {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace::root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), PLATFORM.to_owned()])
        .exec()
        .context("ask cargo for the dependencies")?;
    let packages = dependencies(&metadata);
    let mut problems: Vec<String> = packages.iter().filter_map(|package| licence_problem(package)).collect();
    problems.extend(duplicate_problems(&packages));
    problems.extend(stale_exceptions(&packages));
    for problem in &problems {
        println!("{problem}");
    }
    println!("{} dependencies, {} problems", packages.len(), problems.len());
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What is resolved for the platform, without our own packages.
fn dependencies(metadata: &Metadata) -> Vec<&Package> {
    let used: BTreeSet<_> = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes).map(|node| &node.id).collect();
    let ours: BTreeSet<_> = metadata.workspace_members.iter().collect();
    metadata.packages.iter().filter(|package| used.contains(&package.id) && !ours.contains(&package.id)).collect()
}

fn licence_problem(package: &Package) -> Option<String> {
    let name = format!("{} {}", package.name, package.version);
    let Some(licence) = &package.license else { return Some(format!("{name}: states no licence")) };
    let excepted = EXCEPTIONS.iter().any(|(excepted, its, _)| package.name == *excepted && licence == its);
    if excepted || is_allowed(licence) { None } else { Some(format!("{name}: the licence `{licence}` is not allowed")) }
}

fn is_allowed(licence: &str) -> bool {
    // Old packages write `MIT/Apache-2.0`.
    let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else { return false };
    expression.evaluate(|required: &LicenseReq| ALLOWED.contains(&required.to_string().as_str()))
}

fn duplicate_problems(packages: &[&Package]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        versions.entry(package.name.as_str()).or_default().insert(package.version.to_string());
    }
    let known = |name: &str| DUPLICATES.iter().any(|(duplicate, _)| *duplicate == name);
    let several = versions.into_iter().filter(|(name, versions)| versions.len() > 1 && !known(name));
    several
        .map(|(name, versions)| format!("{name}: several versions ({})", Vec::from_iter(versions).join(", ")))
        .collect()
}

/// An exception that nothing needs any more would let something else through one day.
fn stale_exceptions(packages: &[&Package]) -> Vec<String> {
    let count = |name: &str| packages.iter().filter(|package| package.name == name).count();
    let licences = EXCEPTIONS.iter().filter(|(name, ..)| count(name) == 0).map(|(name, ..)| *name);
    let duplicates = DUPLICATES.iter().filter(|(name, _)| count(name) < 2).map(|(name, _)| *name);
    licences.chain(duplicates).map(|name| format!("{name}: an exception that nothing needs")).collect()
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn one_alternative_must_be_allowed_and_every_condition() {
        for allowed in [
            "MIT",
            "MIT/Apache-2.0",
            "Unlicense OR MIT",
            "0BSD OR MIT OR Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
        ] {
            assert!(is_allowed(allowed), "{allowed}");
        }
        assert!(is_allowed("Apache-2.0 WITH LLVM-exception OR GPL-2.0"));
        for forbidden in ["GPL-3.0", "MIT AND GPL-3.0", "Unlicense", "AGPL-3.0 OR SSPL-1.0", "something of our own"] {
            assert!(!is_allowed(forbidden), "{forbidden}");
        }
    }
}
