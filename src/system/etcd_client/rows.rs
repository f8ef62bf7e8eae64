//! What one member stores besides keys, asked so that only that member's own store answers.
//!
//! Which store answers (3.4 to 3.7, `etcdserver/v3_server.go`): Status, HashKV, Snapshot and LeaseLeases are answered
//! by the member that is asked. AuthStatus, UserList, UserGet, RoleList and RoleGet go through the log, but the answer
//! comes from the asked member's own state machine. LeaseTimeToLive is forwarded to the leader, so it shows nothing
//! about a follower: the granted TTL of leases is compared only if the database is streamed, and so are passwords, the
//! member table and the rest.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use etcd_client::{Client, GetOptions};
use hyper::http::uri::PathAndQuery;
use prost::{Message, bytes::BufMut};
use tokio::time::timeout;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::{
    Members, PROBE_KEY,
    connection::{Connection, DATABASE, Target},
    rpc::{CallError, CallResult, answered, client},
    snapshot::{Sum, TRAILER},
};
use crate::{
    bbolt::{ReadAt, View},
    domain::model::observations::rows::{ClockOffset, Part, RowKey, StoredRows},
    engine::{
        progress::{Flow, Phase, Progress, ProgressFn},
        scan::stored_rows::{self, enabled_in_words, permissions_in_words, roles_in_words},
    },
    etcd::{membership::Id, proto::Permission},
    system::net::http,
};

/// The version prefixes that store less of what is compared.
const EARLY: &str = "3.4.";
/// The number of users, and of roles, that are asked for one by one.
const ONE_BY_ONE: usize = 100;
/// A database up to this size is kept in memory, a larger one in an unnamed file.
const IN_MEMORY: u64 = 64 << 20;
/// A database may exceed twice its reported size by this much, since it may have grown.
const GROWTH: u64 = 16 << 20;
/// The largest `/debug/vars` that is read, in bytes.
const VARS_BYTES: usize = 1 << 20;
/// How often stop requests are checked while nothing is received.
const TICK: Duration = Duration::from_millis(200);

/// Reads what the member at `endpoint` stores besides keys; its database is streamed if it is not larger than `most`.
///
/// # Errors
/// Why nothing could be asked, in a few words.
pub(super) async fn stored(
    members: &Members,
    endpoint: &str,
    most: u64,
    watch: &mut ProgressFn<'_>,
) -> Result<StoredRows, String> {
    let target = Target::parse(endpoint, &members.connect).map_err(|refusal| refusal.why)?;
    let (read, clock, command) =
        tokio::join!(rows(members, endpoint, most, watch), clock(members, &target), command(members, &target));
    read.map(|read| StoredRows { clock, command: command.unwrap_or_default(), ..read })
}

async fn rows(members: &Members, endpoint: &str, most: u64, watch: &mut ProgressFn<'_>) -> Result<StoredRows, String> {
    let limit = members.connect.answer_timeout();
    let (_, line) = members.dial(endpoint, DATABASE).await.map_err(|refusal| refusal.why)?;
    let mut client = client(&line, false).await.map_err(|refusal| refusal.why)?;
    members.authenticate_if_led(&line, &mut client).await.map_err(|why| why.words())?;
    let status = |client: &Client| {
        let mut maintenance = client.maintenance_client();
        async move { answered(limit, maintenance.status()).await.map_err(|miss| miss.words()) }
    };
    let before = status(&client).await?;
    let header = before.header().map(|header| (Id(header.cluster_id()), Id(header.member_id())));
    let (cluster_id, member_id) = header.unwrap_or_default();
    let mut out = StoredRows { cluster_id, member_id, from: before.raft_applied_index(), ..StoredRows::default() };
    let bytes = u64::try_from(before.db_size()).unwrap_or(u64::MAX);
    let mut index = 0;
    out.too_large = bytes > most;
    if !out.too_large {
        match stream(members, &client, bytes, watch).await {
            Ok(read) => {
                out.rows = read.rows;
                out.parts = Part::ALL.into();
                index = read.consistent_index;
                // there each member hashes a password by itself when it applies it, with its own salt
                // (3.4 `auth/store.go`; since 3.5 the hash is in the log)
                out.salted = before.version().starts_with(EARLY);
            }
            Err(Cut::Miss(miss)) => out.without(&miss),
            Err(Cut::Words(why)) => out.missing.push(why),
        }
    }
    if out.parts.is_empty() {
        calls(members, &line, &client, &mut out).await;
    }
    let after = status(&client).await?;
    (out.to, out.committed) = (after.raft_applied_index(), after.raft_index());
    // 3.5 and later write the index with everything applied up to it; 3.4 writes it only with changes of keys and users
    if index > 0 && !before.version().starts_with(EARLY) {
        out.to = out.to.min(index.max(out.from));
    }
    out.from = out.from.max(index.saturating_sub(1));
    Ok(out)
}

impl StoredRows {
    fn without(&mut self, miss: &CallError) {
        self.denied |= miss.is_auth();
        let why = String::from(miss.words());
        if !self.missing.contains(&why) {
            self.missing.push(why);
        }
    }
}

/// Why a stream gave no database.
enum Cut {
    Miss(CallError),
    Words(String),
}

/// Where a stream is kept while it is read.
enum Kept {
    Memory(Vec<u8>),
    File(File),
}

impl Kept {
    fn new(bytes: u64) -> io::Result<Kept> {
        match bytes <= IN_MEMORY {
            true => Ok(Kept::Memory(Vec::new())),
            // it has all of the cluster's secrets: an unnamed file is gone with this process
            false => tempfile::tempfile().map(Kept::File),
        }
    }

    fn add(&mut self, blob: &[u8]) -> io::Result<()> {
        match self {
            Kept::Memory(all) => {
                all.extend_from_slice(blob);
                Ok(())
            }
            Kept::File(file) => file.write_all(blob),
        }
    }

    fn rows(self, body: u64) -> Result<stored_rows::Read, String> {
        fn of<R: ReadAt>(source: R) -> Result<stored_rows::Read, String> {
            stored_rows::read(&View::open(source).map_err(|e| e.to_string())?)
        }
        match self {
            Kept::Memory(mut all) => {
                all.truncate(usize::try_from(body).unwrap_or_default());
                of(all)
            }
            Kept::File(file) => {
                file.set_len(body).map_err(|e| e.to_string())?;
                of(file)
            }
        }
    }
}

/// Streams the member's database and reads its rows.
async fn stream(
    members: &Members,
    client: &Client,
    bytes: u64,
    watch: &mut ProgressFn<'_>,
) -> Result<stored_rows::Read, Cut> {
    let idle = members.connect.idle_timeout;
    let words = |e: io::Error| Cut::Words(format!("its database cannot be buffered: {e}"));
    let mut stream = answered(idle, client.maintenance_client().snapshot()).await.map_err(Cut::Miss)?;
    let (mut kept, mut sum, mut came, mut last) = (Kept::new(bytes).map_err(words)?, Sum::default(), 0, Instant::now());
    loop {
        if watch(Progress { phase: Phase::Receive, done: came, total: bytes }) == Flow::Stop {
            return Err(Cut::Words("stopped".into()));
        }
        let message = match timeout(TICK.min(idle), stream.message()).await {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) => break,
            Ok(Err(etcd_client::Error::GRpcStatus(status))) => return Err(Cut::Miss(CallError::Status(status))),
            Ok(Err(other)) => return Err(Cut::Miss(CallError::Other(other.to_string().into()))),
            Err(_) if last.elapsed() >= idle => return Err(Cut::Miss(CallError::Late(idle))),
            Err(_) => continue,
        };
        // messages without bytes count as silence, however many they are
        match message.blob().is_empty() {
            false => last = Instant::now(),
            true if last.elapsed() >= idle => return Err(Cut::Miss(CallError::Late(idle))),
            true => continue,
        }
        came += message.blob().len() as u64;
        if came > bytes.saturating_mul(2).saturating_add(GROWTH) {
            return Err(Cut::Words(format!(
                "its database was announced with {}, but more than {came} were received",
                crate::text::size::byte_count(bytes)
            )));
        }
        kept.add(message.blob()).map_err(words)?;
        sum.add(message.blob());
    }
    if came <= TRAILER || !sum.matches() {
        return Err(Cut::Words("its database was damaged in transfer: the SHA-256 does not match".into()));
    }
    kept.rows(came - TRAILER).map_err(|why| Cut::Words(format!("its database cannot be read: {why}")))
}

/// Asks for what is available without the database.
async fn calls(members: &Members, line: &Connection, client: &Client, out: &mut StoredRows) {
    let limit = members.connect.answer_timeout();
    match answered(limit, client.lease_client().leases()).await {
        Ok(list) => {
            let ids = list.leases().iter().map(|lease| lease.id().cast_unsigned());
            out.rows.extend(ids.map(|id| (RowKey::Lease(id), String::new())));
            out.parts.insert(Part::Leases);
        }
        Err(miss) => out.without(&miss),
    }
    match auth_status(members, line, client).await {
        Ok(AuthStatus { enabled, revision }) => {
            out.rows.insert(RowKey::AuthEnabled, enabled_in_words(enabled).into());
            out.rows.insert(RowKey::AuthRevision, revision.to_string());
            out.parts.extend([Part::AuthEnabled, Part::AuthRevision]);
        }
        Err(miss) => {
            if !matches!(&miss, CallError::Status(status) if status.code() == tonic::Code::Unimplemented) {
                out.without(&miss);
            }
            if let Some(enabled) = asks_for_a_token(members, line).await {
                out.rows.insert(RowKey::AuthEnabled, enabled_in_words(enabled).into());
                out.parts.insert(Part::AuthEnabled);
            }
        }
    }
    // each call has its time limit, and there may be many
    let all = members.connect.idle_timeout;
    match timeout(all, users(client, limit)).await.unwrap_or(Err(CallError::Late(all))) {
        Ok(users) => add(out, users, Part::Users, RowKey::User),
        Err(miss) => out.without(&miss),
    }
    match timeout(all, roles(client, limit)).await.unwrap_or(Err(CallError::Late(all))) {
        Ok(roles) => add(out, roles, Part::Roles, RowKey::Role),
        Err(miss) => out.without(&miss),
    }
}

fn add(out: &mut StoredRows, rows: BTreeMap<String, String>, part: Part, key: fn(String) -> RowKey) {
    out.rows.extend(rows.into_iter().map(|(name, value)| (key(name), value)));
    out.parts.insert(part);
}

/// Returns the users with their roles; without the roles if there are many users.
async fn users(client: &Client, limit: Duration) -> CallResult<BTreeMap<String, String>> {
    let mut auth = client.auth_client();
    let names = answered(limit, auth.user_list()).await?.users().to_vec();
    let many = names.len() > ONE_BY_ONE;
    let mut out = BTreeMap::new();
    for name in names {
        let roles = match many {
            true => String::new(),
            false => roles_in_words(answered(limit, auth.user_get(name.clone())).await?.roles().to_vec()),
        };
        out.insert(name, roles);
    }
    Ok(out)
}

/// Returns the roles with their permissions; without the permissions if there are many roles.
async fn roles(client: &Client, limit: Duration) -> CallResult<BTreeMap<String, String>> {
    let mut auth = client.auth_client();
    let names = answered(limit, auth.role_list()).await?.roles().to_vec();
    let many = names.len() > ONE_BY_ONE;
    let mut out = BTreeMap::new();
    for name in names {
        let mut permissions = Vec::new();
        if !many {
            let role = answered(limit, auth.role_get(name.clone())).await?;
            permissions.extend(role.permissions().iter().map(|p| Permission {
                kind: p.get_type(),
                key: p.key().to_vec(),
                range_end: p.range_end().to_vec(),
            }));
        }
        let words = permissions_in_words(&name, &permissions);
        out.insert(name, words);
    }
    Ok(out)
}

/// Returns whether the member refuses a read without a token, which it decides by itself. A client certificate is its
/// own user, so with one this shows nothing.
async fn asks_for_a_token(members: &Members, line: &Connection) -> Option<bool> {
    if members.connect.cert.is_some() {
        return None;
    }
    let stranger = client(line, false).await.ok()?;
    let options = GetOptions::new().with_keys_only().with_limit(1).with_serializable();
    match answered(members.connect.answer_timeout(), stranger.kv_client().get(PROBE_KEY, Some(options))).await {
        Ok(_) => Some(false),
        Err(miss) if miss.is_auth() => Some(true),
        Err(_) => None,
    }
}

/// `etcdserverpb.AuthStatusResponse` (3.5 and later), which etcd-client does not ask for.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct AuthStatus {
    #[prost(bool, tag = "2")]
    enabled: bool,
    #[prost(uint64, tag = "3")]
    revision: u64,
}

async fn auth_status(members: &Members, line: &Connection, client: &Client) -> CallResult<AuthStatus> {
    let limit = members.connect.answer_timeout();
    let mut request = Request::new(());
    if let Ok(Some((user, password))) = members.credentials_for(line) {
        match answered(limit, client.auth_client().authenticate(user, password)).await {
            Ok(said) => {
                let token = said
                    .token()
                    .parse()
                    .map_err(|_| CallError::Other("the token is not a valid header value".into()))?;
                request.metadata_mut().insert("token", token);
            }
            // a member with authentication disabled issues none and needs none
            Err(CallError::Status(status)) if status.code() == tonic::Code::FailedPrecondition => {}
            Err(miss) => return Err(miss),
        }
    }
    let mut grpc = Grpc::new(line.channel.clone());
    let call = async {
        grpc.ready().await.map_err(|e| CallError::Other(e.to_string().into()))?;
        let path = PathAndQuery::from_static("/etcdserverpb.Auth/AuthStatus");
        grpc.unary(request, path, AuthStatusCodec).await.map_err(CallError::Status)
    };
    Ok(timeout(limit, call).await.map_err(|_| CallError::Late(limit))??.into_inner())
}

/// An empty request, and its answer.
#[derive(Debug, Default, Clone, Copy)]
struct AuthStatusCodec;

impl Codec for AuthStatusCodec {
    type Encode = ();
    type Decode = AuthStatus;
    type Encoder = AuthStatusCodec;
    type Decoder = AuthStatusCodec;

    fn encoder(&mut self) -> Self::Encoder {
        *self
    }

    fn decoder(&mut self) -> Self::Decoder {
        *self
    }
}

impl Encoder for AuthStatusCodec {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, (): (), into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&[]);
        Ok(())
    }
}

impl Decoder for AuthStatusCodec {
    type Item = AuthStatus;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<AuthStatus>, Status> {
        AuthStatus::decode(from).map(Some).map_err(|e| Status::internal(e.to_string()))
    }
}

/// Returns the member's clock by the date of an HTTP answer, with this machine's clock before and after.
async fn clock(members: &Members, target: &Target) -> Option<ClockOffset> {
    let (dial, limit) = (members.connect.dial_timeout, members.connect.answer_timeout());
    // connecting takes time: only the moment of the answer counts, which is after this and before the next
    let sent = millis();
    let answer =
        http::get(target, &members.tls_http, "/version", &[("connection", "close")], dial, limit).await.ok()?;
    let received = millis();
    offset(answer.headers().get("date")?.to_str().ok()?, sent, received)
}

/// Returns the command line of the member's etcd, from Go's `expvar`.
async fn command(members: &Members, target: &Target) -> Option<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Vars {
        cmdline: Vec<String>,
    }
    let (dial, limit) = (members.connect.dial_timeout, members.connect.answer_timeout());
    let headers = [("connection", "close")];
    let answer = http::get(target, &members.tls_http, "/debug/vars", &headers, dial, limit).await.ok()?;
    let text = http::text(answer, VARS_BYTES, limit).await.ok()?;
    serde_json::from_str::<Vars>(&text).ok().map(|vars| vars.cmdline)
}

fn millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or_default()
}

/// Returns the time in a `Date` header that was written between `sent` and `received`, in milliseconds since 1970.
fn offset(date: &str, sent: i64, received: i64) -> Option<ClockOffset> {
    let date = seconds(date)?.saturating_mul(1000);
    // it is truncated to whole seconds
    Some(ClockOffset { least: date.saturating_sub(received), most: date.saturating_add(1000).saturating_sub(sent) })
}

/// Parses `Sun, 06 Nov 1994 08:49:37 GMT`, the one format of Go's servers, to seconds since 1970.
fn seconds(date: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = date.split_once(", ")?;
    let mut words = rest.split(' ');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let (time, "GMT") = (words.next()?, words.next()?) else { return None };
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    let at = humantime::parse_rfc3339(&format!("{year}-{month:02}-{day:0>2}T{time}Z")).ok()?;
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|s| -s),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_date_bounds_the_offset() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        for bad in ["", "now", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Foo 1994 08:49:37 GMT", "Sunday, 06-Nov-94"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
        // written in the second of the call: nothing is certain beyond a second and the time of the call
        let at = 784_111_777_000;
        let told = |sent, received| offset("Sun, 06 Nov 1994 08:49:37 GMT", sent, received).unwrap();
        assert_eq!(told(at + 200, at + 300), ClockOffset { least: -300, most: 800 });
        // two days ahead, through a call of 3 s
        let early = at - 172_800_000;
        assert_eq!(told(early, early + 3000), ClockOffset { least: 172_797_000, most: 172_801_000 });
    }
}
