//! The one request that shows that a node answers. Source of the format: Kafka protocol guide, `ApiVersions` v0.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Size 10, then api key 18, version 0, correlation id 1, no client id.
const API_VERSIONS_REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];

/// Whether a node on this port of the loopback answers within the time.
pub(crate) fn answers(port: u16, timeout: Duration) -> bool {
    ask(port, timeout).is_ok_and(|correlation| correlation == 1)
}

fn ask(port: u16, timeout: Duration) -> std::io::Result<i32> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&API_VERSIONS_REQUEST)?;
    let mut head = [0; 8];
    stream.read_exact(&mut head)?;
    let [_, _, _, _, correlation @ ..] = head;
    Ok(i32::from_be_bytes(correlation))
}
