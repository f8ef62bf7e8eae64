//! AWS Signature Version 4 in headers, for GETs without a body. A presigned URL would have the session token in its
//! query, which servers and proxies log; headers are not logged.
//!
//! Source: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".

use std::time::{Duration, SystemTime};

use rusty_s3::Credentials;
use sha2::{Digest, Sha256};

use crate::engine::source::hex;

/// The block size of SHA-256.
const BLOCK: usize = 64;

/// The headers of a signed GET, and its path with the query as signed.
pub(super) struct Signed {
    /// In the order of their names; `authorization` is the last.
    pub headers: Vec<(String, String)>,
    /// `/bucket/key?list-type=2`
    pub path: String,
}

/// Signs a GET of `path` (percent-encoded) with these query pairs, for `host`.
pub(super) fn get(
    credentials: &Credentials,
    region: &str,
    now: Duration,
    host: &str,
    path: &str,
    query: impl Iterator<Item = (String, String)>,
) -> Signed {
    let time: String = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + now)
        .to_string()
        .chars()
        .filter(|c| !"-:".contains(*c))
        .collect();
    let day = time.split('T').next().unwrap_or_default();
    let mut headers = vec![
        ("host".to_string(), host.to_string()),
        ("x-amz-content-sha256".to_string(), hex(&Sha256::digest(b""))),
        ("x-amz-date".to_string(), time.clone()),
    ];
    if let Some(token) = credentials.token().filter(|token| !token.is_empty()) {
        headers.push(("x-amz-security-token".to_string(), token.to_string()));
    }
    let mut pairs: Vec<(String, String)> = query.map(|(name, value)| (encoded(&name), encoded(&value))).collect();
    pairs.sort();
    let query = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let canonical = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect::<String>();
    let body = hex(&Sha256::digest(b""));
    let request = format!("GET\n{path}\n{query}\n{canonical}\n{names}\n{body}");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let secret = format!("AWS4{}", credentials.secret());
    let key = [day, region, "s3", "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac(&key, part.as_bytes()).to_vec());
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
        credentials.key()
    );
    headers.push(("authorization".to_string(), authorization));
    let path = if query.is_empty() { path.to_string() } else { format!("{path}?{query}") };
    Signed { headers, path }
}

/// Computes an HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0u8; BLOCK];
    let digest: [u8; 32] = Sha256::digest(key).into();
    let key = if key.len() > BLOCK { &digest[..] } else { key };
    block.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Amazon's reference, which sign the same headers: a list with a prefix, and a bucket's lifecycle.
    #[test]
    fn amazons_own_examples() {
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let (now, host) = (Duration::from_secs(1_369_353_600), "examplebucket.s3.amazonaws.com");
        for (query, signature, path) in [
            (
                vec![("prefix", "J"), ("max-keys", "2")],
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
                "/?max-keys=2&prefix=J",
            ),
            (
                vec![("lifecycle", "")],
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
                "/?lifecycle=",
            ),
        ] {
            let pairs = query.into_iter().map(|(name, value)| (name.to_string(), value.to_string()));
            let signed = get(&credentials, "us-east-1", now, host, "/", pairs);
            let want = format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"
            );
            assert_eq!(signed.headers.last().map(|(_, value)| value.as_str()), Some(want.as_str()));
            assert_eq!(signed.path, path);
        }
    }

    /// RFC 4231, cases 1, 2 and 6 (a key that is longer than a block).
    #[test]
    fn hmac_is_that_of_the_rfc() {
        for (key, message, want) in [
            (vec![0x0b; 20], "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(&hmac(&key, message.as_bytes())), want);
        }
    }

    #[test]
    fn a_session_token_is_only_a_signed_header() {
        let credentials = Credentials::new_with_token("AK", "SK", "to/k+en==");
        let pairs = [("prefix".to_string(), "a b/é+".to_string())].into_iter();
        let signed = get(&credentials, "eu-1", Duration::ZERO, "h:9000", "/backups/", pairs);
        assert_eq!(signed.path, "/backups/?prefix=a%20b%2F%C3%A9%2B");
        let token = signed.headers.iter().find(|(name, _)| name == "x-amz-security-token");
        assert_eq!(token.map(|(_, value)| value.as_str()), Some("to/k+en=="));
        let all = signed.headers.last().map(|(_, value)| value.as_str()).unwrap_or_default();
        assert!(all.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"), "{all}");
    }
}
