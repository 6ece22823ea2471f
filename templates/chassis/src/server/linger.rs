//! Closing a connection without taking back what was sent on it.
//!
//! A socket that is closed while it holds bytes that nobody has read tells its peer so by a reset,
//! and the peer may lose what it has not read yet (RFC 1122, 4.2.2.13; RFC 9112, 9.6). On HTTP/2
//! something is always on its way: the peer acknowledges what it reads by WINDOW_UPDATE. So the end
//! of a long response would be lost every now and then, at each restart of a service. What helps is
//! to close one direction, and to read the other one to its end.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// The longest wait for the peer to close its side. A peer that has read all does so at once.
const LINGER: Duration = Duration::from_secs(2);

/// What is read and thrown away at a time, in bytes.
const CHUNK: usize = 4096;

/// A connection that is not closed when it is dropped, but handed to its [`Closing`].
#[derive(Debug)]
pub(super) struct Lingering<S> {
    /// `None` only while it is dropped.
    stream: Option<S>,
    back: Option<oneshot::Sender<S>>,
}

/// Closes the connection in the end.
#[derive(Debug)]
pub(super) struct Closing<S>(oneshot::Receiver<S>);

impl<S: Unpin> Lingering<S> {
    pub(super) fn new(stream: S) -> (Self, Closing<S>) {
        let (back, closing) = oneshot::channel();
        let lingering = Self {
            stream: Some(stream),
            back: Some(back),
        };
        (lingering, Closing(closing))
    }

    fn stream(&mut self) -> io::Result<Pin<&mut S>> {
        let stream = self.stream.as_mut().map(Pin::new);
        stream.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<S> Drop for Lingering<S> {
    fn drop(&mut self) {
        if let (Some(stream), Some(back)) = (self.stream.take(), self.back.take()) {
            // Nobody waits for a connection that has failed, and it is closed here.
            let _ = back.send(stream);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Closing<S> {
    /// Waits until the peer has closed its side, and closes ours. The connection must have been
    /// dropped before.
    pub(super) async fn close(self) {
        if let Ok(stream) = self.0.await {
            let _ = tokio::time::timeout(LINGER, read_to_end(stream)).await;
        }
    }
}

async fn read_to_end(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await?;
    let mut chunk = [0; CHUNK];
    loop {
        let mut buffer = ReadBuf::new(&mut chunk);
        poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut buffer)).await?;
        if buffer.filled().is_empty() {
            return Ok(());
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};

    use tokio::net::TcpStream;

    use super::*;

    /// Both ends of a connection; the client has sent something that the server has not read.
    async fn pair() -> (std::net::TcpStream, TcpStream) {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(local).expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut client = std::net::TcpStream::connect(address).expect("it listens");
        let (server, _) = listener.accept().expect("a connection");
        client.write_all(b"window update").expect("open");
        server.set_nonblocking(true).expect("a socket");
        let server = TcpStream::from_std(server).expect("a runtime");
        server.readable().await.expect("open");
        (client, server)
    }

    /// What a client reads that comes to it late.
    fn read(mut client: std::net::TcpStream) -> Result<String, io::ErrorKind> {
        let mut text = String::new();
        let result = client.read_to_string(&mut text);
        result.map(|_| text).map_err(|error| error.kind())
    }

    #[tokio::test]
    async fn the_peer_reads_what_was_sent_although_it_has_sent_more_itself() {
        let (client, server) = pair().await;
        let (connection, closing) = Lingering::new(server);
        let stream = connection.stream.as_ref().expect("open");
        stream.try_write(b"the end").expect("room");
        drop(connection);
        let reader = tokio::task::spawn_blocking(|| read(client));
        closing.close().await;
        assert_eq!(reader.await.expect("no panic"), Ok("the end".to_owned()));
    }

    /// What this is about: without it, the peer is reset.
    #[tokio::test]
    async fn a_connection_that_is_just_closed_is_reset() {
        let (client, server) = pair().await;
        server.try_write(b"the end").expect("room");
        drop(server);
        let read = tokio::task::spawn_blocking(|| read(client)).await;
        let reset = Err(io::ErrorKind::ConnectionReset);
        assert_eq!(read.expect("no panic"), reset);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_keeps_its_side_open_is_not_waited_for_without_end() {
        let (client, server) = pair().await;
        let (connection, closing) = Lingering::new(server);
        drop(connection);
        let begin = tokio::time::Instant::now();
        closing.close().await;
        assert_eq!(begin.elapsed(), LINGER);
        drop(client);
    }
}
