//! Snapshots in object stores that speak S3: listed, and downloaded into files.
//!
//! Requests are built by rusty-s3, signed in their headers (`sign`) and sent over our own connection, over HTTPS unless
//! the endpoint has http. A download is written to `FILE.part`; next to it, `FILE.part.from` names the object and its
//! state, so that a later download continues where it ended and never mixes two states. Nothing is ever written to a
//! store.

mod aws;
mod fetch;
mod sign;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::{Response, body::Incoming};
use rusty_s3::{Bucket, S3Action, UrlStyle, actions::ListObjectsV2};
use tokio::runtime;
use tokio_rustls::rustls::ClientConfig;

pub use self::aws::Settings;
use super::{
    etcd_client::{
        Connect,
        connection::{Failure, Target},
        errors,
    },
    net::{
        http::{self, HttpError},
        tls,
    },
    secrets,
};
use crate::{
    domain::model::{
        observations::{FileFacts, Health},
        source_ref::{ObjectUrl, sound},
    },
    engine::progress::ProgressFn,
    error::{Error, ErrorKind, Remedy, Result},
    text::Foreign,
};

/// The time limit for connecting, and for the head of an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// A page of a list has a thousand objects; no more pages than this are read.
const PAGES: usize = 20;
/// The number of objects on these pages: a store with larger pages is read no further.
const OBJECTS: usize = PAGES * 1000;
/// The largest page, in bytes.
const PAGE_BYTES: usize = 8 << 20;

/// An object in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `s3://bucket/key`
    pub url: String,
    /// Its length.
    pub bytes: u64,
    /// When it was stored, seconds since 1970, if the store reports it.
    pub modified: Option<i64>,
}

impl Object {
    /// Returns the same as a file that may be restored from, once it is fetched.
    pub fn facts(self) -> FileFacts {
        let Object { url, bytes, modified } = self;
        FileFacts { path: url.into(), bytes, modified, health: Health::Unread, content: None }
    }
}

/// An object store and its credentials.
pub struct Store {
    settings: Settings,
    tls: Arc<ClientConfig>,
    runtime: runtime::Runtime,
}

impl Store {
    /// Creates the store that the AWS variables and profiles name, as the AWS command line reads them.
    ///
    /// # Errors
    /// When there are no credentials, or only the AWS command line can get keys from them.
    pub fn from_environment() -> Result<Store> {
        Store::new(Settings::from_environment()?)
    }

    /// Creates a store with these settings.
    ///
    /// # Errors
    /// When its CA cannot be read.
    pub fn new(settings: Settings) -> Result<Store> {
        secrets::no_core_dumps();
        let tls = tls::config(&Connect { cacert: settings.ca.clone(), ..Connect::default() })?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::new(ErrorKind::Failed, "failed to start the network runtime").why(e))?;
        Ok(Store { settings, tls: tls::for_http(&tls), runtime })
    }

    /// Lists the objects whose URL begins with `url`, by name, without empty ones.
    ///
    /// # Errors
    /// When the store does not answer, refuses, or there are too many.
    pub fn list(&self, url: &ObjectUrl) -> Result<Vec<Object>> {
        let (name, prefix) = url.parts()?;
        let url = url.as_str();
        let bucket = self.bucket(name)?;
        let mut out = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let mut action = bucket.list_objects_v2(None);
            action.with_prefix(prefix);
            if let Some(token) = &token {
                action.with_continuation_token(token.as_str());
            }
            let text = self.runtime.block_on(async {
                let answer = self.get(&action, &[], url).await?;
                http::text(answer, PAGE_BYTES, ANSWER).await.map_err(|miss| missed(miss, url))
            })?;
            let (objects, next) = page(name, &text).map_err(|e| {
                Error::new(ErrorKind::Input, format!("{url}: cannot be listed"))
                    .why(format!("its answer is not a list: {e}"))
            })?;
            out.extend(objects);
            token = next;
            if out.len() > OBJECTS {
                break;
            }
            if token.is_none() {
                out.sort_by(|a, b| a.url.cmp(&b.url));
                return Ok(out);
            }
        }
        Err(Error::new(ErrorKind::Input, format!("{url}: more than {} objects", out.len()))
            .hint("Give a longer prefix, such as the directory of this cluster's snapshots."))
    }

    /// Returns one object.
    ///
    /// # Errors
    /// When it does not exist, or as for [`Store::list`].
    pub fn object(&self, url: &ObjectUrl) -> Result<Object> {
        let objects = self.list(url)?;
        let url = url.as_str();
        objects.into_iter().find(|object| object.url == url).ok_or_else(|| {
            Error::new(ErrorKind::Input, format!("{url}: no such object"))
                .remedies(&[Remedy::ListObjects { url: None }])
        })
    }

    /// Downloads an object into the new file `into`, and returns its length.
    ///
    /// # Errors
    /// When `into` exists, the object does not exist or changed during the download, the store stops answering even
    /// after retries (what was received stays for the next call), or `watch` requests it.
    pub fn fetch(&self, url: &ObjectUrl, into: &Path, watch: &mut ProgressFn<'_>) -> Result<u64> {
        self.runtime.block_on(fetch::fetch(self, url, into, watch))
    }

    fn bucket(&self, name: &str) -> Result<Bucket> {
        let settings = &self.settings;
        let bad = |e: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Input, format!("bucket {name}: cannot be reached at {}", settings.endpoint)).why(e)
        };
        let endpoint = settings.endpoint.parse().map_err(|e| bad(&e))?;
        // With a dot it would have one label more than the store's certificate is valid for.
        let style = if settings.path_style || name.contains('.') { UrlStyle::Path } else { UrlStyle::VirtualHost };
        Bucket::new(endpoint, style, name.to_string(), settings.region.clone()).map_err(|e| bad(&e))
    }

    /// Sends a signed GET and returns an answer with status OK; `url` is the object's name in errors.
    async fn get<'a>(
        &self,
        action: &impl S3Action<'a>,
        headers: &[(&str, &str)],
        url: &str,
    ) -> Result<Response<Incoming>> {
        // without credentials it is the bare URL
        let bare = action.sign(Duration::ZERO);
        let host = bare.host_str().unwrap_or_default();
        let target = Target {
            host: host.trim_matches(['[', ']']).to_string(),
            port: bare.port_or_known_default().unwrap_or(443),
            tls: bare.scheme() == "https",
        };
        // as it is signed: without a default port
        let host = bare.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (credentials, region) = (&self.settings.credentials, &self.settings.region);
        let query = bare.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned()));
        let signed = sign::get(credentials, region, now, &host, bare.path(), query);
        let own = signed.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(headers.iter().copied()).collect();
        let answer = http::get(&target, &self.tls, &signed.path, &all, ANSWER, ANSWER).await.map_err(|miss| {
            let error = missed(miss, url);
            Error { hint: format!("Endpoint: {}. {}", target.url(), error.hint), ..error }
        })?;
        if answer.status().is_success() || answer.status().as_u16() == 412 || answer.status().as_u16() == 416 {
            return Ok(answer);
        }
        Err(self.refused(answer, url).await)
    }

    /// Returns the store's error, in its own words.
    async fn refused(&self, answer: Response<Incoming>, url: &str) -> Error {
        let status = answer.status();
        let region = answer.headers().get("x-amz-bucket-region").and_then(|r| r.to_str().ok()).filter(|r| is_region(r));
        let region = region.map(String::from);
        let text = http::text(answer, PAGE_BYTES, ANSWER).await.unwrap_or_default();
        let why = match error_words(&text) {
            Some((code, message)) => format!("the store says {} {code}: {message}", status.as_u16()),
            _ => format!("the store says {status}"),
        };
        let hint = match (status.as_u16(), region.filter(|r| *r != self.settings.region)) {
            (_, Some(region)) => format!("The bucket is in the region {region}: AWS_REGION={region}."),
            (401 | 403, _) => {
                format!(
                    "The access key is {}; it needs s3:GetObject and s3:ListBucket on the bucket.",
                    self.settings.from
                )
            }
            (404, _) => "Check bucket and key.".into(),
            _ => "Try again later.".into(),
        };
        let error = Error::new(ErrorKind::Input, format!("{url}: cannot be read")).why(why).hint(hint);
        if status.as_u16() == 404 { error.remedies(&[Remedy::ListObjects { url: None }]) } else { error }
    }
}

/// Parses a page of a list as a store sends it: its objects, without empty ones and those whose keys cannot be written
/// as a URL, and the token of the next page.
///
/// # Errors
/// A sentence, if it is not a list.
pub fn page(bucket: &str, text: &str) -> std::result::Result<(Vec<Object>, Option<String>), String> {
    let page = ListObjectsV2::parse_response(text).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    for object in page.contents {
        let bytes = object.size.unwrap_or_default();
        if bytes > 0 && sound(&object.key) {
            let modified = object.last_modified.as_deref().and_then(seconds);
            out.push(Object { url: format!("s3://{bucket}/{}", object.key), bytes, modified });
        }
    }
    Ok((out, page.next_continuation_token))
}

/// Parses a store's error document: its code and its message, truncated.
pub fn error_words(text: &str) -> Option<(Foreign, Foreign)> {
    let part = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>"))
            .map(|(inner, _)| Foreign::new(inner.chars().take(200).collect::<String>()))
    };
    Some((part("Code")?, part("Message")?))
}

/// Returns whether a text can be a region's name: it is shown in a line to copy.
fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Parses `2026-11-22T03:12:00.000Z` to seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(time.as_secs()).ok()
}

fn missed(miss: HttpError, url: &str) -> Error {
    let why = match miss {
        HttpError::Wire(Failure::Resolve(e)) => format!("the name of the store cannot be resolved: {e}"),
        HttpError::Wire(Failure::Tcp(e)) => format!("connection failed: {e}"),
        HttpError::Wire(Failure::Tls(e)) => format!("TLS handshake failed: {e}"),
        HttpError::Wire(Failure::Words(refusal)) => refusal.details,
        HttpError::Late(limit) => format!("no answer in {}", errors::span(limit)),
        HttpError::HungUp => "the connection was lost".into(),
        HttpError::NoHttp(why) => why,
    };
    Error::new(ErrorKind::NoAnswer, format!("{url}: cannot be read"))
        .why(why)
        .hint("To use another store, set AWS_ENDPOINT_URL_S3; for a private CA, AWS_CA_BUNDLE.")
}
