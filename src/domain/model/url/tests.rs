//! What etcd takes and what it does not, by tables; that every correction is taken, by properties.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[test]
fn parses_and_prints_urls_as_etcd_does() {
    for (text, printed, host, port) in [
        ("http://10.0.0.1:2380", "http://10.0.0.1:2380", "10.0.0.1", 2380),
        (" https://host1:2380\t", "https://host1:2380", "host1", 2380),
        ("HTTP://LocalHost:1", "http://LocalHost:1", "LocalHost", 1),
        ("https://[2001:DB8::1]:65535", "https://[2001:DB8::1]:65535", "2001:DB8::1", 65535),
        ("http://m-1.etcd_x.example.:2380", "http://m-1.etcd_x.example.:2380", "m-1.etcd_x.example.", 2380),
        ("http://http:2380", "http://http:2380", "http", 2380),
        ("unix:///tmp/m1.sock", "unix:///tmp/m1.sock", "/tmp/m1.sock", 0),
        ("UNIXS://m1.sock:1", "unixs://m1.sock:1", "m1.sock:1", 0),
    ] {
        let url = parse(text).unwrap();
        assert_eq!((url.as_str(), url.host.as_str(), url.port), (printed, host, port), "{text}");
    }
    assert_eq!(parse("http://[::1]:1").unwrap().ip(), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    assert_eq!(parse("http://a:1").unwrap().at("::1", 7).as_str(), "http://[::1]:7");
    assert_eq!(parse("http://[0:0::1]:1").unwrap().place(), parse("https://[::1]:1").unwrap().place());
    assert_eq!(parse("http://A:1").unwrap().place(), parse("http://a:1").unwrap().place());
}

#[test]
fn client_urls_are_proposed_on_the_peer_hosts() {
    for (peers, clients) in [
        ("http://10.0.0.1:2380", "http://10.0.0.1:2379"),
        ("https://host1:12380", "https://host1:2379"),
        ("https://[2001:db8::1]:2380", "https://[2001:db8::1]:2379"),
        ("http://[::1]:2380,http://127.0.0.1:2380", "http://[::1]:2379,http://127.0.0.1:2379"),
        ("https://a:2380,http://a:2380", "https://a:2379,http://a:2379"),
        ("http://a:2380,http://a:12380,http://A:1", "http://a:2379"),
        ("unix:///run/m1.sock", ""),
        ("unixs://m1.sock:1,https://b:2380", "https://b:2379"),
        ("", ""),
    ] {
        let peers: Vec<Url> = peers.split(',').filter(|p| !p.is_empty()).map(|p| parse(p).unwrap()).collect();
        let made: Vec<String> = default_clients(&peers).iter().map(|url| url.as_str().to_string()).collect();
        assert_eq!(made.join(","), clients);
        assert!(made.iter().all(|url| parse(url).is_ok()), "{made:?}");
    }
    for (url, port) in [(DEFAULT_PEER_URL, PEER_PORT), (DEFAULT_CLIENT_URL, CLIENT_PORT)] {
        assert_eq!(parse(url).unwrap().port, port);
    }
}

/// Text and correction ("" for none).
const SLIPS: [(&str, &str); 62] = [
    ("http:/host1:2380", "http://host1:2380"),
    ("https:/10.0.0.1:2380", "https://10.0.0.1:2380"),
    ("HTTP:/host1:2380/", "http://host1:2380"),
    ("http:host1:2380", "http://host1:2380"),
    ("http:///host1:2380", "http://host1:2380"),
    ("http//host1:2380", "http://host1:2380"),
    ("http::/host1:2380", "http://host1:2380"),
    ("https;//host1:2380", "https://host1:2380"),
    ("http:\\\\host1:2380", "http://host1:2380"),
    ("10.0.0.1:2380", "http://10.0.0.1:2380"),
    ("host1:2380", "http://host1:2380"),
    ("//host1:2380", "http://host1:2380"),
    ("://host1:2380", "http://host1:2380"),
    ("[::1]:2380", "http://[::1]:2380"),
    ("http:2380", "http://http:2380"),
    ("host1", ""),
    ("tcp://host1:2380", "http://host1:2380"),
    ("tls://host1:2380", "https://host1:2380"),
    ("htp:/host1:2380", "http://host1:2380"),
    ("hhtp://host1:2380", "http://host1:2380"),
    ("htpps://host1:2380", "https://host1:2380"),
    ("htttps://host1:2380", "https://host1:2380"),
    ("http://host1", ""),
    ("http://host1:", ""),
    ("http://[::1]", ""),
    ("http://[::1]:", ""),
    ("http://[::1]2380", ""),
    ("http://2001:db8::7:2380", "http://[2001:db8::7]:2380"),
    ("http://::1:2380", "http://[::1]:2380"),
    ("http://1:2:3:4:5:6:7:8:80", "http://[1:2:3:4:5:6:7:8]:80"),
    ("http://2001:db8::7", ""),
    ("http://[2001:db8::7:2380", "http://[2001:db8::7]:2380"),
    ("http://[host1]:2380", "http://host1:2380"),
    ("http://[10.0.0.1]:2380", "http://10.0.0.1:2380"),
    ("http://[fe80::1%25eth0]:2380", ""),
    ("http://host1::2380", "http://host1:2380"),
    ("http://host1:2380:1", ""),
    ("http://host1:2380/", "http://host1:2380"),
    ("http://host1:2380/v2/x", "http://host1:2380"),
    ("http://host1:2380?a=b", "http://host1:2380"),
    ("http://host1:2380/#x", "http://host1:2380"),
    ("http://root:pw@host1:2380", "http://host1:2380"),
    ("http://host1:0", ""),
    ("http://host1:65536", ""),
    ("http://host1:99999999999", ""),
    ("http://host1:02380", "http://host1:2380"),
    ("http://host1:238O", "http://host1:2380"),
    ("http://host1:peer", ""),
    ("http://:2380", ""),
    ("http://ho st1:2380", "http://host1:2380"),
    ("http://a:2380 http://b:2380", "http://a:2380,http://b:2380"),
    ("http://a:2380;http://b:2380/", "http://a:2380,http://b:2380"),
    ("\"http://a:2380\"", "http://a:2380"),
    ("m1=http://a:2380", "http://a:2380"),
    ("http://a+b:2380", ""),
    ("http://10.0..1:2380", ""),
    ("http://10.0.0.300:2380", ""),
    ("http://10.0.0:2380", ""),
    ("http\u{ff1a}//host1:2380", "http://host1:2380"),
    ("http://host\u{2013}1:2380", "http://host-1:2380"),
    ("\u{201c}http://a:2380\u{201d}", "http://a:2380"),
    ("http://h\u{f6}st:2380", ""),
];

#[test]
fn every_slip_has_its_name_and_its_correction() {
    let mut messages = Vec::new();
    for (text, fix) in SLIPS {
        let slip = parse(text).unwrap_err();
        messages.push((format!("{text:?}"), slip.text.clone()));
        assert_eq!(slip.fix.as_deref().unwrap_or(""), fix, "{text:?}");
        assert!(!slip.text.ends_with('.'), "{:?}", slip.text);
    }
    crate::text::messages::hold("url-slips", &messages);
    for text in ["", "  \t", "unix://", "unix:///", "unix:///tmp/a b", "unix:///tmp/%41"] {
        let slip = parse(text).unwrap_err();
        assert!(!slip.text.is_empty() && (slip.fix.is_none() || text.contains(' ')), "{text:?}: {slip:?}");
    }
    assert_eq!(parse("unix:/tmp/s").unwrap_err().fix.as_deref(), Some("unix:///tmp/s"));
    assert_eq!(parse("http://a:2380\u{200b}").unwrap_err().fix.as_deref(), Some("http://a:2380"));
    assert_eq!(parse("http://a\u{a0}:2380").unwrap_err().fix.as_deref(), Some("http://a:2380"));
}

#[test]
fn the_rest_of_the_table_helps_the_guess() {
    let guess = Guess { scheme: Scheme::Https, port: Some(2380) };
    assert_eq!(parse_with("host1", guess).unwrap_err().fix.as_deref(), Some("https://host1:2380"));
    assert_eq!(parse_with("tcp://[::1]", guess).unwrap_err().fix.as_deref(), Some("https://[::1]:2380"));
    assert_eq!(parse_with("http://host1", guess).unwrap_err().fix.as_deref(), Some("http://host1:2380"));
}

proptest! {
    #[test]
    fn any_text_is_a_url_or_correctable(text in "\\PC{0,40}|[a-z:/;0-9.\\[\\]@?# ]{0,30}|https?[:;/]{0,4}[a-z0-9.:\\[\\]]{0,12}") {
        match parse(&text) {
            Ok(url) => {
                prop_assert_eq!(parse(url.as_str()), Ok(url.clone()));
                prop_assert!(url.scheme.is_unix() || url.port > 0);
            }
            Err(slip) => {
                prop_assert!(!slip.text.is_empty());
                for item in slip.fix.iter().flat_map(|f| f.split(',')) {
                    prop_assert!(parse(item).is_ok(), "{:?} is corrected to {:?}", text, slip.fix);
                    prop_assert!(parse(item).is_ok_and(|url| url.as_str() == item));
                }
            }
        }
    }

    #[test]
    fn well_formed_urls_keep_their_text(host in "[a-zA-Z][a-zA-Z0-9-]{0,12}", port in 1u16.., tls: bool) {
        let text = format!("http{}://{host}:{port}", if tls { "s" } else { "" });
        let url = parse(&text).unwrap();
        prop_assert_eq!(url.as_str(), &text);
    }
}
