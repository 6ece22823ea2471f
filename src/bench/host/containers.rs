//! Containers whose ports Docker publishes on this machine (proc_pid_cmdline(5)).
//!
//! Its proxy says in its arguments where it forwards to, and the processes of a container are those whose network
//! has that address. Everybody may read both, so neither the engine nor its rights are needed.

use std::collections::BTreeSet;
use std::fs;

use super::processes::all;

/// The processes of the containers whose ports are published as these ports of this machine.
pub(super) fn published(ports: &BTreeSet<u16>) -> Vec<u32> {
    let addresses: BTreeSet<String> = all()
        .into_iter()
        .filter(|process| is_proxy(*process))
        .filter_map(|process| fs::read_to_string(format!("/proc/{process}/cmdline")).ok())
        .filter_map(|arguments| forwards(&arguments, ports))
        .collect();
    if addresses.is_empty() {
        return Vec::new();
    }
    let is_theirs = |process: &u32| {
        let network = fs::read_to_string(format!("/proc/{process}/net/fib_trie"));
        network.is_ok_and(|network| addresses.iter().any(|address| has(&network, address)))
    };
    all().into_iter().filter(is_theirs).collect()
}

/// Whether a process is one of Docker's proxies.
pub(super) fn is_proxy(process: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name.trim() == "docker-proxy"
}

/// The address that a proxy with these arguments forwards one of these ports to.
fn forwards(arguments: &str, ports: &BTreeSet<u16>) -> Option<String> {
    let arguments: Vec<&str> = arguments.split('\0').collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| *argument == name)?;
        arguments.get(at + 1).copied()
    };
    let port = value("-host-port")?.parse().ok()?;
    ports
        .contains(&port)
        .then(|| value("-container-ip").map(str::to_owned))?
}

/// Whether a network, as `/proc/PID/net/fib_trie` shows it, has this address for itself.
fn has(network: &str, address: &str) -> bool {
    let lines: Vec<&str> = network.lines().map(str::trim).collect();
    let mut pairs = lines.windows(2);
    pairs.any(|pair| pair[0].strip_prefix("|-- ") == Some(address) && pair[1] == "/32 host LOCAL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_tells_where_it_forwards_to() {
        let arguments = "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 \
                         -container-ip 172.17.0.2 -container-port 80 ";
        let arguments = arguments.replace(' ', "\0");
        let address = |port: u16| forwards(&arguments, &[port].into());
        assert_eq!(address(8080).as_deref(), Some("172.17.0.2"));
        assert_eq!(address(80), None);
        assert_eq!(forwards("docker-proxy\0-host-port", &[80].into()), None);
    }

    #[test]
    fn the_address_of_a_network_is_told_from_that_of_its_neighbours() {
        let network = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 172.17.0.2\n        /32 host LOCAL\n\
                       \x20    |-- 172.17.255.255\n        /32 link BROADCAST\n";
        assert!(has(network, "172.17.0.2"));
        assert!(!has(network, "172.17.0.20") && !has(network, "172.17.255.255"));
    }

    #[test]
    fn who_is_in_the_network_of_an_address_of_this_machine_is_found() {
        let Ok(network) = fs::read_to_string("/proc/self/net/fib_trie") else {
            return;
        };
        assert!(has(&network, "127.0.0.1"), "{network}");
    }
}
