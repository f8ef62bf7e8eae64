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

/// Text, words that the sentence must hold, correction ("" for none).
const SLIPS: [(&str, &str, &str); 62] = [
    ("http:/host1:2380", "one slash is missing: http://host1:2380?", "http://host1:2380"),
    ("https:/10.0.0.1:2380", "one slash is missing", "https://10.0.0.1:2380"),
    ("HTTP:/host1:2380/", "one slash is missing", "http://host1:2380"),
    ("http:host1:2380", "two slashes are missing", "http://host1:2380"),
    ("http:///host1:2380", "too many slashes", "http://host1:2380"),
    ("http//host1:2380", "the colon after http is missing", "http://host1:2380"),
    ("http::/host1:2380", "in place of \"://\"", "http://host1:2380"),
    ("https;//host1:2380", "semicolon in place of a colon", "https://host1:2380"),
    ("http:\\\\host1:2380", "backslashes", "http://host1:2380"),
    ("10.0.0.1:2380", "the scheme is missing: http://10.0.0.1:2380?", "http://10.0.0.1:2380"),
    ("host1:2380", "the scheme is missing", "http://host1:2380"),
    ("//host1:2380", "the scheme is missing", "http://host1:2380"),
    ("://host1:2380", "the scheme is missing", "http://host1:2380"),
    ("[::1]:2380", "the scheme is missing", "http://[::1]:2380"),
    ("http:2380", "the scheme is missing", "http://http:2380"),
    ("host1", "the scheme is missing", ""),
    ("tcp://host1:2380", "etcd does not support the scheme \"tcp\"", "http://host1:2380"),
    ("tls://host1:2380", "the scheme \"tls\"", "https://host1:2380"),
    ("htp:/host1:2380", "the scheme \"htp\"", "http://host1:2380"),
    ("hhtp://host1:2380", "the scheme \"hhtp\"", "http://host1:2380"),
    ("htpps://host1:2380", "the scheme \"htpps\"", "https://host1:2380"),
    ("htttps://host1:2380", "does not support the scheme", "https://host1:2380"),
    ("http://host1", "the port is missing", ""),
    ("http://host1:", "the port is missing", ""),
    ("http://[::1]", "the port is missing", ""),
    ("http://[::1]:", "the port is missing", ""),
    ("http://[::1]2380", "a colon and the port", ""),
    ("http://2001:db8::7:2380", "an IPv6 address needs brackets", "http://[2001:db8::7]:2380"),
    ("http://::1:2380", "needs brackets", "http://[::1]:2380"),
    ("http://1:2:3:4:5:6:7:8:80", "needs brackets", "http://[1:2:3:4:5:6:7:8]:80"),
    ("http://2001:db8::7", "needs brackets", ""),
    ("http://[2001:db8::7:2380", "the bracket after the IPv6 address is missing", "http://[2001:db8::7]:2380"),
    ("http://[host1]:2380", "brackets are only for IPv6", "http://host1:2380"),
    ("http://[10.0.0.1]:2380", "brackets are only for IPv6", "http://10.0.0.1:2380"),
    ("http://[fe80::1%25eth0]:2380", "zone", ""),
    ("http://host1::2380", "one colon too many", "http://host1:2380"),
    ("http://host1:2380:1", "too many colons", ""),
    ("http://host1:2380/", "a slash at the end", "http://host1:2380"),
    ("http://host1:2380/v2/x", "a path", "http://host1:2380"),
    ("http://host1:2380?a=b", "a query", "http://host1:2380"),
    ("http://host1:2380/#x", "a fragment", "http://host1:2380"),
    ("http://root:pw@host1:2380", "cannot contain a user and password: http://host1:2380?", "http://host1:2380"),
    ("http://host1:0", "port 0 cannot be reached", ""),
    ("http://host1:65536", "port 65536 does not exist", ""),
    ("http://host1:99999999999", "does not exist", ""),
    ("http://host1:02380", "leading zeros", "http://host1:2380"),
    ("http://host1:238O", "the port \"238O\" is not a number", "http://host1:2380"),
    ("http://host1:peer", "the port \"peer\" is not a number", ""),
    ("http://:2380", "the host is missing", ""),
    ("http://ho st1:2380", "space inside the URL", "http://host1:2380"),
    ("http://a:2380 http://b:2380", "only a comma separates two URLs", "http://a:2380,http://b:2380"),
    ("http://a:2380;http://b:2380/", "only a comma", "http://a:2380,http://b:2380"),
    ("\"http://a:2380\"", "quotes", "http://a:2380"),
    ("m1=http://a:2380", "the name \"m1\" does not belong", "http://a:2380"),
    ("http://a+b:2380", "\"+\" does not belong in a host name", ""),
    ("http://10.0..1:2380", "two consecutive dots", ""),
    ("http://10.0.0.300:2380", "10.0.0.300 is not an IPv4 address", ""),
    ("http://10.0.0:2380", "is not an IPv4 address", ""),
    ("http\u{ff1a}//host1:2380", "U+FF1A (fullwidth colon) in place of \":\"", "http://host1:2380"),
    ("http://host\u{2013}1:2380", "U+2013 (en dash)", "http://host-1:2380"),
    ("\u{201c}http://a:2380\u{201d}", "U+201C (left double quote) does not belong", "http://a:2380"),
    ("http://h\u{f6}st:2380", "U+00F6 (ö) is not an ASCII character", ""),
];

#[test]
fn every_slip_has_its_name_and_its_correction() {
    for (text, words, fix) in SLIPS {
        let slip = parse(text).unwrap_err();
        assert!(slip.text.contains(words), "{text:?} gives {:?}", slip.text);
        assert_eq!(slip.fix.as_deref().unwrap_or(""), fix, "{text:?}");
        assert!(!slip.text.ends_with('.'), "{:?}", slip.text);
    }
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
