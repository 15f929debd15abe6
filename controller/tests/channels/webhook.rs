//! The webhook.

use pratique_core::ids::CaseId;
use pratique_notices::channel::Trouble;
use pratique_notices::webhook::{Post, Recipient, Settings, Webhook};
use serde_json::{Value, json};

use super::servers::Server;
use super::{Place, letter, noon, stamp};

fn webhook(place: &Place, url: String) -> Webhook {
    let secret_file = place.file("secret", "open sesame\n");
    let settings = Settings { url: url.into(), secret_file, roots: place.path("roots.pem") };
    assert_eq!(settings.problems(), Vec::<String>::new());
    Webhook::new(&settings).unwrap()
}

async fn send(webhook: &Webhook) -> Result<(), Trouble> {
    let letter = letter();
    let to = Recipient { subscriber: Some("C-1"), phone: Some("+31 20 555 0100"), email: Some("jo@mail.example") };
    webhook.send(&Post::new(CaseId(17), "quarantined", to, &letter), &stamp(), noon()).await
}

/// As anybody would check it.
fn hmac(secret: &str, text: &str) -> String {
    let mut command = std::process::Command::new("openssl");
    let mut child = command
        .args(["dgst", "-sha256", "-hmac", secret])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    said.trim().rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_post_over_tls_is_signed_and_says_who_and_what() {
    let place = Place::new();
    let server = Server::start("httpd.py", &place.tls(json!({})));
    send(&webhook(&place, format!("https://localhost:{}/notices", server.port))).await.unwrap();
    let got = server.got();
    assert_eq!(got["path"], "/notices");
    let header = |name: &str| {
        let headers = got["headers"].as_object().unwrap();
        let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
    };
    assert_eq!(header("Content-Type"), "application/json");
    assert_eq!(header("Idempotency-Key"), format!("\"{}\"", stamp().text()));
    assert_eq!(header("Pratique-Timestamp"), "1771156800");
    let body = got["body"].as_str().unwrap();
    assert_eq!(header("Pratique-Signature"), format!("v1={}", hmac("open sesame", &format!("1771156800.{body}"))));
    let body: Value = serde_json::from_str(body).unwrap();
    let letter = letter();
    let wanted = json!({
        "version": 1, "case": 17, "kind": "quarantined", "subscriber": "C-1", "phone": "+31 20 555 0100",
        "email": "jo@mail.example", "language": "ja", "subject": letter.subject, "short": letter.short,
        "text": letter.text, "html": letter.html, "link": letter.link,
    });
    assert_eq!(body, wanted);
}

#[tokio::test]
async fn what_is_tried_again_has_the_same_key_and_a_client_error_is_for_good() {
    let place = Place::new();
    let answers = json!({"answers": [500, 503, 0, 429, 302, 204, 400, 410, 401]});
    let server = Server::start("httpd.py", &place.tls(answers));
    let webhook = webhook(&place, format!("https://localhost:{}/", server.port));
    for code in ["500", "503", "cannot be reached", "429", "302"] {
        match send(&webhook).await {
            Err(Trouble::Later(said)) => {
                assert!(said.contains(code), "{said}");
                assert!(!said.contains("mail.example") && !said.contains("555"), "{said}");
            }
            other => panic!("{code}: {other:?}"),
        }
    }
    send(&webhook).await.unwrap();
    for code in [400, 410, 401] {
        let done = send(&webhook).await;
        assert!(matches!(done, Err(Trouble::Refused { code: c, .. }) if c == code), "{done:?}");
    }
    let keys: Vec<_> = (0..9).map(|_| server.got()["headers"]["idempotency-key"].clone()).collect();
    assert_eq!(server.more(), Vec::<Value>::new());
    assert!(keys.iter().all(|key| *key == keys[0] && key.is_string()), "{keys:?}");
}

#[tokio::test]
async fn nothing_goes_to_a_server_that_is_not_the_one() {
    let (ours, stranger) = (Place::new(), Place::new());
    let server = Server::start("httpd.py", &stranger.tls(json!({})));
    let done = send(&webhook(&ours, format!("https://localhost:{}/", server.port))).await;
    assert!(matches!(&done, Err(Trouble::Later(said)) if said.contains("cannot be reached")), "{done:?}");
    assert_eq!(server.more(), Vec::<Value>::new());
}
