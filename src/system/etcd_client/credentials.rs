//! Decides where user and password may be sent: to endpoints that the operator named, and to those that the given CA
//! verified. An endpoint that only a member list names may be stale or another's; it is asked only what needs no token.

use std::net::IpAddr;

use super::{Connect, connection::Target};
use crate::domain::model::observations::Withheld;

/// Why a client has no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoToken {
    /// The credentials were not sent.
    Withheld(Withheld),
    /// The member did not issue one, or could not.
    Refused(String),
}

impl NoToken {
    /// Returns the reason, with what to do if that is the operator's choice.
    pub(super) fn words(&self) -> String {
        match self {
            NoToken::Refused(why) => why.clone(),
            NoToken::Withheld(Withheld::NotNamed) => {
                "user and password are sent only to endpoints that you name, and this one is not: name it with \
                 --endpoints, or verify it with --cacert"
                    .to_owned()
            }
            NoToken::Withheld(Withheld::Plaintext) => {
                "user and password are not sent over http when one of the endpoints named uses https: name its https \
                 URL with --endpoints"
                    .to_owned()
            }
        }
    }
}

/// Decides whether user and password may be sent to `target`, where the operator named the endpoints `named`.
///
/// # Errors
/// Why not.
pub(super) fn may_send_credentials(target: &Target, named: &[Target], connect: &Connect) -> Result<(), Withheld> {
    if !target.tls && named.iter().any(|known| known.tls) {
        return Err(Withheld::Plaintext);
    }
    // TLS with a CA of the operator's own: the handshake went before any credentials
    let verified = target.tls && connect.cacert.is_some() && !connect.insecure_skip_tls_verify;
    match verified || named.iter().any(|known| same(known, target)) {
        true => Ok(()),
        false => Err(Withheld::NotNamed),
    }
}

/// Returns true if both lead to the same port of the same host by the same scheme. A name and its address are two
/// hosts: what a name resolves to may change.
fn same(a: &Target, b: &Target) -> bool {
    let addresses = a.host.parse::<IpAddr>().ok().zip(b.host.parse::<IpAddr>().ok());
    let hosts = addresses.map_or_else(|| a.host.eq_ignore_ascii_case(&b.host), |(a, b)| a == b);
    hosts && (a.port, a.tls) == (b.port, b.tls)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_where_the_operator_sent_them() {
        use Withheld::{NotNamed, Plaintext};
        let plain = Connect::default();
        let ca = Connect { cacert: Some("ca.pem".into()), ..Connect::default() };
        let blind = Connect { insecure_skip_tls_verify: true, ..ca.clone() };
        type Row<'a> = (&'a str, &'a [&'a str], &'a Connect, Result<(), Withheld>);
        let table: &[Row<'_>] = &[
            // named, however it is written
            ("http://10.0.0.1:2379", &["10.0.0.1:2379"], &plain, Ok(())),
            ("https://A.example:2379", &["https://a.EXAMPLE:2379/"], &plain, Ok(())),
            ("http://[0:0::1]:2379", &["http://[::1]:2379"], &plain, Ok(())),
            ("https://10.0.0.1:2379", &["https://10.0.0.1:2379"], &blind, Ok(())),
            ("http://10.0.0.2:2379", &["http://10.0.0.1:2379", "http://10.0.0.2:2379"], &plain, Ok(())),
            // not named
            ("http://10.0.0.1:2379", &[], &plain, Err(NotNamed)),
            ("http://10.0.0.2:2379", &["http://10.0.0.1:2379"], &plain, Err(NotNamed)),
            ("http://10.0.0.1:2380", &["http://10.0.0.1:2379"], &plain, Err(NotNamed)),
            ("http://127.0.0.1:2379", &["http://localhost:2379"], &plain, Err(NotNamed)),
            ("https://10.0.0.1:2379", &["http://10.0.0.1:2379"], &plain, Err(NotNamed)),
            ("https://10.0.0.2:2379", &["https://10.0.0.1:2379"], &plain, Err(NotNamed)),
            // verified by the CA given, unless nothing is verified
            ("https://10.0.0.2:2379", &["https://10.0.0.1:2379"], &ca, Ok(())),
            ("https://10.0.0.2:2379", &[], &ca, Ok(())),
            ("https://10.0.0.2:2379", &["https://10.0.0.1:2379"], &blind, Err(NotNamed)),
            ("http://10.0.0.2:2379", &["http://10.0.0.1:2379"], &ca, Err(NotNamed)),
            // never over http once https is used, named or not
            ("http://10.0.0.1:2379", &["https://10.0.0.1:2379"], &ca, Err(Plaintext)),
            ("http://10.0.0.2:2379", &["https://10.0.0.1:2379"], &plain, Err(Plaintext)),
            ("http://10.0.0.2:2379", &["https://10.0.0.1:2379", "http://10.0.0.2:2379"], &plain, Err(Plaintext)),
            ("http://10.0.0.2:2379", &["10.0.0.1:2379", "http://10.0.0.2:2379"], &blind, Err(Plaintext)),
        ];
        for (target, named, connect, expected) in table {
            let parse = |endpoint: &str| Target::parse(endpoint, connect).unwrap();
            let known: Vec<Target> = named.iter().map(|endpoint| parse(endpoint)).collect();
            assert_eq!(may_send_credentials(&parse(target), &known, connect), *expected, "{target}, named {named:?}");
        }
    }
}
