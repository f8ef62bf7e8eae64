//! Member URLs as etcd's own parser accepts them (Go's `net/url`, then `types.NewURLs`), and the
//! mistakes in those that it rejects.
//!
//! Source: etcd `client/pkg/types/urls.go`, the same in 3.5 to 3.7. Stricter than etcd where etcd
//! accepts a mistake that leads to an unreachable cluster: an empty host, port 0 or 99999,
//! user info, query, fragment, letters that Go would escape (the escaped form goes into the IDs).

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::text::{confusables, template};

/// How a member is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP in TLS.
    Https,
    /// A Unix socket.
    Unix,
    /// A Unix socket, TLS in it.
    Unixs,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Scheme; 4] = [Scheme::Http, Scheme::Https, Scheme::Unix, Scheme::Unixs];

    /// Returns the text before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Unix => "unix",
            Scheme::Unixs => "unixs",
        }
    }

    /// True where the traffic is encrypted.
    pub fn is_tls(self) -> bool {
        matches!(self, Scheme::Https | Scheme::Unixs)
    }

    /// True for the two kinds of socket files.
    pub fn is_unix(self) -> bool {
        matches!(self, Scheme::Unix | Scheme::Unixs)
    }

    fn named(text: &str) -> Option<Scheme> {
        Scheme::ALL.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(text))
    }
}

/// One URL that etcd takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// How the member is reached.
    pub scheme: Scheme,
    /// The host in the case in which it was typed, IPv6 without its brackets; a socket's path for
    /// `unix` and `unixs`.
    pub host: String,
    /// The port; 0 for `unix` and `unixs`.
    pub port: u16,
    text: String,
}

impl Url {
    /// As etcd prints it, stores it and hashes it into IDs: the scheme in lower case, the host's
    /// case kept.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host's address where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The URL of a host and port; an IPv6 host is given without brackets.
    pub fn new(scheme: Scheme, host: &str, port: u16) -> Url {
        let name = scheme.as_str();
        let text =
            if host.contains(':') { format!("{name}://[{host}]:{port}") } else { format!("{name}://{host}:{port}") };
        Url { scheme, host: host.into(), port, text }
    }

    /// The same URL with another host and port; an IPv6 host is given without brackets.
    #[must_use]
    pub fn at(&self, host: &str, port: u16) -> Url {
        Url::new(self.scheme, host, port)
    }

    /// The same place over https, or over http; a socket file stays as it is.
    #[must_use]
    pub fn over(&self, tls: bool) -> Url {
        let scheme = match self.scheme {
            Scheme::Http | Scheme::Https if tls => Scheme::Https,
            Scheme::Http | Scheme::Https => Scheme::Http,
            _ => return self.clone(),
        };
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        Url { scheme, text: format!("{}://{rest}", scheme.as_str()), ..self.clone() }
    }

    /// What two URLs have in common that cannot both be listened for: host (addresses in their
    /// canonical form, names in lower case) and port.
    pub fn place(&self) -> (String, u16) {
        let host = match self.ip() {
            Some(ip) => ip.to_string(),
            None if self.scheme.is_unix() => self.host.clone(),
            None => self.host.to_ascii_lowercase(),
        };
        (host, self.port)
    }
}

/// Why a text is not a URL that etcd takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlSlip {
    /// The mistake by name, a sentence without a full stop.
    pub text: String,
    /// The URL with this and every further mistake corrected, where that is known. Where two
    /// URLs were in one place it holds both, separated by a comma.
    pub fix: Option<String>,
}

/// What a correction fills in where the text itself does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    /// The scheme where none is given.
    pub scheme: Scheme,
    /// The port where none is given; `None` leaves such a URL without a correction.
    pub port: Option<u16>,
}

impl Default for Guess {
    fn default() -> Self {
        Guess { scheme: Scheme::Http, port: None }
    }
}

/// Reads one URL. Whitespace around it is passed over, as etcd does.
///
/// # Errors
/// The first mistake by name, with the correction of all of them where it is known.
pub fn parse(text: &str) -> Result<Url, UrlSlip> {
    parse_with(text, Guess::default())
}

/// The port at which members usually listen for each other.
pub const PEER_PORT: u16 = 2380;

/// The port at which members usually listen for clients.
pub const CLIENT_PORT: u16 = 2379;

/// What a member without `--listen-peer-urls` or `--initial-advertise-peer-urls` has (etcd `server/embed/config.go`).
pub const DEFAULT_PEER_URL: &str = "http://localhost:2380";

/// What a member without `--listen-client-urls` or `--advertise-client-urls` has.
pub const DEFAULT_CLIENT_URL: &str = "http://localhost:2379";

/// Returns the client URLs that are proposed for a member with these peer URLs: the same schemes and hosts, etcd's usual
/// port, each once. A socket in the filesystem proposes none: where its member serves clients is not known.
pub fn default_clients<'a>(peers: impl IntoIterator<Item = &'a Url>) -> Vec<Url> {
    let mut clients: Vec<Url> = Vec::new();
    for url in peers.into_iter().filter(|url| !url.scheme.is_unix()).map(|url| url.at(&url.host, CLIENT_PORT)) {
        if !clients.iter().any(|known| known.scheme == url.scheme && known.place() == url.place()) {
            clients.push(url);
        }
    }
    clients
}

/// Host and port of a URL, or of an endpoint without a scheme, as [`Url::place`]; none for a socket in the filesystem.
pub(crate) fn place(text: &str) -> Option<(String, u16)> {
    let text = text.trim();
    let whole = if text.contains("://") { text.to_string() } else { format!("http://{text}") };
    parse(&whole).ok().filter(|u| !u.scheme.is_unix()).map(|u| u.place())
}

/// [`parse`] with what the rest of the table shows about scheme and port.
///
/// # Errors
/// As for [`parse`].
pub fn parse_with(text: &str, guess: Guess) -> Result<Url, UrlSlip> {
    strict(text, guess).map_err(|slip| {
        let fix = slip.fix.and_then(|fix| complete(&fix, guess, 12));
        match fix {
            Some(fix) => UrlSlip { text: format!("{}: {fix}?", slip.text), fix: Some(fix) },
            None => UrlSlip { text: slip.text, fix: None },
        }
    })
}

/// Corrects `text` until etcd takes it; `None` where a mistake remains that cannot be corrected.
fn complete(text: &str, guess: Guess, steps: u8) -> Option<String> {
    let items: Option<Vec<String>> = text
        .split(',')
        .map(|item| match strict(item, guess) {
            Ok(url) => Some(url.text),
            Err(slip) => complete(&slip.fix?, guess, steps.checked_sub(1)?),
        })
        .collect();
    items.map(|items| items.join(","))
}

/// Returns whether a text begins with a scheme, right or mistyped, rather than with a host.
pub(super) fn begins_with_scheme(text: &str) -> bool {
    let text = text.trim();
    let (word, tail) = text.split_at(text.find([':', ';', '/']).unwrap_or(text.len()));
    let rest = tail.trim_start_matches([':', ';', '/']);
    let (marks, _) = tail.split_at(tail.len() - rest.len());
    let slashes = marks.contains('/');
    let is_port = marks == ":" && rest.chars().all(|c| c.is_ascii_digit());
    match Scheme::named(word) {
        Some(_) => !marks.is_empty() && !is_port,
        None => !word.is_empty() && slashes && marks.starts_with([':', ';']),
    }
}

fn slip<T>(text: impl Into<String>, fix: Option<String>) -> Result<T, UrlSlip> {
    Err(UrlSlip { text: text.into(), fix })
}

/// Takes what etcd takes, or names the first mistake and corrects that one alone.
fn strict(text: &str, guess: Guess) -> Result<Url, UrlSlip> {
    let text = text.trim();
    if text.is_empty() {
        return slip("the URL is empty", None);
    }
    whole(text)?;
    let (scheme, rest) = split_scheme(text, guess)?;
    if scheme.is_unix() {
        return socket(scheme, rest);
    }
    let prefix = scheme.as_str();
    if let Some((before, after)) = rest.split_once('@')
        && !before.contains('/')
    {
        return slip("a member URL cannot contain a user and password", Some(format!("{prefix}://{after}")));
    }
    for (mark, what) in [('#', "a fragment (#…)"), ('?', "a query (?…)"), ('/', "a path")] {
        if let Some((before, after)) = rest.split_once(mark) {
            let what = if mark == '/' && after.chars().all(|c| c == '/') { "a slash at the end" } else { what };
            return slip(format!("etcd rejects a URL with {what}"), Some(format!("{prefix}://{before}")));
        }
    }
    let (host, port) = authority(prefix, rest, guess)?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    Ok(Url { scheme, host: bare.into(), port, text: format!("{prefix}://{host}:{port}") })
}

/// Checks for mistakes that can occur anywhere in the text.
fn whole(text: &str) -> Result<(), UrlSlip> {
    if let Some(text) = template::slip(text, "the host's own name or address") {
        return slip(text, None);
    }
    if let Some(stray) = confusables::find(text) {
        let fix = Some(confusables::clean(text)).filter(|t| t != text);
        return match stray.meant.as_deref() {
            Some("") => slip(format!("{} does not belong in a URL", stray.name), fix),
            Some(meant) => slip(format!("{} in place of {meant:?}", stray.name), fix),
            None => {
                slip(format!("{} is not an ASCII character: give the name in its DNS form (xn--…)", stray.name), None)
            }
        };
    }
    if text.contains(['"', '\'', '`', '<', '>']) {
        return slip(
            "quotes or angle brackets do not belong in a URL",
            Some(text.replace(['"', '\'', '`', '<', '>'], "")),
        );
    }
    let pieces: Vec<&str> = text.split([' ', ';', '|']).filter(|p| !p.is_empty()).collect();
    if pieces.iter().filter(|p| p.contains("://")).count() > 1 && pieces.iter().all(|p| p.contains("://")) {
        return slip("only a comma separates two URLs", Some(pieces.join(",")));
    }
    if text.contains(' ') {
        return slip("space inside the URL", Some(text.replace(' ', "")));
    }
    if text.contains('\\') {
        return slip("backslashes in place of slashes", Some(text.replace('\\', "/")));
    }
    // In a cell of URLs, `m1=http://…` is a piece of --initial-cluster.
    if let Some((name, url)) = text.split_once('=')
        && url.contains("://")
        && !name.contains([':', '/'])
    {
        return slip(format!("the name {name:?} does not belong to the URL"), Some(url.to_string()));
    }
    Ok(())
}

/// Takes `http://` off the front.
fn split_scheme(text: &str, guess: Guess) -> Result<(Scheme, &str), UrlSlip> {
    let (word, tail) = text.split_at(text.find([':', ';', '/']).unwrap_or(text.len()));
    let rest = tail.trim_start_matches([':', ';', '/']);
    let (marks, _) = tail.split_at(tail.len() - rest.len());
    let known = Scheme::named(word);
    if let Some(scheme) = known.filter(|s| s.is_unix()) {
        let Some(path) = tail.strip_prefix("://") else {
            return slip(
                "a socket is written with a colon and two slashes",
                Some(format!("{}:///{rest}", scheme.as_str())),
            );
        };
        return Ok((scheme, path));
    }
    if let Some((scheme, rest)) = known.and_then(|s| Some((s, tail.strip_prefix("://")?))) {
        return match rest.strip_prefix('/') {
            None => Ok((scheme, rest)),
            Some(more) => {
                let fix = format!("{}://{}", scheme.as_str(), more.trim_start_matches('/'));
                slip("too many slashes", Some(fix))
            }
        };
    }
    let slashes = marks.matches('/').count();
    // `http:2380` is a host of that name with a port, `http:host:2380` a scheme without slashes.
    let is_port = marks == ":" && rest.chars().all(|c| c.is_ascii_digit());
    if let Some(scheme) = known.filter(|_| !marks.is_empty() && !is_port) {
        let mistake = match (marks, slashes) {
            (":", _) => "two slashes are missing".to_string(),
            (":/", _) => "one slash is missing".to_string(),
            (_, 1..) if !marks.contains([':', ';']) => format!("the colon after {word} is missing"),
            (m, _) if m.contains(';') => "semicolon in place of a colon".to_string(),
            (m, _) => format!("{m:?} in place of \"://\""),
        };
        return slip(mistake, Some(format!("{}://{rest}", scheme.as_str())));
    }
    if !word.is_empty() && slashes > 0 && marks.starts_with([':', ';']) {
        let meant = nearest(word).unwrap_or(guess.scheme);
        let text = format!("etcd does not support the scheme {word:?}; use http or https");
        return slip(text, Some(format!("{}://{rest}", meant.as_str())));
    }
    slip(
        "the scheme is missing",
        Some(format!("{}://{}", guess.scheme.as_str(), text.trim_start_matches([':', '/', ';']))),
    )
}

/// The scheme that a misspelled one most likely was; `None` for other protocols.
fn nearest(word: &str) -> Option<Scheme> {
    let word = word.to_ascii_lowercase();
    if ["tls", "ssl", "grpcs", "wss"].contains(&word.as_str()) {
        return Some(Scheme::Https);
    }
    let (plain, tls) = (distance(&word, "http"), distance(&word, "https"));
    match plain.min(tls) {
        _ if !word.contains("tp") && !word.contains("ht") => None,
        0..=2 if tls < plain || word.ends_with('s') => Some(Scheme::Https),
        0..=2 => Some(Scheme::Http),
        _ => None,
    }
}

/// Letters to add, drop or change to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (pair, y) in row.windows(2).zip(b.bytes()) {
            if let [diagonal, above] = pair {
                left = (above + 1).min(left + 1).min(diagonal + usize::from(x != y));
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn socket(scheme: Scheme, path: &str) -> Result<Url, UrlSlip> {
    if path.trim_matches('/').is_empty() {
        return slip("the path of the socket is missing", None);
    }
    // What Go would escape when it prints the URL would not be the name of the file any more.
    if let Some(c) = path.chars().find(|c| !c.is_ascii_alphanumeric() && !"/._~-:@+".contains(*c)) {
        return slip(format!("{c:?} does not belong in the path of a socket"), None);
    }
    Ok(Url { scheme, host: path.into(), port: 0, text: format!("{}://{path}", scheme.as_str()) })
}

/// Splits `host:port`; the host keeps its brackets.
fn authority<'a>(scheme: &str, rest: &'a str, guess: Guess) -> Result<(&'a str, u16), UrlSlip> {
    let no_port = |host: &str| {
        let fix = guess.port.map(|port| format!("{scheme}://{host}:{port}"));
        slip(format!("the port is missing (etcd's own are {PEER_PORT} for peers and {CLIENT_PORT} for clients)"), fix)
    };
    if let Some(inner) = rest.strip_prefix('[') {
        let Some((ip, after)) = inner.split_once(']') else {
            let fix = bracketed(inner).map(|fixed| format!("{scheme}://{fixed}"));
            return slip("the bracket after the IPv6 address is missing", fix);
        };
        if ip.contains('%') {
            return slip("an address with a zone (%…) differs on every host; give one without", None);
        }
        if ip.parse::<Ipv6Addr>().is_err() {
            let fix = if ip.contains(':') { None } else { Some(format!("{scheme}://{ip}{after}")) };
            return slip(format!("brackets are only for IPv6 addresses, and {ip:?} is not one"), fix);
        }
        return match after.strip_prefix(':') {
            None if after.is_empty() => no_port(rest),
            None => slip("a colon and the port are missing after the bracket", None),
            Some("") => no_port(rest.trim_end_matches(':')),
            Some(digits) => Ok((rest.strip_suffix(after).unwrap_or(rest), number(scheme, rest, digits)?)),
        };
    }
    let Some((host, digits)) = rest.rsplit_once(':') else {
        return name(scheme, rest, "").and_then(|()| no_port(rest));
    };
    if host.contains(':') {
        if let Some(fixed) = bracketed(rest) {
            return slip("an IPv6 address needs brackets", Some(format!("{scheme}://{fixed}")));
        }
        if let Some((host, digits)) =
            rest.split_once("::").filter(|(h, d)| !h.contains(':') && d.parse::<u16>().is_ok())
        {
            return slip("one colon too many before the port", Some(format!("{scheme}://{host}:{digits}")));
        }
        return slip("too many colons: one separates host and port", None);
    }
    name(scheme, host, digits)?;
    if digits.is_empty() {
        return no_port(host);
    }
    Ok((host, number(scheme, rest, digits)?))
}

/// `fe80::1:2380` with its brackets; the last group is the port where it reads like one.
fn bracketed(text: &str) -> Option<String> {
    if let Some((ip, port)) = text.rsplit_once(':') {
        let reads_like_port = port.len() >= 4 && port.bytes().all(|b| b.is_ascii_digit()) && !ip.ends_with(':');
        if ip.parse::<Ipv6Addr>().is_ok() && (reads_like_port || text.parse::<Ipv6Addr>().is_err()) {
            return Some(format!("[{ip}]:{port}"));
        }
    }
    text.parse::<Ipv6Addr>().is_ok().then(|| format!("[{text}]"))
}

fn name(scheme: &str, host: &str, digits: &str) -> Result<(), UrlSlip> {
    let port = if digits.is_empty() { String::new() } else { format!(":{digits}") };
    if host.is_empty() {
        return slip("the host is missing", None);
    }
    if let Some(c) = host.chars().find(|c| !c.is_ascii_alphanumeric() && !"-._".contains(*c)) {
        return slip(format!("{:?} does not belong in a host name", c.to_string()), None);
    }
    if host.contains("..") {
        let mut one = host.to_string();
        while one.contains("..") {
            one = one.replace("..", ".");
        }
        return slip("two consecutive dots in the host", Some(format!("{scheme}://{one}{port}")));
    }
    if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') && host.parse::<Ipv4Addr>().is_err() {
        return slip(format!("{host} is not an IPv4 address: four numbers from 0 to 255, without leading zeros"), None);
    }
    Ok(())
}

/// Reads the port; `rest` is host and port together, for the correction.
fn number(scheme: &str, rest: &str, digits: &str) -> Result<u16, UrlSlip> {
    let with = |port: &str| rest.strip_suffix(digits).map(|host| format!("{scheme}://{host}{port}"));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        let meant = digits.replace(['O', 'o'], "0").replace(['l', 'I'], "1");
        let fix = if meant.bytes().all(|b| b.is_ascii_digit()) { with(&meant) } else { None };
        return slip(format!("the port {digits:?} is not a number"), fix);
    }
    let meant = digits.trim_start_matches('0');
    match digits.parse::<u32>() {
        Ok(0) => slip("port 0 cannot be reached; ports go from 1 to 65535", None),
        Ok(1..=65535) if meant.len() < digits.len() => slip("the port has leading zeros", with(meant)),
        Ok(port @ 1..=65535) => Ok(u16::try_from(port).unwrap_or_default()),
        _ => slip(format!("port {digits} does not exist; ports go from 1 to 65535"), None),
    }
}
