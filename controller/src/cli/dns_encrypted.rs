//! How `dns-probe` asks over TLS (RFC 7858) and over HTTPS (RFC 8484), on a connection that is there. The certificate is checked
//! as a phone with "Private DNS" checks it: it must be for the name that was asked for, by an authority that is trusted.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// More than any answer to one question, with the head of an HTTP reply.
const MAX_REPLY: u64 = 128 * 1024;

/// Who is asked, and whom to trust.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    name: ServerName<'static>,
    host: String,
    client: Arc<ClientConfig>,
}

impl Tls {
    /// For a server whose certificate must be for `host`, by one of the authorities in the file.
    ///
    /// # Errors
    /// In words, when the name is none or the file has no authority.
    pub(super) fn new(host: &str, roots: &Path, over_https: bool) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("`{host}` is no name or address that a certificate can have"))?;
        let mut store = RootCertStore::empty();
        let unreadable =
            |why: String| format!("--roots {}: {why}; name a PEM file with the authorities to trust", roots.display());
        for certificate in CertificateDer::pem_file_iter(roots).map_err(|e| unreadable(e.to_string()))? {
            // A bundle has a few that no modern library takes.
            let _added = store.add_parsable_certificates([certificate.map_err(|e| unreadable(e.to_string()))?]);
        }
        if store.is_empty() {
            return Err(unreadable("no certificate of an authority in it".into()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut client = versions.map_err(|e| e.to_string())?.with_root_certificates(store).with_no_client_auth();
        client.alpn_protocols = vec![if over_https { b"http/1.1".to_vec() } else { b"dot".to_vec() }];
        Ok(Self { name, host: host.to_owned(), client: Arc::new(client) })
    }

    /// Asks over TLS.
    pub(super) fn dot(&self, stream: TcpStream, query: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = self.connect(stream)?;
        stream.write_all(&framed(query)?)?;
        let mut size = [0; 2];
        stream.read_exact(&mut size)?;
        let mut reply = vec![0; u16::from_be_bytes(size).into()];
        stream.read_exact(&mut reply)?;
        Ok(reply)
    }

    /// Asks over HTTPS, at this path.
    pub(super) fn doh(&self, stream: TcpStream, path: &str, query: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = self.connect(stream)?;
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/dns-message\r\nContent-Type: \
             application/dns-message\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            query.len()
        );
        stream.write_all(&[head.as_bytes(), query].concat())?;
        let mut reply = Vec::new();
        let read = stream.take(MAX_REPLY).read_to_end(&mut reply);
        match (body(&reply), read) {
            // A server may hang up without a word once it has said all.
            (Ok(Some(body)), _) => Ok(body),
            (Ok(None), Err(error)) => Err(error),
            (Ok(None), Ok(_)) => Err(wrong("the server hung up in the middle of its answer")),
            (Err(why), _) => Err(wrong(&why)),
        }
    }

    fn connect(&self, stream: TcpStream) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let client = ClientConnection::new(Arc::clone(&self.client), self.name.clone()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(client, stream);
        // The handshake, whose errors say what is wrong with the certificate.
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(stream)
    }
}

/// With its length, as over TCP.
pub(super) fn framed(query: &[u8]) -> io::Result<Vec<u8>> {
    let size = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok([&size.to_be_bytes()[..], query].concat())
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// The body of a whole reply; none while something of it is missing.
///
/// # Errors
/// When it is no answer to a DNS question.
fn body(reply: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let Some(end) = reply.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let (head, rest) = (String::from_utf8_lossy(&reply[..end]).into_owned(), &reply[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.") {
        return Err("what came is no HTTP".into());
    }
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("the server says `{}`; is the path right?", status.chars().take(60).collect::<String>()));
    }
    let header = |wanted: &str| {
        head.split("\r\n").skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    if header("content-type").is_none_or(|kind| !kind.eq_ignore_ascii_case("application/dns-message")) {
        return Err("the answer is no DNS message; is the path right?".into());
    }
    if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Ok(chunks(rest));
    }
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    Ok(rest.get(..length.unwrap_or(rest.len())).map(<[u8]>::to_vec))
}

/// A body in chunks (RFC 9112 section 7.1); none while something of it is missing.
fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..line)?).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        let chunk = rest.get(line + 2..)?;
        whole.extend_from_slice(chunk.get(..size)?);
        rest = chunk.get(size.checked_add(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use hickory_proto::op::{Message, Query};
    use hickory_proto::rr::{Name, RecordType};
    use pratique_core::allow::AllowList;
    use pratique_core::plan::Element;
    use pratique_core::playbook::PortSpec;
    use pratique_core::time::{Span, Timestamp};
    use pratique_core::view::{GardenView, Resident};
    use pratique_dns::{OpenError, Resolver, WallOpener};

    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\n";

    #[test]
    fn the_body_of_a_reply_is_found_however_it_is_framed() {
        let whole = |reply: String| body(reply.as_bytes()).unwrap().map(|body| String::from_utf8(body).unwrap());
        assert_eq!(whole(format!("{HEAD}Content-Length: 3\r\n\r\nabcd")).as_deref(), Some("abc"));
        assert_eq!(whole(format!("{HEAD}\r\nabcd")).as_deref(), Some("abcd"));
        let chunked = format!("{HEAD}transfer-encoding: CHUNKED\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n");
        assert_eq!(whole(chunked.clone()).as_deref(), Some("abcd"));
        for cut in 0..chunked.len() - "\r\n\r\n".len() - 1 {
            assert_eq!(body(&chunked.as_bytes()[..cut]).unwrap_or(None), None, "{cut}");
        }
        assert_eq!(whole(format!("{HEAD}Content-Length: 5\r\n\r\nabcd")), None);
    }

    struct NoWall;

    #[async_trait::async_trait]
    impl WallOpener for NoWall {
        async fn open(
            &self,
            _: IpAddr,
            _: &Arc<Resident>,
            _: &[IpAddr],
            _: &[PortSpec],
            _: Span,
            _: &str,
        ) -> Result<(), OpenError> {
            Err(OpenError::Stopped)
        }
    }

    #[test]
    fn the_captive_resolver_answers_over_tls_and_https_and_a_certificate_for_another_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let made = rcgen::generate_simple_self_signed(["resolver.isp.example".to_owned()]).unwrap();
        std::fs::write(path("chain.pem"), made.cert.pem()).unwrap();
        std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let text = format!(
            r#"{{"portal_host": "help.isp.example", "portal4": "192.0.2.80", "tls": {{"listen_dot": ["127.0.0.1:0"],
                "listen_doh": ["127.0.0.1:0"], "certificate": {:?}, "key": {:?}}}}}"#,
            path("chain.pem"),
            path("key.pem")
        );
        let settings: pratique_dns::Settings = serde_json::from_str(&text).unwrap();
        let view = Arc::new(GardenView::default());
        view.put(Element::V4([127, 0, 0, 1].into()), Resident::for_test(7, "mirai", AllowList::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let _inside = runtime.enter();
        let encrypted = pratique_dns::bind_encrypted(settings.tls.as_ref().unwrap()).unwrap();
        let dot = encrypted.dot_addresses().unwrap()[0];
        let doh = encrypted.doh_addresses().unwrap()[0];
        let registry = prometheus::Registry::new();
        let resolver = Resolver::new(settings, view, Arc::new(NoWall), &registry).unwrap();
        resolver.refresh_certificate(Timestamp::from_secs(1_800_000_000), false);
        runtime.spawn(async move { resolver.serve_encrypted(encrypted, std::future::pending()).await });

        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii("www.bank.example.").unwrap(), RecordType::A));
        let query = query.to_vec().unwrap();
        let tls = |name: &str, over_https| Tls::new(name, &path("chain.pem"), over_https).unwrap();
        let connect = |to: SocketAddr| TcpStream::connect(to).unwrap();
        let good = "resolver.isp.example";
        for reply in [
            tls(good, false).dot(connect(dot), &query).unwrap(),
            tls(good, true).doh(connect(doh), "/dns-query", &query).unwrap(),
        ] {
            let reply = Message::from_vec(&reply).unwrap();
            assert_eq!(reply.answers[0].data.ip_addr(), Some([192, 0, 2, 80].into()));
        }
        let refused = tls("dns.other.example", false).dot(connect(dot), &query).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{refused}");
        let elsewhere = tls(good, true).doh(connect(doh), "/elsewhere", &query).unwrap_err();
        assert!(elsewhere.to_string().contains("is the path right?"), "{elsewhere}");
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        for (reply, why) in [
            ("SSH-2.0-x\r\n\r\n\r\n", "no HTTP"),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "404"),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "no DNS message"),
        ] {
            assert!(body(reply.as_bytes()).unwrap_err().contains(why), "{reply}");
        }
    }
}
