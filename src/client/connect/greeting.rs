//! The first words on a connection, which tell what is spoken there.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{ConnectError, tls};
use crate::client::CONNECT_TIMEOUT;
use crate::client::target::Endpoint;

/// The other side's first words on a connection.
pub struct Greeting {
    endpoint: Endpoint,
    heard: oneshot::Receiver<Heard>,
}

/// What was heard: HTTP/2, something else, or the failure of the connection.
type Heard = io::Result<Option<FirstBytes>>;

/// Listens to the first words on a connection.
pub(super) fn sniff<T>(transport: T, endpoint: &Endpoint) -> (Sniffed<T>, Greeting) {
    let (told, heard) = oneshot::channel();
    let transport = Sniffed {
        inner: transport,
        first: Vec::new(),
        told: Some(told),
    };
    let greeting = Greeting {
        endpoint: endpoint.clone(),
        heard,
    };
    (transport, greeting)
}

impl Greeting {
    /// Waits until the other side has proved that it speaks HTTP/2: its first frame must be SETTINGS
    /// (RFC 9113, section 3.4). The preface must have been sent, for some servers wait for it.
    ///
    /// # Errors
    /// [`ConnectError::Silent`], [`ConnectError::NotHttp2`] or [`ConnectError::Tls`].
    pub async fn wait(self) -> Result<(), ConnectError> {
        let first = match timeout(CONNECT_TIMEOUT, self.heard).await {
            Ok(Ok(Ok(None))) => return Ok(()),
            Ok(Ok(Ok(Some(first)))) => first,
            // The handshake of TLS 1.3 ends before the server has judged the client's certificate.
            Ok(Ok(Err(source))) if tls::error(&source).is_some() => {
                return Err(ConnectError::Tls {
                    endpoint: self.endpoint,
                    source,
                });
            }
            Ok(Ok(Err(_))) => FirstBytes::Closed,
            // The connection was dropped before its first read.
            Ok(Err(_)) => FirstBytes::Closed,
            Err(_) => {
                return Err(ConnectError::Silent {
                    endpoint: self.endpoint,
                    limit: CONNECT_TIMEOUT,
                });
            }
        };
        Err(ConnectError::NotHttp2 {
            endpoint: self.endpoint,
            first,
        })
    }
}

/// What came instead of an HTTP/2 SETTINGS frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstBytes {
    /// The end of the connection.
    Closed,
    /// An answer in HTTP/1.
    Http1,
    /// A TLS record: the server expects TLS.
    Tls,
    /// Anything else.
    Other(Vec<u8>),
}

impl fmt::Display for FirstBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => formatter.write_str("it closed the connection at once"),
            Self::Http1 => formatter.write_str("it answered in HTTP/1"),
            Self::Tls => formatter.write_str("it answered in TLS"),
            Self::Other(bytes) => {
                write!(
                    formatter,
                    "its first bytes are \"{}\"",
                    bytes.escape_ascii()
                )
            }
        }
    }
}

/// How many bytes tell what is spoken: the header of an HTTP/2 frame.
const FRAME_HEADER: usize = 9;

/// `None` when the bytes are the header of a SETTINGS frame; shorter ones are a connection that ended.
fn judge(bytes: &[u8]) -> Option<FirstBytes> {
    const SETTINGS: u8 = 4;
    match bytes {
        [_, _, _, SETTINGS, 0, 0, 0, 0, 0, ..] => None,
        [] => Some(FirstBytes::Closed),
        _ if bytes.starts_with(b"HTTP/") => Some(FirstBytes::Http1),
        // A record of type alert or handshake, of TLS 1.x or SSL 3.
        [0x15 | 0x16, 3, 0..=4, ..] => Some(FirstBytes::Tls),
        _ => Some(FirstBytes::Other(bytes.to_vec())),
    }
}

/// A connection that tells what its first bytes were.
pub struct Sniffed<T> {
    inner: T,
    first: Vec<u8>,
    told: Option<oneshot::Sender<Heard>>,
}

impl<T> Sniffed<T> {
    fn hear(&mut self, bytes: &[u8], ended: bool) {
        let wanted = FRAME_HEADER - self.first.len();
        self.first
            .extend_from_slice(&bytes[..bytes.len().min(wanted)]);
        if (ended || self.first.len() == FRAME_HEADER)
            && let Some(told) = self.told.take()
        {
            // Nobody may be waiting any more.
            let _ = told.send(Ok(judge(&self.first)));
        }
    }
}

impl<T> Drop for Sniffed<T> {
    /// Whoever reads may have seen enough in less.
    fn drop(&mut self) {
        if !self.first.is_empty() {
            self.hear(&[], true);
        }
    }
}

impl<T: AsyncRead + Unpin> Sniffed<T> {
    /// A server that ends a connection says why before it does. Where that end is noticed in writing, its
    /// last words are still to be read.
    fn or_heard<W>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<W>>,
    ) -> Poll<io::Result<W>> {
        while self.told.is_some() && matches!(written, Poll::Ready(Err(_))) {
            let mut words = [0; FRAME_HEADER];
            let mut words = ReadBuf::new(&mut words);
            let heard = Pin::new(&mut *self).poll_read(context, &mut words);
            if heard.is_pending() {
                return Poll::Pending;
            }
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Sniffed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if self.told.is_some() && read.is_ready() {
            let bytes = &buffer.filled()[before..];
            match &read {
                Poll::Ready(Err(error)) if self.first.is_empty() => {
                    if let Some(told) = self.told.take() {
                        let _ = told.send(Err(tls::copy(error)));
                    }
                }
                _ => self.hear(bytes, bytes.is_empty()),
            }
        }
        read
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Sniffed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.or_heard(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.or_heard(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.or_heard(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_is_spoken() {
        assert_eq!(judge(&[0, 0, 18, 4, 0, 0, 0, 0, 0]), None);
        assert_eq!(judge(b""), Some(FirstBytes::Closed));
        assert_eq!(judge(b"HTTP/1.1 "), Some(FirstBytes::Http1));
        assert_eq!(judge(&[0x15, 3, 3, 0, 2, 2, 70]), Some(FirstBytes::Tls));
        assert_eq!(
            judge(b"220 smtp\n").expect("not HTTP/2").to_string(),
            r#"its first bytes are "220 smtp\n""#
        );
    }
}
