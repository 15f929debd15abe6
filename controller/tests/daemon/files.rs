//! Files and folders that notices and reports need: what is missing or unreadable is said by `check-config`, and by a daemon
//! before it listens anywhere.

use std::net::TcpListener;

use nix::sys::signal::Signal;

use super::post::Post;
use super::{pratique, said};

/// A node that is not running, and whose port is taken: a daemon that listened first would complain of that.
struct Stopped {
    post: Post,
    _port: TcpListener,
}

impl Stopped {
    fn new() -> Self {
        let mut post = Post::start("", |_| {});
        post.node.signal(Signal::SIGTERM);
        assert_eq!(post.node.ended(), Some(0));
        let port = TcpListener::bind(("127.0.0.1", post.node.port)).unwrap();
        Self { post, _port: port }
    }

    /// Exit code and words of a command.
    fn told_by(&self, command: &str) -> (Option<i32>, String) {
        let config = self.post.node.path("pratique.yaml").display().to_string();
        let done = pratique(&[command, "--config", &config]);
        (done.status.code(), said(&done))
    }

    /// Both commands refuse, with these words; `@` stands for the node's folder.
    fn refuses(&self, words: &str) {
        let words = &words.replace('@', self.post.node.folder.path().to_str().unwrap());
        for (command, exit) in [("check-config", 2), ("run", 1)] {
            let (code, told) = self.told_by(command);
            assert!(
                code == Some(exit) && told.contains(words),
                "{command} does not say `{words}` but {code:?}: {told}"
            );
        }
    }
}

#[test]
fn a_stopped_node_leaves_each_database_in_one_file() {
    let stopped = Stopped::new();
    for database in ["pratique.db", "notices.db"] {
        let beside = stopped.post.node.path(&format!("data/{database}-wal"));
        let left = std::fs::metadata(&beside).map_or(0, |file| file.len());
        assert_eq!(left, 0, "{} holds what {database} lacks", beside.display());
    }
}

#[test]
fn what_the_configuration_names_is_there_or_refused_with_place_and_remedy_before_anything_listens() {
    let stopped = Stopped::new();
    let node = &stopped.post.node;
    let hook = "  webhook: {url: 'https://localhost/', secret_file: secret}\n  bounce_dir";
    for (from, to, words) in [
        ("bounce_dir: bounces", "bounce_dir: no", ":9:3: notices.bounce_dir: @/no is no directory; create it"),
        ("drop_dir: drop", "drop_dir: no", ":2:1: drop_dir: @/no is no directory; create it"),
        ("roots: roots.pem", "roots: no", ":7:3: notices.mail.roots: @/no: cannot be read"),
        ("roots: roots.pem", "roots: log", ":7:3: notices.mail.roots: @/log: holds no certificates in PEM"),
        ("from:", "user: jo, password_file: no, from:", ":7:3: notices.mail.password_file: @/no: cannot be read"),
        ("  bounce_dir", hook, ":9:3: notices.webhook.secret_file: @/secret: cannot be read"),
    ] {
        node.edit("pratique.yaml", from, to);
        stopped.refuses(words);
        node.edit("pratique.yaml", to, from);
    }
    let key = std::fs::read(node.path("data/notices.key")).unwrap();
    std::fs::write(node.path("data/notices.key"), "short").unwrap();
    stopped.refuses(":6:1: notices: @/data/notices.key: is no key of 32 bytes; put the former one back");
    std::fs::write(node.path("data/notices.key"), key).unwrap();
    let texts = node.file("policies/texts/nl.ftl", "hedline = Hallo\n");
    stopped.refuses("@/policies/texts/nl.ftl:1");
    std::fs::remove_file(texts).unwrap();
    // A file in the place of the folder where bounces end: only a daemon makes it, and so only it finds out.
    std::fs::remove_dir(node.path("bounces/done")).unwrap();
    let done = node.file("bounces/done", "");
    let (_, told) = stopped.told_by("run");
    assert!(told.contains("notices.bounce_dir: ") && told.contains("create it, writable for pratique"), "{told}");
    std::fs::remove_file(done).unwrap();
    node.file(
        "data/notices.db",
        "this is no database, but long enough to be taken for one at first sight ...............",
    );
    let (_, told) = stopped.told_by("run");
    assert!(told.contains("/data/notices.db cannot be opened"), "{told}");
    std::fs::remove_file(node.path("data/notices.db")).unwrap();
    let (_, told) = stopped.told_by("run");
    assert!(told.contains("api.listen: cannot listen on"), "all is well again: {told}");
}
