//! Connections: accepted within the caps, and questions answered on them one after the other. DNS over TCP and over TLS is
//! the same here; `doh` speaks HTTP. Started by `serve`, answers from the `handler`.
//!
//! All kinds share one set of places (`places`), so that nobody gets more by mixing them. A TLS handshake happens on a place
//! already held, and its line pays for it as for questions: to refuse it costs nothing, to compute it does.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::doh;
use crate::handler::{Resolver, Step};
use crate::places::{Connection, Full};
use crate::reply;
use crate::tls::Protocol;
use crate::wire::{MAX_QUERY, Transport};

/// Pause after a failed accept (out of file descriptors), so that it is not a busy loop.
const AFTER_ERROR: Duration = Duration::from_millis(20);
/// A client that does not take its reply within this is gone.
const WRITE_TIME: Duration = Duration::from_secs(5);
/// A connection that asks all the time is closed after this many questions; it may come again. Keeps places moving.
pub(crate) const QUESTIONS_PER_CONNECTION: u32 = 1_000;
/// What a TLS handshake costs, in questions. It takes the time of many more; but with the default rates a line has forty at
/// once and then ten a second, which a home of devices that all come back needs, and which bounds what one line costs.
const HANDSHAKE_COST: u32 = 5;

/// What is spoken on the connections of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// DNS over TCP (RFC 7766).
    Plain,
    /// Within TLS.
    Secured(Protocol),
}

impl Resolver {
    /// Accepts until stopped, then waits for the connections to end.
    pub(crate) async fn serve_streams(self, listener: TcpListener, speech: Speech, mut stopped: watch::Receiver<()>) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = stopped.changed() => break,
                _ = connections.join_next(), if !connections.is_empty() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    match self.0.connections.keep(self.party(from.ip())) {
                        Ok((place, instead)) => {
                            if instead {
                                self.capped("tcp-gave-way");
                            }
                            let task = self.clone().connection(stream, from.ip(), speech, place, stopped.clone());
                            connections.spawn(task);
                        }
                        // Dropping the stream closes it.
                        Err(full) => self.capped(match full {
                            Full::All => "tcp",
                            Full::Unknown => "tcp-strangers",
                            Full::Site => "tcp-site",
                            Full::Party => "tcp-client",
                        }),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "dns tcp accept");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }

    async fn connection(
        self,
        stream: TcpStream,
        from: IpAddr,
        speech: Speech,
        place: Connection,
        mut stopped: watch::Receiver<()>,
    ) {
        self.0.metrics.tcp_connections.inc();
        let place = Arc::new(place);
        // Replies are whole when they are written: waiting for more would only delay them. A socket that refuses is about to
        // fail anyway.
        stream.set_nodelay(true).ok();
        match speech {
            Speech::Plain => self.frames(stream, from, Padding::Never, &place, &mut stopped).await,
            Speech::Secured(protocol) => {
                if let Some(stream) = self.secured(stream, from, protocol, &place, &mut stopped).await {
                    match protocol {
                        Protocol::Dot => self.frames(stream, from, Padding::WhenAsked, &place, &mut stopped).await,
                        Protocol::Doh => doh::talk(&self, stream, from, &place, &mut stopped).await,
                    }
                }
            }
        }
        self.0.metrics.tcp_connections.dec();
        drop(place);
    }

    /// None when the line has had its handshakes, or this one fails.
    async fn secured(
        &self,
        stream: TcpStream,
        from: IpAddr,
        protocol: Protocol,
        place: &Connection,
        stopped: &mut watch::Receiver<()>,
    ) -> Option<TlsStream<TcpStream>> {
        let tls = self.0.tls.as_ref()?;
        if !(0..HANDSHAKE_COST).all(|_| self.admits(from)) {
            return None;
        }
        tokio::select! {
            _ = stopped.changed() => None,
            () = place.given_away() => None,
            secured = tls.handshake(protocol, stream) => secured,
        }
    }

    async fn frames<S>(
        &self,
        mut stream: S,
        from: IpAddr,
        padding: Padding,
        place: &Connection,
        stopped: &mut watch::Receiver<()>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let idle = self.0.settings.limits.tcp_idle.to_std();
        // One question at a time: a client that sends a thousand at once waits for itself, and costs one place.
        for _ in 0..QUESTIONS_PER_CONNECTION {
            // The time covers the whole question, so that one byte now and then does not keep a place.
            let frame = tokio::select! {
                _ = stopped.changed() => break,
                // Its place is another's already.
                () = place.given_away() => return,
                frame = timeout(idle, read_frame(&mut stream)) => frame,
            };
            let Ok(Ok(frame)) = frame else { break };
            let _answering = place.asked();
            let mut reply = match self.first(&frame, from, Transport::Tcp) {
                // Nothing that is met with silence is worth a connection.
                Step::Silence => break,
                Step::Reply(reply) => reply,
                Step::Later(later) => match self.finish(&later).await {
                    Some(reply) => reply,
                    None => break,
                },
            };
            if padding == Padding::WhenAsked {
                reply::pad(&frame, &mut reply);
            }
            if !matches!(timeout(WRITE_TIME, write_frame(&mut stream, &reply)).await, Ok(Ok(()))) {
                return;
            }
        }
        // TLS says that it ends, so that nobody can cut an answer off unseen. Whoever does not listen is left.
        let _gone = timeout(WRITE_TIME, stream.shutdown()).await;
    }
}

/// Whether replies are padded (RFC 7830): only where nobody on the way can read them anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    Never,
    WhenAsked,
}

/// RFC 1035 section 4.2.2: two bytes of length. A longer question than is read at all ends the connection.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let size = usize::from(stream.read_u16().await?);
    if size > MAX_QUERY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; size];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), reply: &[u8]) -> io::Result<()> {
    let size = u16::try_from(reply.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    // One write, so that length and reply share a packet.
    let mut frame = Vec::with_capacity(reply.len() + 2);
    frame.extend_from_slice(&size.to_be_bytes());
    frame.extend_from_slice(reply);
    stream.write_all(&frame).await?;
    stream.flush().await
}
