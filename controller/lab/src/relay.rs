//! Lets the browser of the host look into the lab: listeners opened before the lab entered its namespaces stay in the
//! host's network; what they accept is carried to the console on the gateway, or to the portal out of a home, so that the
//! browser is in the subscriber's place.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::internet::serve;
use super::net::Namespace;
use super::node::PORTAL_NAME;

/// A request's or an answer's head may not be larger.
const HEAD_LIMIT: usize = 32 * 1024;

/// A listener on the host's loopback. Open it before entering namespaces.
///
/// # Errors
/// When neither the wished port nor any other is free.
pub fn listen(wished: u16) -> io::Result<TcpListener> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, wished)).or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Relays of a lab that is kept; closed when dropped.
#[derive(Debug, Default)]
pub struct Relays(Vec<AbortHandle>);

impl Drop for Relays {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Relays {
    /// Carries every byte unchanged to an address as seen from inside a namespace.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub fn carry(&mut self, listener: TcpListener, to: SocketAddr, inside: &Namespace, on: &Handle) -> io::Result<()> {
        let inside = Arc::new(inside.clone());
        self.start(listener, on, move |mut here| {
            let inside = inside.clone();
            async move {
                let mut there = connect_inside(&inside, to).await?;
                tokio::io::copy_bidirectional(&mut here, &mut there).await.map(drop)
            }
        })
    }

    /// Carries requests to the portal out of a home. Only the names are changed, because the host's browser knows the portal
    /// by another one: those in `Host`, `Origin` and `Referer` on the way in, that in `Location` on the way out.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub fn show_portal(
        &mut self,
        listener: TcpListener,
        portal: SocketAddr,
        home: &Namespace,
        on: &Handle,
    ) -> io::Result<()> {
        let outside: Arc<str> = listener.local_addr()?.to_string().into();
        let home = Arc::new(home.clone());
        self.start(listener, on, move |mut here| {
            let (home, outside) = (home.clone(), outside.clone());
            async move {
                let (head, rest) = read_head(&mut here).await?;
                let mut there = connect_inside(&home, portal).await?;
                there.write_all(rename(&head, &outside, PORTAL_NAME).as_bytes()).await?;
                there.write_all(&rest).await?;
                let (mut from_here, mut to_here) = here.split();
                let (mut from_there, mut to_there) = there.split();
                let answer = async {
                    let (head, rest) = read_head(&mut from_there).await?;
                    to_here.write_all(rename(&head, PORTAL_NAME, &outside).as_bytes()).await?;
                    to_here.write_all(&rest).await?;
                    tokio::io::copy(&mut from_there, &mut to_here).await?;
                    to_here.shutdown().await
                };
                tokio::select! {
                    answered = answer => answered,
                    Err(e) = tokio::io::copy(&mut from_here, &mut to_there) => Err(e),
                }
            }
        })
    }

    fn start<F>(
        &mut self,
        listener: TcpListener,
        on: &Handle,
        carry: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let _inside = on.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        self.0.push(on.spawn(serve(listener, carry)).abort_handle());
        Ok(())
    }
}

async fn connect_inside(namespace: &Arc<Namespace>, to: SocketAddr) -> io::Result<TcpStream> {
    let namespace = namespace.clone();
    let connect = move || namespace.run(|| std::net::TcpStream::connect_timeout(&to, Duration::from_secs(5)));
    let stream = tokio::task::spawn_blocking(connect).await.map_err(io::Error::other)?.map_err(io::Error::other)??;
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// The head of a message without its last empty line, and what was read beyond it.
async fn read_head(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            read.truncate(end);
            let head = String::from_utf8(read).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            return Ok((head, rest));
        }
        let n = tokio::time::timeout(Duration::from_secs(10), from.read(&mut buffer)).await??;
        if n == 0 || read.len() + n > HEAD_LIMIT {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&buffer[..n]);
    }
}

/// The head with one host's name changed to another's where a name stands, one message per connection, and its empty line.
fn rename(head: &str, from: &str, to: &str) -> String {
    let mut renamed = String::with_capacity(head.len() + 64);
    for line in head.split("\r\n") {
        match line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value)) {
            Some((name, _)) if name == "connection" || name == "keep-alive" => continue,
            Some((name, value)) if ["host", "origin", "referer", "location"].contains(&name.as_str()) => {
                renamed.push_str(&format!("{name}:{}", value.replacen(from, to, 1)));
            }
            _ => renamed.push_str(line),
        }
        renamed.push_str("\r\n");
    }
    renamed.push_str("connection: close\r\n\r\n");
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_changed_where_names_stand_and_nowhere_else() {
        let head = "POST /fixed?127.0.0.1:8480 HTTP/1.1\r\nHost: 127.0.0.1:8480\r\nConnection: keep-alive\r\n\
                    Origin: http://127.0.0.1:8480\r\nX-A: 127.0.0.1:8480";
        assert_eq!(
            rename(head, "127.0.0.1:8480", "help.isp.example"),
            "POST /fixed?127.0.0.1:8480 HTTP/1.1\r\nhost: help.isp.example\r\norigin: http://help.isp.example\r\n\
             X-A: 127.0.0.1:8480\r\nconnection: close\r\n\r\n"
        );
    }
}
