//! Another way to an etcd, which can be cut.

use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Passes connections on until it is cut.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    thread: JoinHandle<()>,
}

impl Proxy {
    pub(super) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let is_cut = Arc::new(AtomicBool::new(false));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (stop, all) = (Arc::clone(&is_cut), Arc::clone(&streams));
        let thread = thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let server = TcpStream::connect(target).expect("it listens");
                let copies = [&client, &server].map(|it| it.try_clone().expect("a socket"));
                all.lock().expect("no panic").extend(copies);
                pass(&client, &server);
                pass(&server, &client);
            }
        });
        Self {
            address,
            is_cut,
            streams,
            thread,
        }
    }

    /// Ends all connections and refuses new ones.
    pub(super) fn cut(self) {
        self.is_cut.store(true, Ordering::SeqCst);
        // The listener ends once it has been woken up.
        let _ = TcpStream::connect(self.address);
        self.thread.join().expect("no panic");
        for stream in self.streams.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Passes on what one says to the other, until one of them ends.
fn pass(from: &TcpStream, to: &TcpStream) {
    let [mut from, mut to] = [from, to].map(|it| it.try_clone().expect("a socket"));
    thread::spawn(move || {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
