//! Processes and processors as Linux shows them (proc_pid_stat(5), proc_stat(5), proc_net_tcp); elsewhere nothing
//! is known.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use super::containers;

/// A tick of the kernel's figures: a hundredth of a second on all that this is built for (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// The processor time of processes, threads that ended and children that were waited for included; none, when
/// one of them is not there.
pub(super) fn processor_time(processes: &[u32]) -> Option<Duration> {
    if processes.is_empty() {
        return None;
    }
    let each = processes.iter().map(|process| {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        ticks(&text)
    });
    let ticks = each.sum::<Option<u64>>()?;
    Some(TICK * u32::try_from(ticks).ok()?)
}

/// User and system time, of the process and of its children, in `/proc/PID/stat`.
fn ticks(stat: &str) -> Option<u64> {
    // The name, in parentheses, may have any characters.
    let (_, rest) = stat.rsplit_once(')')?;
    let figures: Vec<u64> = rest
        .split_whitespace()
        .skip(11)
        .take(4)
        .map_while(|figure| figure.parse().ok())
        .collect();
    (figures.len() == 4).then(|| figures.iter().sum())
}

/// The time of all processors, and what of it the host gave to others, in ticks.
pub(super) fn processors() -> Option<(u64, u64)> {
    stolen(&fs::read_to_string("/proc/stat").ok()?)
}

fn stolen(stat: &str) -> Option<(u64, u64)> {
    let (_, figures) = stat.lines().next()?.split_once("cpu ")?;
    let figures: Vec<u64> = figures
        .split_whitespace()
        .map_while(|figure| figure.parse().ok())
        .collect();
    // What guests had is part of what users had.
    let total = figures.get(..8)?.iter().sum();
    Some((total, figures[7]))
}

/// The processes of this machine that listen on these ports of it; where Docker's proxy does, those of the
/// container that it forwards to.
pub fn listening(ports: &BTreeSet<u16>) -> Vec<u32> {
    let published = containers::published(ports);
    if !published.is_empty() {
        return published;
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let tables = tables
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    let inodes: BTreeSet<String> = tables.flat_map(|table| inodes(&table, ports)).collect();
    if inodes.is_empty() {
        return Vec::new();
    }
    let processes = all();
    let owns = |process: u32| -> bool {
        let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
            return false;
        };
        files.flatten().any(|file| {
            let target = fs::read_link(file.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            let inode = target.strip_prefix("socket:[");
            let inode = inode.and_then(|inode| inode.strip_suffix(']'));
            inode.is_some_and(|inode| inodes.contains(inode))
        })
    };
    // A proxy whose container cannot be found is not the server.
    processes
        .into_iter()
        .filter(|process| owns(*process) && !containers::is_proxy(*process))
        .collect()
}

/// All processes.
pub(super) fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    found.sort_unstable();
    found
}

/// The sockets that listen on these ports, in `/proc/net/tcp`.
fn inodes(table: &str, ports: &BTreeSet<u16>) -> Vec<String> {
    const LISTEN: &str = "0A";
    let lines = table.lines().skip(1).filter_map(|line| {
        let figures: Vec<&str> = line.split_whitespace().collect();
        let (_, port) = figures.get(1)?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let is_wanted = ports.contains(&port) && *figures.get(3)? == LISTEN;
        is_wanted.then(|| figures.get(9).map(|inode| (*inode).to_owned()))?
    });
    lines.collect()
}

/// Whether a host is this machine by its name or address: who can listen there is it.
pub fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_ours = |address: IpAddr| {
        address.is_loopback()
            || !(address.is_unspecified() || address.is_multicast())
                && UdpSocket::bind((address, 0)).is_ok()
    };
    host == "localhost" || address.is_ok_and(is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_linux_writes_them() {
        let stat = "42 (a) b)) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1";
        assert_eq!(ticks(stat), Some(127));
        assert_eq!(ticks("42 (a"), None);
        let stat = "cpu  10 20 30 400 5 6 7 80 9 9\ncpu0 1 2\n";
        assert_eq!(stolen(stat), Some((558, 80)));
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1\n   1: 0100007F:C383 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 999 1\n";
        assert_eq!(inodes(table, &[0xc383].into()), ["12345"]);
        assert!(inodes(table, &[80].into()).is_empty());
    }

    #[test]
    fn who_listens_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        if cfg!(target_os = "linux") {
            assert_eq!(listening(&[port].into()), [std::process::id()]);
        }
        assert!(is_this_machine("127.0.0.1") && is_this_machine("[::1]"));
        assert!(is_this_machine("localhost"));
        // For documentation (RFC 5737), and all or several at once.
        for other in ["192.0.2.1", "0.0.0.0", "224.0.0.1", "[::]", "user-service"] {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
