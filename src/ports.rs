//! Ports that are taken, and who has them.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Whether a port of the loopback address can be listened on.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

/// The first port from `from` on that is free, and whose port `offset` above it is too.
pub fn free_pair(from: u16, offset: u16) -> Option<u16> {
    (from..=u16::MAX - offset).find(|port| is_free(*port) && is_free(port + offset))
}

/// A process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name, as the system has it.
    pub name: String,
    /// Its id.
    pub pid: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// The process that listens on a port; only Linux tells.
pub fn holder(port: u16) -> Option<Holder> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| listening_inode(&table, port))?;
    let socket = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        // `self` is a process by another name.
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|it| it.parse::<u32>().ok());
        let (Some(pid), Ok(descriptors)) = (pid, fs::read_dir(entry.path().join("fd"))) else {
            continue;
        };
        let holds = |link: std::path::PathBuf| link.to_str() == Some(&socket);
        let mut links = descriptors
            .flatten()
            .filter_map(|one| fs::read_link(one.path()).ok());
        if links.any(holds) {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let name = name.trim().to_owned();
            return Some(Holder { name, pid });
        }
    }
    None
}

/// The inode of the socket that listens on a port, from a table of the kernel.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let matches = columns.get(1)?.ends_with(&suffix) && *columns.get(3)? == LISTEN;
        matches
            .then(|| columns.get(9).map(ToString::to_string))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_seen_with_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        assert!(!is_free(port));
        if cfg!(target_os = "linux") {
            let holder = holder(port).expect("this process");
            assert_eq!(holder.pid, std::process::id());
        }
        drop(listener);
        assert!(is_free(port));
    }
}
