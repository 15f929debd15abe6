//! The self-check of the program as it runs. What lines see is tested with lines at loopback addresses, which lists may not
//! have: `tests/self_check`.

use nix::sys::signal::Signal;

use super::{Node, free_port, pratique, said};

#[test]
fn the_page_is_there_when_it_is_configured_and_knows_strangers_as_that() {
    let mut node = Node::start();
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    let port = free_port();
    let section = format!(
        "portal:\n  listen: ['127.0.0.1:{port}']\n  pages: {{portal_url: 'http://127.0.0.1:{port}/', provider: {{name: \
         Example Net, phone: 0800 0100, site: example.net/help}}, self_check: {{figures: true}}}}\napi:"
    );
    node.edit("pratique.yaml", "api:", &section);
    node.run();
    let url = format!("http://127.0.0.1:{port}/check");
    let page = super::agent().get(&url).header("accept", "text/html").call().unwrap().into_body();
    let page = page.into_with_config().read_to_string().unwrap();
    assert!(page.contains("We do not know your line"), "{page}");
    let figures = url.replace("/check", "/figures.json");
    super::until("the figures are counted", || super::agent().get(&figures).call().unwrap().status() == 200);
    let figures = super::agent().get(&figures).call().unwrap().into_body().into_with_config().read_to_string().unwrap();
    assert!(figures.contains("\"kinds\":{\"days\":30,\"lines\":[]}"), "{figures}");
    node.edit("pratique.yaml", "self_check: {figures: true}", "self_check: {looks_at_once: 0}");
    let checked = said(&pratique(&["check-config", "--config", node.path("pratique.yaml").to_str().unwrap()]));
    assert!(checked.contains("portal.self_check: a limit of 0"), "{checked}");
}
