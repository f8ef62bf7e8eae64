//! Asks members over gRPC, and over HTTP where that gives more: what each reports about itself and its
//! cluster, whether it serves a linearizable read, and the snapshot that it streams.
//!
//! Each question uses its own connections and ends within its deadline, whatever the member
//! does. Nothing is ever written to a cluster from here except a [canary](Members::write_canary).

mod config;
pub(super) mod connection;
mod credentials;
pub(super) mod errors;
mod http_probes;
mod liveness;
mod metrics;
mod old_keys;
mod quorum_calls;
mod rows;
mod rpc;
mod snapshot;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::Future,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use etcd_client::{Client, GetOptions, MemberListResponse, StatusResponse};
use futures_util::future::{Either, select};
use tokio::{runtime, time::sleep};
use tokio_rustls::rustls::ClientConfig;
use tonic::Status;

pub use self::{config::Connect, snapshot::abandon};
use self::{
    connection::{ANSWERS, Connection, Target},
    credentials::{NoToken, may_send_credentials},
    errors::ConnectError,
    rpc::{CallError, CallResult, Reading, answered, client, note_members, says},
};
use super::{net::tls, secrets};
use crate::{
    domain::{
        model::observations::{
            Alarm, Answer, Hashed, KnownMember, MemberStatus, NoAnswer, Read, Source,
            rows::StoredRows,
            started::{Canary, Queried, Watched},
        },
        quorum::known::OldKey,
    },
    engine::progress::ProgressFn,
    error::{Error, ErrorKind, Result},
    etcd::{membership::Id, server_error::ServerError},
    text::Foreign,
};

/// Parses a member's report about itself from the raw answers to Status and MemberList.
/// `None` where the bytes are not such answers.
pub fn read_answers(status: &[u8], list: &[u8]) -> Option<MemberStatus> {
    use etcd_client::proto::{PbMemberListResponse, PbStatusResponse};
    use prost::Message;
    let mut says = says(PbStatusResponse::decode(status).ok()?);
    note_members(&mut says, Ok(MemberListResponse(PbMemberListResponse::decode(list).ok()?)));
    Some(says)
}

/// Returns whether a text is a member's `/metrics`, and the member's ID where it has one.
pub fn read_metrics(text: &str) -> Option<Option<Id>> {
    metrics::Metrics::parse(text).map(|metrics| metrics.member_id)
}

/// How long an answer may take before the member's other ports are tried, too.
const GRACE: Duration = Duration::from_millis(400);

/// The key of the linearizable read. It need not exist: an empty answer proves quorum as well.
const PROBE_KEY: &str = "requorum/probe";

/// The note where a user was given for a member through which no token can be issued.
const NO_TOKEN: &str = "no token was requested: authentication needs quorum; the rest was asked without a token";

/// The note for a member that answers no unauthenticated request, where no token can be issued.
pub const CLOSED: &str = "authentication is enabled; no token can be issued without quorum: what is shown comes from ports \
                      that need no token (metrics, peer port); a client certificate whose CN is a user works (if \
                      --client-cert-auth is on), and so do the files";

/// The client for all members. Its calls block and may be made from several threads at once,
/// but not from inside an async runtime.
pub struct Members {
    runtime: Option<runtime::Runtime>,
    connect: Connect,
    /// The endpoints that the operator named.
    named: Mutex<Vec<Target>>,
    tls: Arc<ClientConfig>,
    /// The TLS configuration for HTTP/1.
    tls_http: Arc<ClientConfig>,
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("connect", &self.connect).finish_non_exhaustive()
    }
}

impl Drop for Members {
    /// Does not wait: a hung member's outstanding answers no longer matter.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Members {
    /// Reads the certificates named in `connect` and starts the network threads.
    ///
    /// # Errors
    /// When a certificate or key is missing or invalid, naming its file and flag.
    pub fn new(connect: Connect) -> Result<Self> {
        if connect.credentials().is_some() {
            secrets::no_core_dumps();
        }
        let tls = tls::config(&connect)?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("requorum-net")
            .enable_all()
            .build()
            .map_err(|e| Error::new(ErrorKind::Failed, "failed to start network threads").why(e))?;
        let tls_http = tls::for_http(&tls);
        Ok(Members { runtime: Some(runtime), connect, named: Mutex::default(), tls, tls_http })
    }

    /// Returns how long a member that streams may send nothing.
    pub fn idle_timeout(&self) -> Duration {
        self.connect.idle_timeout
    }

    /// Records that the operator named these endpoints: user and password may be sent there.
    pub fn name_endpoints(&self, endpoints: &[String]) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        // an invalid endpoint is never asked
        for target in endpoints.iter().filter_map(|endpoint| Target::parse(endpoint, &self.connect).ok()) {
            if !named.contains(&target) {
                named.push(target);
            }
        }
    }

    /// Returns the same client without port guesses: no port is asked that was not named.
    pub fn without_guesses(mut self) -> Self {
        self.connect.guess_ports = false;
        self
    }

    /// Asks one member everything that it answers without quorum and, where it names a leader, for one
    /// linearizable read. Every step has its own deadline, so it returns whatever the member does: within
    /// dial timeout + 4 s for a silent member; one that stalls midway takes up to 3 s longer for each of read,
    /// token and what needs the token.
    pub fn member_status(&self, endpoint: &str) -> Answer {
        self.block_on(self.facts(endpoint))
            .unwrap_or_else(|| Err(shutting_down()))
            .map_or_else(Answer::from, |says| Answer::Says(Box::new(says)))
    }

    /// Asks the peer port of `member`, whose client URL was silent, whether it is alive.
    pub fn peer_status(&self, member: &KnownMember) -> Answer {
        self.block_on(http_probes::by_peer_urls(self, member))
            .unwrap_or_else(|| Err(shutting_down()))
            .map_or_else(Answer::from, |says| Answer::Says(Box::new(says)))
    }

    /// Returns the HashKV of the keys up to `revision`; 0 for the newest, which the answer names. The member reads its
    /// whole store for it, so this has a longer limit than other answers.
    pub fn hash_kv(&self, endpoint: &str, revision: i64) -> Hashed {
        self.block_on(self.hash(endpoint, revision)).unwrap_or_else(|| Hashed::Failed(shutting_down().details.into()))
    }

    /// Returns keys that the member wrote last at or before `revision`, from the member's own store.
    ///
    /// # Errors
    /// Why there is no answer, in a few words.
    pub fn old_keys(&self, endpoint: &str, revision: i64) -> std::result::Result<Vec<OldKey>, String> {
        self.block_on(old_keys::ask(self, endpoint, revision)).unwrap_or_else(|| Err(shutting_down().details))
    }

    /// Returns the list of alarms, which needs quorum.
    pub fn alarms(&self, endpoint: &str) -> Queried<Vec<Alarm>> {
        self.block_on(quorum_calls::alarms(self, endpoint)).unwrap_or_else(|| Queried::Failed(shutting_down().details))
    }

    /// Returns what the member stores besides keys, from that member alone; its database is streamed if it is not
    /// larger than `most`.
    ///
    /// # Errors
    /// Why nothing could be asked, in a few words.
    pub fn stored_rows(
        &self,
        endpoint: &str,
        most: u64,
        watch: &mut ProgressFn<'_>,
    ) -> std::result::Result<StoredRows, String> {
        self.block_on(rows::stored(self, endpoint, most, watch)).unwrap_or_else(|| Err(shutting_down().details))
    }

    /// Returns how a watch from `revision` on is answered.
    pub fn watch_from(&self, endpoint: &str, revision: i64) -> Watched {
        self.block_on(quorum_calls::watch_from(self, endpoint, revision))
            .unwrap_or_else(|| Watched::Failed(shutting_down().details))
    }

    /// Puts a key through the first of `endpoints`, reads it through each, deletes it through the last, and watches all
    /// that.
    pub fn write_canary(&self, endpoints: &[String], key: &str, value: &str) -> Canary {
        self.block_on(quorum_calls::canary(self, endpoints, key, value)).unwrap_or_else(|| Canary::Failed {
            key: key.into(),
            why: shutting_down().details,
            left: false,
        })
    }

    /// Streams a snapshot from the member into the new file `into`, by way of `into.part`, and
    /// returns its length in bytes, trailer included.
    ///
    /// # Errors
    /// When `into` or `into.part` exists or cannot be written, the member does not answer or
    /// refuses, the stream breaks or stalls, bytes are missing, or the SHA-256 does not match;
    /// and `Stopped` when `watch` requests it. What was written is removed then.
    pub fn save_snapshot(&self, endpoint: &str, into: &Path, watch: &mut ProgressFn<'_>) -> Result<u64> {
        self.block_on(snapshot::save(self, endpoint, into, watch))
            .unwrap_or_else(|| Err(Error::new(ErrorKind::Stopped, "requorum is shutting down")))
    }

    fn block_on<F: Future>(&self, work: F) -> Option<F::Output> {
        self.runtime.as_ref().map(|runtime| runtime.block_on(work))
    }

    async fn dial(&self, endpoint: &str, most: u64) -> std::result::Result<(Target, Connection), ConnectError> {
        let target = Target::parse(endpoint, &self.connect)?;
        let line = connection::dial(&target, &self.tls, self.connect.dial_timeout, most).await?;
        Ok((target, line))
    }

    async fn facts(&self, endpoint: &str) -> std::result::Result<MemberStatus, ConnectError> {
        let target = Target::parse(endpoint, &self.connect)?;
        let ask = async { tokio::join!(self.by_client_port(&target), http_probes::client_port_pages(self, &target)) };
        let ask = std::pin::pin!(ask);
        // a live member answers at once; otherwise the waiting time is used to try its other ports
        let (client, aside, beside) = match select(ask, std::pin::pin!(sleep(GRACE))).await {
            Either::Left(((client, aside), _)) => (client, aside, None),
            Either::Right(((), ask)) => {
                let ((client, aside), beside) = tokio::join!(ask, http_probes::guessed_ports(self, &target));
                (client, aside, Some(beside))
            }
        };
        let want = match &client {
            Ok(says) => says.members.is_empty(),
            Err(refusal) => !refusal.afar,
        };
        let beside = match beside {
            None if want => http_probes::guessed_ports(self, &target).await,
            other => other.unwrap_or_default(),
        };
        match client {
            Ok(mut says) => {
                aside.fill(&mut says);
                beside.fill(&mut says);
                Ok(says)
            }
            Err(refusal) => http_probes::by_others(&target, refusal, aside, beside),
        }
    }

    /// Asks the client port over gRPC.
    async fn by_client_port(&self, target: &Target) -> std::result::Result<MemberStatus, ConnectError> {
        let line = connection::dial(target, &self.tls, self.connect.dial_timeout, ANSWERS).await?;
        let mut client = client(&line, false).await?;
        let ((status, members), local_read) =
            tokio::join!(self.status_and_members(&client), self.read(&client, Reading::Serializable));
        match status {
            Ok(status) => {
                let mut says = MemberStatus { local_read, ..says(status.0) };
                if says.leader == Id(0) || says.is_learner {
                    // a learner serves no linearizable reads, even if its leader could
                    note_members(&mut says, members);
                    if self.connect.credentials().is_some() {
                        says.errors.push(NO_TOKEN.to_owned());
                    }
                    return Ok(says);
                }
                let members = self.token_and_members(&line, &mut client, &mut says, members).await;
                note_members(&mut says, members);
                says.read = self.read(&client, Reading::Linearizable).await;
                Ok(says)
            }
            Err(CallError::Status(status)) if errors::is_auth(&status) => {
                self.behind_a_password(target, &line, &status).await
            }
            Err(miss) => Err(self.silence(target, &line, miss).await),
        }
    }

    async fn hash(&self, endpoint: &str, revision: i64) -> Hashed {
        let client = async {
            let (_, line) = self.dial(endpoint, ANSWERS).await?;
            let client = client(&line, false).await?;
            Ok::<_, ConnectError>((line, client))
        };
        let (line, mut client) = match client.await {
            Ok(both) => both,
            Err(refusal) => return Hashed::Failed(refusal.why.to_string().into()),
        };
        // only where it is needed: most clusters use no tokens, and a token takes quorum
        let token = match self.connect.credentials() {
            Some(_) => self.authenticate_if_led(&line, &mut client).await.err(),
            None => None,
        };
        let mut maintenance = client.maintenance_client();
        match answered(self.connect.idle_timeout, maintenance.hash_kv(revision)).await {
            Ok(said) => {
                let newest = said.header().map_or(0, |header| header.revision());
                let revision = if revision > 0 { revision } else { newest };
                Hashed::Says { hash: said.hash(), revision, compacted: said.compact_version() }
            }
            Err(miss) if miss.error() == Some(ServerError::Compacted) => Hashed::Compacted(miss.words()),
            Err(miss) => Hashed::Failed(match token {
                Some(why) if miss.is_auth() => format!("{}, and no token: {}", miss.words(), why.words()).into(),
                _ => miss.words(),
            }),
        }
    }

    /// Asks for both at once, each with its own deadline.
    async fn status_and_members(
        &self,
        client: &Client,
    ) -> (CallResult<StatusResponse>, CallResult<MemberListResponse>) {
        let limit = self.connect.answer_timeout();
        let (mut maintenance, mut cluster) = (client.maintenance_client(), client.cluster_client());
        // etcd-client asks for the list without `linearizable`, so it needs no quorum
        tokio::join!(answered(limit, maintenance.status()), answered(limit, cluster.member_list()))
    }

    /// With credentials: gets a token (a leader is named, so one can be issued), and asks again for
    /// the members where they were refused without one. A refusal is added to the errors.
    async fn token_and_members(
        &self,
        line: &Connection,
        client: &mut Client,
        says: &mut MemberStatus,
        members: CallResult<MemberListResponse>,
    ) -> CallResult<MemberListResponse> {
        match self.authenticate(line, client).await {
            Ok(true) if members.as_ref().is_err_and(CallError::is_auth) => {
                answered(self.connect.answer_timeout(), client.cluster_client().member_list()).await
            }
            Ok(_) => members,
            Err(why) => {
                note_no_token(says, &why);
                members
            }
        }
    }

    /// [`authenticate`](Self::authenticate), but without waiting where no leader is named.
    async fn authenticate_if_led(&self, line: &Connection, client: &mut Client) -> std::result::Result<bool, NoToken> {
        let limit = self.connect.answer_timeout();
        if self.credentials_for(line)?.is_some()
            && let Ok(status) = answered(limit, client.maintenance_client().status()).await
            && status.leader() == 0
        {
            return Err(NoToken::Refused("authentication needs a leader".to_owned()));
        }
        self.authenticate(line, client).await
    }

    /// Returns user and password for the member at the other end of `line`, where given. They are read nowhere else.
    fn credentials_for(&self, line: &Connection) -> std::result::Result<Option<(String, String)>, NoToken> {
        let Some(credentials) = self.connect.credentials() else { return Ok(None) };
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        may_send_credentials(&line.target, &named, &self.connect).map_err(NoToken::Withheld)?;
        Ok(Some(credentials))
    }

    /// Returns true if the client has a token now; false if none is needed.
    async fn authenticate(&self, line: &Connection, client: &mut Client) -> std::result::Result<bool, NoToken> {
        let Some((user, password)) = self.credentials_for(line)? else { return Ok(false) };
        match answered(self.connect.answer_timeout(), client.update_user(Some((user, password)))).await {
            Ok(()) => Ok(true),
            // credentials given to a cluster without authentication do no harm
            Err(miss) if miss.error() == Some(ServerError::NoAuthentication) => Ok(false),
            Err(miss) => Err(NoToken::Refused(miss.words().into())),
        }
    }

    /// Makes one read. A linearizable one needs quorum; a serializable one is served from the member's own store.
    ///
    /// etcd waits for the quorum's confirmation first and checks the caller's permission only then
    /// (`EtcdServer.Range`: `linearizableReadNotify`, after it `doSerialize`; the same from 3.4 to
    /// 3.7), so "permission denied" proves quorum as well as an answer does.
    async fn read(&self, client: &Client, reading: Reading) -> Read {
        self.read_or_error(client, reading).await.0
    }

    /// Makes the same read, and returns etcd's own error where there is one.
    async fn read_or_error(&self, client: &Client, reading: Reading) -> (Read, Option<ServerError>) {
        let options = GetOptions::new().with_keys_only().with_limit(1);
        let options = if reading == Reading::Serializable { options.with_serializable() } else { options };
        let mut kv = client.kv_client();
        match answered(self.connect.answer_timeout(), kv.get(PROBE_KEY, Some(options))).await {
            Ok(_) => (Read::Served, None),
            Err(miss) if miss.is_auth() && reading == Reading::Linearizable => (Read::Served, None),
            Err(miss) => (Read::Failed(miss.words()), miss.error()),
        }
    }

    /// Asks a member that requires a token even for its status, as 3.6, and late 3.5, do with
    /// authentication enabled. A token needs quorum; so does the read, but that shows it even without a token.
    async fn behind_a_password(
        &self,
        target: &Target,
        line: &Connection,
        refused: &Status,
    ) -> std::result::Result<MemberStatus, ConnectError> {
        let mut stranger = client(line, false).await?;
        // with "require leader" a member without one says so at once instead of waiting
        let (read, who) = tokio::join!(
            async {
                Ok::<_, ConnectError>(self.read_or_error(&client(line, true).await?, Reading::Linearizable).await)
            },
            self.who(&stranger)
        );
        let (read, error) = read?;
        let mut says = MemberStatus {
            errors: vec![format!("status refused: {}", errors::said(refused))],
            list_refused: ServerError::from_message(refused.message()) == Some(ServerError::NoUser),
            ..who.clone().unwrap_or_default()
        };
        match &read {
            Read::Served => {}
            Read::Failed(_) if error == Some(ServerError::NoLeader) && who.is_some() => {
                says.errors.extend(["etcdserver: no leader".to_owned(), CLOSED.to_owned()]);
                says.closed = Some(NoAnswer::Password);
                return Ok(says);
            }
            Read::Failed(_) | Read::NotAsked => {
                let why = if let Read::Failed(why) = read { why } else { Foreign::default() };
                return Err(ConnectError::password(format!(
                    "{} is alive, but authentication is enabled and it answers no unauthenticated request ({}). A \
                     token needs quorum, and it serves no linearizable read: {why}. A client certificate whose CN is a \
                     user (if --client-cert-auth is on) needs no token; otherwise continue with its files.",
                    target.url(),
                    errors::said(refused)
                )));
            }
        }
        let token = self.authenticate(line, &mut stranger).await;
        if let (Ok(true), (Ok(status), members)) = (&token, self.status_and_members(&stranger).await) {
            says = rpc::says(status.0);
            note_members(&mut says, members);
        }
        if let Err(why) = token {
            note_no_token(&mut says, &why);
        }
        says.read = read;
        Ok(says)
    }

    /// Identifies a member that answers no unauthenticated request. A watch that it refuses is refused under a
    /// header with its ID, its cluster's, revision and term (etcd `v3rpc/watch.go`, 3.4 to 3.7), and
    /// needs no quorum. A watch that it grants ends with the stream at once.
    async fn who(&self, client: &Client) -> Option<MemberStatus> {
        let mut watch = client.watch_client();
        let first = async { watch.watch(PROBE_KEY, None).await?.message().await };
        let header = answered(self.connect.answer_timeout(), first).await.ok()??.header()?.clone();
        Some(MemberStatus {
            cluster_id: Id(header.cluster_id()),
            member_id: Id(header.member_id()),
            revision: header.revision(),
            raft_term: header.raft_term(),
            heard: vec![Source::Header],
            ..MemberStatus::default()
        })
    }

    /// Returns why no status was received, as far as the connection shows it.
    async fn silence(&self, target: &Target, line: &Connection, miss: CallError) -> ConnectError {
        let hung_up = !matches!(miss, CallError::Late(_));
        let (refusal, quiet) = {
            let heard = line.ears.lock().unwrap_or_else(PoisonError::into_inner);
            (errors::heard(&heard, target), (heard.ended || hung_up) && heard.first.is_empty())
        };
        if let Some(refusal) = refusal {
            return refusal;
        }
        // The reason for closing may have been lost where a write of ours failed first.
        if hung_up
            && target.tls
            && let Some(error) = connection::alert(target, &self.tls).await
        {
            return errors::tls(&error, target);
        }
        // Go's TLS servers close a plain HTTP/2 connection without a message
        if quiet && !target.tls && connection::speaks_tls(target).await {
            return errors::speaks_tls(target);
        }
        match miss {
            CallError::Late(limit) => ConnectError::new(
                format!("no answer in {}", errors::span(limit)),
                format!(
                    "{} accepts connections, but sent no status in {}: a member that was started after quorum was lost \
                     waits for the others first (its log shows elections); otherwise it hangs, its disk stalls, or \
                     another service listens there. If quorum is lost, take its data from its directory, once it is \
                     stopped.",
                    target.url(),
                    errors::span(limit)
                ),
            ),
            CallError::Status(_) if quiet => ConnectError::new(
                "closed the connection",
                format!(
                    "{} accepted the connection and closed it without an answer. Is it a member's client URL?",
                    target.url()
                ),
            ),
            CallError::Status(status) => errors::status(&status, target),
            CallError::Other(why) => {
                ConnectError::new("no answer", format!("{} could not be queried: {why}.", target.url()))
            }
        }
    }
}

fn shutting_down() -> ConnectError {
    ConnectError::new("not asked", "requorum is shutting down.")
}

/// Records that the member was asked without a token, and why.
fn note_no_token(says: &mut MemberStatus, why: &NoToken) {
    if let NoToken::Withheld(withheld) = why {
        says.withheld = Some(*withheld);
    }
    says.errors.push(format!("no token for the given user: {}", why.words()));
}
