//! Which answer a request gets, by its facts.

use super::*;

fn asked<'a>(method: &'a Method, own_host: bool, path: &'a str, browser: bool, resident: bool) -> Asked<'a> {
    Asked {
        method,
        own_host,
        host: "connectivitycheck.gstatic.com",
        path,
        browser,
        agent: "",
        knows_api: false,
        resident,
        checks: true,
        figures: true,
    }
}

#[test]
fn residents_are_led_to_the_portal_from_anywhere_else_and_nowhere_else() {
    for path in ["/", "/generate_204", "//evil.example", "/fixed", "/leave"] {
        for browser in [true, false] {
            assert_eq!(route(asked(&Method::GET, false, path, browser, true)), Route::Redirect, "{path}");
        }
        assert_eq!(route(asked(&Method::POST, false, path, true, true)), Route::SeeOther, "{path}");
        let refused = Route::Nothing(StatusCode::NETWORK_AUTHENTICATION_REQUIRED);
        assert_eq!(route(asked(&Method::POST, false, path, false, true)), refused, "{path}");
        assert_eq!(route(asked(&Method::CONNECT, false, path, false, true)), refused, "{path}");
    }
}

#[test]
fn the_portals_own_host_never_redirects_a_read() {
    for resident in [true, false] {
        for path in ["/", "/favicon.ico", "/any/where"] {
            for browser in [true, false] {
                let route = route(asked(&Method::GET, true, path, browser, resident));
                assert!(!matches!(route, Route::Redirect | Route::SeeOther), "{path}");
                assert_eq!(route == Route::Page, browser, "{path}");
            }
        }
        assert_eq!(route(asked(&Method::GET, true, LIVE_PATH, false, resident)), Route::Live);
        assert_ne!(route(asked(&Method::GET, false, LIVE_PATH, false, resident)), Route::Live);
    }
}

#[test]
fn a_link_of_a_notice_leads_strangers_to_its_own_page_and_residents_to_theirs() {
    for browser in [true, false] {
        assert_eq!(route(asked(&Method::GET, true, "/notice/1-2-3-x", browser, false)), Route::Genuine);
    }
    assert_eq!(route(asked(&Method::GET, true, "/notice/1-2-3-x", true, true)), Route::Page);
    assert_eq!(route(asked(&Method::GET, false, "/notice/1-2-3-x", true, false)), Route::FreeElsewhere);
}

#[test]
fn the_self_check_is_there_for_everybody_on_the_portals_own_host_and_only_where_it_is_switched_on() {
    for resident in [true, false] {
        for browser in [true, false] {
            let wanted = asked(&Method::GET, true, check::PATH, browser, resident);
            assert_eq!(route(wanted), Route::Check);
            assert_ne!(route(Asked { checks: false, ..wanted }), Route::Check);
            assert_ne!(route(Asked { own_host: false, ..wanted }), Route::Check);
            assert_eq!(route(asked(&Method::GET, true, "/share-en.png", browser, resident)), Route::Picture);
            for (path, route_of) in [(figures::PATH, Route::Figures), (figures::JSON_PATH, Route::FiguresData)] {
                let open = asked(&Method::GET, true, path, browser, resident);
                assert_eq!(route(open), route_of);
                assert_ne!(route(Asked { figures: false, ..open }), route_of);
                assert_ne!(route(Asked { own_host: false, ..open }), route_of);
            }
            let form = asked(&Method::POST, true, check::SCAN_PATH, browser, resident);
            assert_eq!(route(form), Route::Scan);
            assert_ne!(route(Asked { checks: false, ..form }), Route::Scan);
            assert_ne!(route(Asked { own_host: false, ..form }), Route::Scan);
            assert_ne!(route(Asked { method: &Method::GET, ..form }), Route::Scan);
        }
    }
}

#[test]
fn a_free_line_hears_that_it_is_online() {
    assert!(matches!(route(asked(&Method::GET, false, "/generate_204", false, false)), Route::Online(_)));
    assert_eq!(route(asked(&Method::GET, false, "/x", true, false)), Route::FreeElsewhere);
    assert_eq!(route(asked(&Method::GET, false, "/x", false, false)), Route::Stale);
}

#[test]
fn the_captive_api_answers_on_every_host_and_in_every_state() {
    for (own, resident) in [(true, true), (true, false), (false, true), (false, false)] {
        for path in captive::PATHS {
            let program = asked(&Method::GET, own, path, false, resident);
            let browser = asked(&Method::GET, own, path, true, resident);
            assert_eq!(route(program), Route::Api);
            assert_eq!(route(Asked { method: &Method::HEAD, ..program }), Route::Api);
            assert_eq!(route(Asked { knows_api: true, ..browser }), Route::Api);
            assert_eq!(route(browser), Route::ApiPage, "a browser gets the page (RFC 8910 section 2)");
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
                assert_eq!(route(Asked { method: &method, ..browser }), Route::ApiRefused);
            }
        }
    }
}

#[test]
fn only_those_who_name_html_are_browsers() {
    let html = ["text/html", "application/xhtml+xml"];
    let accepts_html = |headers: &HeaderMap| accepts(headers, &html);
    let accepts = |text: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(text));
        accepts_html(&headers)
    };
    assert!(accepts("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
    assert!(accepts("*/*, TEXT/HTML;level=1"));
    assert!(!accepts("*/*"));
    assert!(!accepts("image/avif,image/webp,*/*;q=0.8"));
    assert!(!accepts("text/htmlx"));
    assert!(!accepts_html(&HeaderMap::new()));
}
