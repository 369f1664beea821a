//! vsftpd, for anonymous users.

use std::path::PathBuf;

use super::{FtpdOptions, FtpdTls};
use crate::daemon::Daemon;

/// Its package cannot stand beside ProFTPD's, so that `cargo xtask test` unpacks it into `target`.
const PLACES: [&str; 2] =
    [concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/programs/vsftpd/usr/sbin/vsftpd"), "/usr/sbin/vsftpd"];

/// The server.
pub(super) fn program() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.exists())
}

/// Its configuration. It stays within no directory: without privileges none can be made its root.
pub(super) fn configuration(daemon: &Daemon, options: &FtpdOptions) -> String {
    let at = |name: &str| daemon.path(name).display().to_string();
    let address = daemon.address();
    let tls = match options.tls {
        FtpdTls::None => String::new(),
        protected => format!(
            "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\nssl_ciphers=HIGH\n\
             rsa_cert_file={}\nrsa_private_key_file={}\nimplicit_ssl={}\n",
            at("server.pem"),
            at("server.key"),
            if protected == FtpdTls::Implicit { "YES" } else { "NO" }
        ),
    };
    let ports = options
        .passive_ports
        .map_or_else(String::new, |(first, last)| format!("pasv_min_port={first}\npasv_max_port={last}\n"));
    format!(
        "run_as_launching_user=YES\nanonymous_enable=YES\nlocal_enable=NO\nwrite_enable=YES\nanon_upload_enable=YES\n\
         anon_mkdir_write_enable=YES\nanon_other_write_enable=YES\nanon_world_readable_only=NO\nanon_umask=022\n\
         anon_root=/\nallow_writeable_chroot=YES\nseccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\nlisten=YES\n\
         listen_ipv6=NO\nbackground=NO\nlisten_address={}\nlisten_port={}\nxferlog_enable=YES\nmax_per_ip=0\n\
         vsftpd_log_file={}\n{tls}{ports}{}\n",
        address.ip(),
        address.port(),
        at("log"),
        options.lines
    )
}
