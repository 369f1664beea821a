//! A share's address: a path, a `file://` URL, or the URL of a server.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::given::Given;
use super::settings::{RemoteAddress, SmbAddress};

/// SSH's port.
const SFTP_PORT: u16 = 22;

/// That of SMB without NetBIOS.
const SMB_PORT: u16 = 445;
/// FTP's port, with and without TLS.
const FTP_PORT: u16 = 21;

/// What an address means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A directory of an SFTP server.
    Sftp(RemoteAddress),
    /// A directory of a share on a Windows or Samba server.
    Smb(SmbAddress),
    /// A directory of an FTP server; over TLS where the scheme says so.
    Ftp(RemoteAddress),
}

/// Why a text is no address, and what to do.
type Problem = (String, Option<&'static str>);

/// The address that is given; what is wrong with it is reported.
pub(super) fn address(given: &Given<'_>) -> Option<Address> {
    let text = given.text()?;
    let found = match text.split_once("://") {
        None if text.is_empty() => Err(("is empty".to_owned(), None)),
        None => Ok(Address::Directory(given.source().beside(&text))),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => directory(rest).map(Address::Directory),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sftp") && cfg!(feature = "sftp") => {
            server("sftp", SFTP_PORT, rest).map(Address::Sftp)
        }
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("smb") && cfg!(feature = "smb") => {
            smb(rest).map(Address::Smb)
        }
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ftp") && cfg!(feature = "ftp") => {
            server("ftp", FTP_PORT, rest).map(Address::Ftp)
        }
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ftps") && cfg!(feature = "ftp") => {
            server("ftps", FTP_PORT, rest).map(Address::Ftp)
        }
        Some((scheme, _)) => {
            let message = format!("`{scheme}` is not supported by this build");
            Err((message, Some("mount the share and state its path")))
        }
    };
    found.map_err(|(message, hint): Problem| given.problem_with_hint(message, hint.map(str::to_owned))).ok()
}

fn directory(rest: &str) -> Result<PathBuf, Problem> {
    let path = rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(("a file URL can only name a directory of this machine".to_owned(), Some("write `file:///path`")));
    }
    Ok(PathBuf::from(OsString::from_vec(percent_decoded(path)?)))
}

/// `user@host[:port]/path`; `/~/path` is below where the user arrives.
fn server(scheme: &'static str, usual_port: u16, rest: &str) -> Result<RemoteAddress, Problem> {
    let form = match scheme {
        "smb" => SMB_FORM,
        "ftp" => "write `ftp://user@host:21/path`",
        "ftps" => "write `ftps://user@host:21/path`",
        _ => "write `sftp://user@host:22/path`",
    };
    let wrong = |message: &str| (message.to_owned(), Some(form));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, place) = authority.rsplit_once('@').ok_or_else(|| wrong("names no user"))?;
    if user.contains(':') {
        let message = "a password may not stand in an address".to_owned();
        return Err((message, Some("state password_file or password_env instead")));
    }
    let user = String::from_utf8(percent_decoded(user)?).map_err(|_| wrong("the user is not UTF-8"))?;
    let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => usual_port,
        Some(port) => port.parse().map_err(|_| (format!("`{port}` is no port"), Some(form)))?,
    };
    if host.is_empty() || user.is_empty() || port == 0 {
        return Err(wrong("names no user, no host or no port"));
    }
    let decoded = percent_decoded(path)?;
    let path = match decoded.strip_prefix(b"/~") {
        Some(home) if home.is_empty() || home.starts_with(b"/") => home.get(1..).unwrap_or_default().to_vec(),
        _ if decoded.is_empty() => {
            return Err(wrong("names no directory: `/` is the top, `/~` where the user arrives"));
        }
        _ => decoded,
    };
    if path.contains(&0) || path.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return Err(("may not lead upwards by `..`".to_owned(), None));
    }
    let path = match path.as_slice() {
        [kept @ .., b'/'] if !kept.is_empty() => kept.to_vec(),
        _ => path,
    };
    Ok(RemoteAddress { scheme, user, host: host.to_owned(), port, path })
}

const SMB_FORM: &str = "write `smb://user@host/share/path`, with a domain `smb://domain;user@host/share/path`";

/// `[domain;]user@host[:port]/share[/path]`; a backslash may stand between domain and user too.
fn smb(rest: &str) -> Result<SmbAddress, Problem> {
    let wrong = |message: &str| (message.to_owned(), Some(SMB_FORM));
    if !rest.contains('/') {
        return Err(wrong("names no share"));
    }
    let whole = server("smb", SMB_PORT, rest)?;
    let path = std::str::from_utf8(&whole.path).map_err(|_| wrong("the path is not UTF-8"))?;
    let path = path.strip_prefix('/').unwrap_or_default();
    let (share, directory) = path.split_once('/').unwrap_or((path, ""));
    if share.is_empty() {
        return Err(wrong("names no share"));
    }
    if path.split('/').any(|part| part.is_empty() || part == ".") {
        return Err(wrong("may hold no doubled `/` and no `.`"));
    }
    let (domain, user) = whole.user.split_once([';', '\\']).unwrap_or(("", &whole.user));
    if user.is_empty() {
        return Err(wrong("names no user"));
    }
    let [domain, user, share, directory] = [domain, user, share, directory].map(str::to_owned);
    Ok(SmbAddress { whole, domain, user, share, directory })
}

fn percent_decoded(text: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            bytes.push(
                byte.ok_or_else(|| ("`%` in a URL must be followed by two hexadecimal digits".to_owned(), None))?,
            );
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sftp(rest: &str) -> Result<(String, String, u16, Vec<u8>), String> {
        let found = server("sftp", SFTP_PORT, rest).map_err(|(message, _)| message)?;
        Ok((found.user, found.host, found.port, found.path))
    }

    fn parts(user: &str, host: &str, port: u16, path: &str) -> Result<(String, String, u16, Vec<u8>), String> {
        Ok((user.to_owned(), host.to_owned(), port, path.as_bytes().to_vec()))
    }

    #[test]
    fn servers_have_user_host_port_and_path() {
        assert_eq!(sftp("payroll@files.example.org/drops/in/"), parts("payroll", "files.example.org", 22, "/drops/in"));
        assert_eq!(sftp("a%40b@[2001:db8::1]:2222/x%20y%23"), parts("a@b", "2001:db8::1", 2222, "/x y#"));
        assert_eq!(sftp("u@h/~/in"), parts("u", "h", 22, "in"));
        assert_eq!(sftp("u@h/~"), parts("u", "h", 22, ""));
        assert_eq!(sftp("u@h/~old"), parts("u", "h", 22, "/~old"));
        assert_eq!(sftp("u@h/"), parts("u", "h", 22, "/"));
        assert_eq!(server("sftp", 22, "u@h/%ff").unwrap().path, b"/\xff");
        let ftps = server("ftps", FTP_PORT, "u@h/~/in").unwrap();
        assert_eq!((ftps.scheme, ftps.port, ftps.path), ("ftps", 21, b"in".to_vec()));
    }

    #[test]
    fn shares_of_windows_have_a_name_and_users_a_domain() {
        let parts = |rest: &str| {
            let found = smb(rest).map_err(|(message, _)| message)?;
            Ok::<_, String>([found.domain, found.user, found.share, found.directory].join("|"))
        };
        assert_eq!(parts("batch@nas/finance/drops/in/").unwrap(), "|batch|finance|drops/in");
        assert_eq!(parts("CORP;batch@nas:4450/finance").unwrap(), "CORP|batch|finance|");
        assert_eq!(parts("CORP\\batch@nas/finance").unwrap(), "CORP|batch|finance|");
        assert_eq!(parts("CORP%5Cbatch@nas/hidden$/a%20b%23").unwrap(), "CORP|batch|hidden$|a b#");
        assert_eq!(smb("batch@nas/finance").unwrap().whole.port, 445);
        for wrong in
            ["batch@nas", "batch@nas/", "batch@nas/~/x", "CORP;@nas/x", "batch@nas/x//y", "batch@nas/%ff", "nas/x"]
        {
            assert!(smb(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_address_is_said_without_its_secrets() {
        for wrong in ["h/x", "u@/x", "@h/x", "u@h", "u@h:x/y", "u@h:0/y", "u@h/a/../b", "u@h/%4", "u@h:99999/"] {
            assert!(sftp(wrong).is_err(), "{wrong}");
        }
        assert!(server("ftps", FTP_PORT, "h/x").unwrap_err().1.unwrap().contains("ftps://user@host"));
        let (message, hint) = server("sftp", 22, "u:s3cret@h/x").unwrap_err();
        assert!(!message.contains("s3cret") && hint.unwrap().contains("password_file"));
    }
}
