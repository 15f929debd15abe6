//! What answers while the store is still being read after a start, and what becomes of the last view then. In a network of its own,
//! with the real wall.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use serde_json::Value;

use super::{Node, agent, home, said, until};

const PORTAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 80)), 8080);

/// Takes the place of the newest snapshot, and holds whoever reads it until it is let go.
struct Held(PathBuf);

impl Held {
    fn new(node: &Node) -> Self {
        let path = node.path("data/pratique.db.snapshot-09000000000000000000");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        Self(path)
    }

    fn let_go(self) {
        // Opens when it is being read, and ends that without a word.
        drop(std::fs::File::options().write(true).open(&self.0).unwrap());
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn page(line: u8) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(home::look(Ipv4Addr::new(198, 51, 100, line), PORTAL, "/"))
}

fn read(node: &Node, path: &str) -> (u16, String) {
    let request = agent().get(format!("http://127.0.0.1:{}{path}", node.port));
    let mut answer = request.header("authorization", node.bearer(&node.anna)).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

#[test]
fn pages_come_from_the_last_view_while_the_store_is_read_and_the_api_says_how_far() {
    let name = "starting::pages_come_from_the_last_view_while_the_store_is_read_and_the_api_says_how_far";
    if !super::in_a_network_of_its_own(name) {
        return;
    }
    let mut node = Node::start();
    let sections = format!(
        "portal:\n  listen: ['{PORTAL}']\n  pages: {{portal_url: 'http://{PORTAL}/', provider: {{name: Example Net, phone: 0800 0100, \
         site: example.net/help}}}}\napi:"
    );
    node.edit("pratique.yaml", "api:", &sections);
    node.edit("pratique.yaml", "wall: {portal4: 192.0.2.80,", "wall: {portal4: 192.0.2.80, http_port: 8080,");
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    node.run();
    for case in node.infect(&[1, 2]) {
        assert_eq!(node.approve(&node.anna, case).0, 200);
    }
    until("both have a page", || page(1).contains("Q-0001") && page(2).contains("Q-0002"));
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));

    let held = Held::new(&node);
    node.launch();
    until("the page is there", || std::net::TcpStream::connect(PORTAL).is_ok() && page(1).contains("Q-0001"));
    let status: Value = serde_json::from_str(&read(&node, "/api/v1/status").1).unwrap();
    assert!(status["loading"].is_string(), "{status}");
    let (code, ready) = read(&node, "/readyz");
    assert!(
        code == 503 && ready.contains("- cases: NOT READY, ") && ready.contains("- pages: from the last view, of "),
        "{ready}"
    );
    let (code, cases) = read(&node, "/api/v1/cases");
    assert!(code == 503 && cases.contains("\"loading\"") && cases.contains("pratique is starting: "), "{cases}");
    let told = node.cli(&["status"]);
    assert!(told.status.success() && said(&told).contains("This node is starting: "), "{}", said(&told));
    assert!(!page(3).contains("Q-000"), "who is not held has no case");
    // Nobody waits for the store with a page that does not rest on it; the button does, and says so.
    held.let_go();
    until("it is loaded", || node.get("/status")["loading"].is_null());
    until("it is ready", || read(&node, "/readyz").0 == 200);
    assert!(page(1).contains("Q-0001"));

    // Released right before a crash: the last view may still hold the line, the loaded one does not.
    node.ok(&["case", "release", "2", "--reason", "fixed"]);
    node.signal(Signal::SIGKILL);
    node.ended();
    node.run();
    until("the released line has no case", || !page(2).contains("Q-0002"));
    assert!(page(1).contains("Q-0001"));

    // A stop in the middle of loading is a stop.
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    let held = Held::new(&node);
    node.launch();
    until("the page is there", || std::net::TcpStream::connect(PORTAL).is_ok());
    until("it is loading", || read(&node, "/healthz").0 == 200);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    std::fs::remove_file(&held.0).unwrap();
    node.run();
    assert!(page(1).contains("Q-0001"));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(node.path("data/pratique.db.view")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}
