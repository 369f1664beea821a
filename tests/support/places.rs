//! Places that a test makes for an outbox: mounted, small, somebody else's. Most of it takes root.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Running, Site, wait_for};

/// Says by name what is not tested; where nothing may be skipped it fails.
pub fn skip(test: &str, why: &str) {
    dropbridge_conformance::openssh::skipped(&format!("{test}: {why}"));
}

/// Something mounted on a directory; it is unmounted when the test ends.
pub struct Mount(PathBuf);

impl Mount {
    /// `None` where we may not mount; that is said by name, and fails where nothing may be skipped.
    pub fn new(test: &str, arguments: &[&str], at: &Path) -> Option<Self> {
        let output = Command::new("mount").args(arguments).arg(at).output().unwrap();
        if output.status.success() {
            return Some(Self(at.to_owned()));
        }
        skip(test, &format!("cannot mount, which takes root: {}", String::from_utf8_lossy(&output.stderr).trim()));
        None
    }

    /// An ext4 of so many bytes, in a file.
    pub fn small_ext4(test: &str, image: &Path, bytes: u64, at: &Path) -> Option<Self> {
        fs::File::create(image).unwrap().set_len(bytes).unwrap();
        if !Command::new("mkfs.ext4").arg("-q").arg(image).status().is_ok_and(|status| status.success()) {
            skip(test, "no mkfs.ext4: install Debian's package `e2fsprogs`");
            return None;
        }
        let mount = Self::new(test, &["-o", "loop", image.to_str().unwrap()], at)?;
        fs::remove_dir(at.join("lost+found")).unwrap();
        Some(mount)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The test may have done it already.
        let _done = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// Mounts; it has to succeed.
pub fn mount(arguments: &[&str], at: &Path) {
    assert!(Command::new("mount").args(arguments).arg(at).status().unwrap().success());
}

/// Unmounts as soon as nobody is in it.
pub fn unmount(at: &Path) {
    // The bridge is in it for a moment now and then, and keeps nothing of it open.
    wait_for("the outbox to be unmounted", || Command::new("umount").arg(at).output().unwrap().status.success());
}

/// Fills a file system but for so many bytes; answers the file that takes them.
pub fn fill(at: &Path, but: u64) -> PathBuf {
    let ballast = at.join(".ballast");
    let mut size = 4 << 20;
    while size > 4096 {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
        if file.write_all(&vec![0; size]).and_then(|()| file.sync_all()).is_err() {
            size /= 2;
        }
    }
    let length = fs::metadata(&ballast).unwrap().len();
    fs::OpenOptions::new().write(true).open(&ballast).unwrap().set_len(length - but).unwrap();
    ballast
}

/// The user of [`run_as_nobody`].
pub const NOBODY: u32 = 65534;

/// Gives everything of a site to another user but one directory, which only root may write to, and runs the bridge as that
/// user: root ignores modes. `None` where that is not allowed.
pub fn run_as_nobody(test: &str, site: &Site, forbidden: &Path) -> Option<Running> {
    let may = Command::new("setpriv").args(["--reuid", "65534", "--clear-groups", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        skip(test, "not root, or no setpriv");
        return None;
    }
    let mut places = vec![site.path("")];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            places.extend(fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()));
        }
        chown(&place, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    chown(forbidden, Some(0), Some(0)).unwrap();
    fs::set_permissions(forbidden, fs::Permissions::from_mode(0o755)).unwrap();
    let program = site.command(&["run"]);
    // Where the program lies, the other user may not be able to go.
    let copy = site.path("program");
    fs::copy(program.get_program(), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let log = site.path("log-other");
    let file = fs::File::create(&log).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"]).arg(&copy);
    command.args(program.get_args()).stdout(file.try_clone().unwrap()).stderr(file);
    Some(Running { child: command.spawn().unwrap(), log })
}
