//! Who this instance is.

/// An id that nobody else has.
#[must_use]
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    // The kernel's generator is always there; were it not, the process id and the clock still tell instances apart.
    if std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
        .is_err()
    {
        let fallback = u128::from(std::process::id()) << 64 | jiff::Timestamp::now().as_nanosecond().unsigned_abs();
        bytes = fallback.to_be_bytes();
    }
    crate::domain::hash::hex(&bytes)
}

/// Host and process, for people.
#[must_use]
pub fn holder() -> String {
    format!("{} (process {})", host(), std::process::id())
}

/// This machine's name.
#[must_use]
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
