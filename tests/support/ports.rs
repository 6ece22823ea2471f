//! Ports for what tests start.
//!
//! One that was only found free may be another's before it is used: another test's, or that of a
//! connection to which the system gave it. So these lie below those that systems give away, and each
//! is marked for as long as this process lives.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Mutex;

/// The first of them.
const FIRST: u16 = 12_000;
/// How many there are. With their marks they end below 32,768, where Linux begins to give ports away.
const COUNT: u16 = 10_000;

/// A mark is a socket, this far above its port: the system removes it with the process.
static MARKS: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A port where nothing listens, and that no other test gets.
///
/// # Panics
///
/// When there is none.
pub fn free_port() -> u16 {
    let start = RandomState::new().hash_one(0_u8) % u64::from(COUNT);
    let start = u16::try_from(start).expect("below the count");
    let ports = (start..COUNT).chain(0..start).map(|it| FIRST + it);
    for port in ports {
        let Ok(mark) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port + COUNT)) else {
            continue;
        };
        // Both, for either may be taken alone.
        let hosts = [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED];
        if hosts
            .iter()
            .all(|&it| TcpListener::bind((it, port)).is_ok())
        {
            MARKS.lock().expect("nobody panicked").push(mark);
            return port;
        }
    }
    panic!("all of {COUNT} ports are taken");
}
