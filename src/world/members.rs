//! Members asked over gRPC: what each says of itself and its cluster, whether it serves a
//! linearizable read, and the snapshot that it streams.
//!
//! Each question makes one connection of its own and ends within its deadline, whatever the member
//! does. Nothing is ever written to a cluster from here.

mod dial;
mod save;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod words;

use std::{
    fmt,
    future::Future,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use etcd_client::{
    Client, ConnectOptions, Error, GetOptions, MemberListResponse, StatusResponse,
    proto::{PbMemberListResponse, PbStatusResponse},
};
use tokio::{runtime, time::timeout};
use tokio_rustls::rustls::ClientConfig;
use tonic::{Code, Status};

use self::{
    dial::{Line, Target},
    words::Refusal,
};
use super::tls;
use crate::{
    engine::progress::Watch,
    etcd::membership::Id,
    plan::facts::{Answer, KnownMember, MemberSays, Read},
    trouble::{Kind, Result, Trouble},
};

/// The most that one answer may take; less where `--command-timeout` is shorter.
const ANSWER: Duration = Duration::from_secs(3);

/// The key of the linearizable read. It need not exist: an empty answer proves quorum as well.
const PROBE_KEY: &str = "requorum/probe";

/// Said where a user was given to a member through which no token can be had.
const NO_TOKEN: &str = "no token was asked for: logging in needs a quorum; what needs none was asked without";

/// How a member without a leader refuses those who require one.
const NO_LEADER: &str = "no leader";

/// How members are reached: etcdctl's flags of the same names.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// `--cacert`: the CA of the members' certificates; the system's CAs where it is not given.
    pub cacert: Option<PathBuf>,
    /// `--cert`: the client certificate.
    pub cert: Option<PathBuf>,
    /// `--key`: its private key.
    pub key: Option<PathBuf>,
    /// `--user`, without the password (`name:password` is taken apart where no password is given).
    pub user: Option<String>,
    /// `--password`.
    pub password: Option<String>,
    /// `--insecure-skip-tls-verify`: any server certificate is taken.
    pub insecure_skip_tls_verify: bool,
    /// `--insecure-transport`, true by default: endpoints without a scheme are `http`, unless
    /// certificates are given.
    pub insecure_transport: bool,
    /// `--dial-timeout`: for name, TCP and TLS together. 2 s by default.
    pub dial_timeout: Duration,
    /// `--command-timeout`: for one answer; more than 3 s is taken as 3 s when members are asked.
    /// 5 s by default.
    pub command_timeout: Duration,
    /// How long a snapshot's stream may stand still. 30 s by default.
    pub idle_timeout: Duration,
}

impl Default for Connect {
    fn default() -> Self {
        Connect {
            cacert: None,
            cert: None,
            key: None,
            user: None,
            password: None,
            insecure_skip_tls_verify: false,
            insecure_transport: true,
            dial_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for Connect {
    /// Everything but the password, which may also stand behind the user's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("cacert", &self.cacert)
            .field("cert", &self.cert)
            .field("key", &self.key)
            .field("user", &self.user.as_deref().map(|u| u.split(':').next().unwrap_or_default()))
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("insecure_skip_tls_verify", &self.insecure_skip_tls_verify)
            .field("insecure_transport", &self.insecure_transport)
            .field("dial_timeout", &self.dial_timeout)
            .field("command_timeout", &self.command_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .finish()
    }
}

impl Connect {
    /// True where an endpoint without a scheme means `https`.
    fn wants_tls(&self) -> bool {
        !self.insecure_transport || self.cacert.is_some() || self.cert.is_some() || self.key.is_some()
    }

    /// Name and password, where a name is given.
    fn credentials(&self) -> Option<(String, String)> {
        let user = self.user.as_deref().filter(|user| !user.is_empty())?;
        match (&self.password, user.split_once(':')) {
            (Some(password), _) => Some((user.to_owned(), password.clone())),
            (None, Some((name, password))) => Some((name.to_owned(), password.to_owned())),
            (None, None) => Some((user.to_owned(), String::new())),
        }
    }

    fn answer_timeout(&self) -> Duration {
        self.command_timeout.min(ANSWER)
    }
}

/// The members' side of the world. Its calls block and may be made from several threads at once,
/// but not from inside an async runtime.
pub struct Members {
    runtime: Option<runtime::Runtime>,
    connect: Connect,
    tls: Arc<ClientConfig>,
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("connect", &self.connect).finish_non_exhaustive()
    }
}

impl Drop for Members {
    /// Without waiting: what a hung member still owes is of no interest any more.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Members {
    /// Reads the certificates named in `connect` and starts the threads that talk.
    ///
    /// # Errors
    /// When a certificate or key is missing or wrong, naming its file and flag.
    pub fn new(connect: Connect) -> Result<Self> {
        let tls = tls::config(&connect)?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("requorum-net")
            .enable_all()
            .build()
            .map_err(|e| Trouble::new(Kind::Failed, "threads for the network cannot be started").why(e))?;
        Ok(Members { runtime: Some(runtime), connect, tls })
    }

    /// Asks one member everything that answers without quorum and, where it names a leader, one
    /// linearizable read. Every step has its own deadline, so it returns whatever the member does: a
    /// silent one within dial timeout + 3 s (1 s more where its protocol is looked into), one that
    /// answers some and stalls at the rest 3 s later for each of read, token and what the token opens.
    pub fn ask(&self, endpoint: &str) -> Answer {
        self.block_on(self.facts(endpoint))
            .unwrap_or_else(|| Err(Refusal::new("not asked", "requorum is shutting down.")))
            .map_or_else(Answer::from, |says| Answer::Says(Box::new(says)))
    }

    /// Streams a snapshot from the member into the new file `into`, by way of `into.part`, and
    /// returns its length in bytes, trailer included.
    ///
    /// # Errors
    /// When `into` or `into.part` exists or cannot be written, the member does not answer or
    /// refuses, the stream is cut off or stands still, bytes are missing, or the SHA-256 is wrong;
    /// and `Stopped` when `watch` said so. What was written is removed then.
    pub fn save_snapshot(&self, endpoint: &str, into: &Path, watch: &mut Watch<'_>) -> Result<u64> {
        self.block_on(save::save(self, endpoint, into, watch))
            .unwrap_or_else(|| Err(Trouble::new(Kind::Stopped, "requorum is shutting down")))
    }

    fn block_on<F: Future>(&self, work: F) -> Option<F::Output> {
        self.runtime.as_ref().map(|runtime| runtime.block_on(work))
    }

    async fn dial(&self, endpoint: &str) -> std::result::Result<(Target, Line), Refusal> {
        let target = Target::parse(endpoint, &self.connect)?;
        let line = dial::dial(&target, &self.tls, self.connect.dial_timeout).await?;
        Ok((target, line))
    }

    async fn facts(&self, endpoint: &str) -> std::result::Result<MemberSays, Refusal> {
        let (target, line) = self.dial(endpoint).await?;
        let mut client = client(&line, false).await?;
        let (status, members) = self.status_and_members(&client).await;
        match status {
            Ok(status) => {
                let mut says = says(status.0);
                if says.leader == Id(0) || says.is_learner {
                    // a learner serves no linearizable reads, whatever its leader could
                    note_members(&mut says, members);
                    if self.connect.credentials().is_some() {
                        says.errors.push(NO_TOKEN.to_owned());
                    }
                    return Ok(says);
                }
                let members = self.token_and_members(&mut client, &mut says, members).await;
                note_members(&mut says, members);
                says.read = self.read(&client).await;
                Ok(says)
            }
            Err(Miss::Status(status)) if words::is_auth(&status) => {
                self.behind_a_password(&target, &line, &status).await
            }
            Err(miss) => Err(self.silence(&target, &line, miss).await),
        }
    }

    /// Both at once, each with its own deadline.
    async fn status_and_members(&self, client: &Client) -> (Heard<StatusResponse>, Heard<MemberListResponse>) {
        let limit = self.connect.answer_timeout();
        let (mut maintenance, mut cluster) = (client.maintenance_client(), client.cluster_client());
        // etcd-client asks for the list without `linearizable`, so it needs no quorum
        tokio::join!(answered(limit, maintenance.status()), answered(limit, cluster.member_list()))
    }

    /// With credentials: gets a token (a leader is named, so one can be had), and asks again for
    /// the members where they were refused without one. A refusal becomes one of the complaints.
    async fn token_and_members(
        &self,
        client: &mut Client,
        says: &mut MemberSays,
        members: Heard<MemberListResponse>,
    ) -> Heard<MemberListResponse> {
        match self.authenticate(client).await {
            Ok(true) if members.as_ref().is_err_and(Miss::is_auth) => {
                answered(self.connect.answer_timeout(), client.cluster_client().member_list()).await
            }
            Ok(_) => members,
            Err(why) => {
                says.errors.push(format!("no token for the user given: {why}"));
                members
            }
        }
    }

    /// [`authenticate`](Self::authenticate), but without waiting where no leader is named.
    async fn authenticate_if_led(&self, client: &mut Client) -> std::result::Result<bool, String> {
        let limit = self.connect.answer_timeout();
        if self.connect.credentials().is_some()
            && let Ok(status) = answered(limit, client.maintenance_client().status()).await
            && status.leader() == 0
        {
            return Err("without a leader nobody can log in".to_owned());
        }
        self.authenticate(client).await
    }

    /// True when the client bears a token now; false where none is wanted.
    async fn authenticate(&self, client: &mut Client) -> std::result::Result<bool, String> {
        let Some((user, password)) = self.connect.credentials() else { return Ok(false) };
        match answered(self.connect.answer_timeout(), client.update_user(Some((user, password)))).await {
            Ok(()) => Ok(true),
            // credentials given to a cluster that asks for none do no harm
            Err(Miss::Status(status)) if status.message().contains("authentication is not enabled") => Ok(false),
            Err(miss) => Err(miss.words()),
        }
    }

    /// One linearizable read, which only a quorum can serve.
    ///
    /// etcd waits for the quorum's confirmation first and looks at the caller's right only then
    /// (`EtcdServer.Range`: `linearizableReadNotify`, after it `doSerialize`; the same from 3.4 to
    /// 3.7), so a refusal for want of a right proves quorum as well as an answer does.
    async fn read(&self, client: &Client) -> Read {
        let options = GetOptions::new().with_keys_only().with_limit(1);
        let mut kv = client.kv_client();
        match answered(self.connect.answer_timeout(), kv.get(PROBE_KEY, Some(options))).await {
            Ok(_) => Read::Served,
            Err(miss) if miss.is_auth() => Read::Served,
            Err(miss) => Read::Failed(miss.words()),
        }
    }

    /// From 3.6 on, and in late 3.5, a member with passwords switched on tells strangers not even
    /// its status. A token needs quorum; so does the read, and that answers even a stranger.
    async fn behind_a_password(
        &self,
        target: &Target,
        line: &Line,
        refused: &Status,
    ) -> std::result::Result<MemberSays, Refusal> {
        let mut stranger = client(line, false).await?;
        // with «require leader» a member without one says so at once instead of waiting
        let (read, who) =
            tokio::join!(async { Ok::<_, Refusal>(self.read(&client(line, true).await?).await) }, self.who(&stranger));
        let read = read?;
        let mut says = MemberSays {
            errors: vec![format!("status refused: {}", words::said(refused))],
            ..who.clone().unwrap_or_default()
        };
        match &read {
            Read::Served => {}
            Read::Failed(why) if why == NO_LEADER && who.is_some() => {
                says.errors.push("etcdserver: no leader".to_owned());
                return Ok(says);
            }
            Read::Failed(_) | Read::NotAsked => {
                let why = if let Read::Failed(why) = read { why } else { String::new() };
                return Err(Refusal::new(
                    "wants a password",
                    format!(
                        "{} is alive, but passwords are on and it tells strangers nothing ({}). A token can only be had \
                         with quorum, and it serves no linearizable read: {why}. A client certificate whose CN is a user \
                         (where --client-cert-auth is on) needs no token; otherwise go on with its files.",
                        target.url(),
                        words::said(refused)
                    ),
                ));
            }
        }
        let token = self.authenticate(&mut stranger).await;
        if let (Ok(true), (Ok(status), members)) = (&token, self.status_and_members(&stranger).await) {
            says = self::says(status.0);
            note_members(&mut says, members);
        }
        if let Err(why) = token {
            says.errors.push(format!("no token for the user given: {why}"));
        }
        says.read = read;
        Ok(says)
    }

    /// Who a member is that tells strangers nothing. A watch that it refuses is refused under a
    /// header with its ID, its cluster's, revision and term (etcd `v3rpc/watch.go`, 3.4 to 3.7), and
    /// needs no quorum. One that it grants ends with the stream at once.
    async fn who(&self, client: &Client) -> Option<MemberSays> {
        let mut watch = client.watch_client();
        let first = async { watch.watch(PROBE_KEY, None).await?.message().await };
        let header = answered(self.connect.answer_timeout(), first).await.ok()??.header()?.clone();
        Some(MemberSays {
            cluster_id: Id(header.cluster_id()),
            member_id: Id(header.member_id()),
            revision: header.revision(),
            raft_term: header.raft_term(),
            ..MemberSays::default()
        })
    }

    /// Why no status came, as far as the wire tells.
    async fn silence(&self, target: &Target, line: &Line, miss: Miss) -> Refusal {
        let hung_up = !matches!(miss, Miss::Late(_));
        let (refusal, quiet) = {
            let heard = line.ears.lock().unwrap_or_else(PoisonError::into_inner);
            (words::heard(&heard, target), (heard.ended || hung_up) && heard.first.is_empty())
        };
        if let Some(refusal) = refusal {
            return refusal;
        }
        // The reason for hanging up may have been lost where a write of ours failed first.
        if hung_up
            && target.tls
            && let Some(error) = dial::alert(target, &self.tls).await
        {
            return words::tls(&error, target);
        }
        // Go's TLS servers hang up on plain HTTP/2 without a word
        if quiet && !target.tls && dial::speaks_tls(target).await {
            return words::speaks_tls(target);
        }
        match miss {
            Miss::Late(limit) => Refusal::new(
                format!("no answer in {}", words::span(limit)),
                format!(
                    "{} takes connections, but its status did not come in {}: the member is hung, its disk stands \
                     still, or something else listens there. See its log and its disk.",
                    target.url(),
                    words::span(limit)
                ),
            ),
            Miss::Status(_) if quiet => Refusal::new(
                "hung up",
                format!(
                    "{} took the connection and hung up without a word. Is it a member's client URL?",
                    target.url()
                ),
            ),
            Miss::Status(status) => words::status(&status, target),
            Miss::Other(why) => Refusal::new("no answer", format!("{} could not be asked: {why}.", target.url())),
        }
    }
}

/// Why a call brought nothing.
#[derive(Debug)]
enum Miss {
    /// Its deadline passed.
    Late(Duration),
    /// The member, or the transport, answered with an error.
    Status(Status),
    /// Anything else that etcd-client can say.
    Other(String),
}

impl Miss {
    fn is_auth(&self) -> bool {
        matches!(self, Miss::Status(status) if words::is_auth(status))
    }

    fn words(&self) -> String {
        match self {
            Miss::Late(limit) => format!("no answer in {}", words::span(*limit)),
            Miss::Status(status) if status.code() == Code::Unavailable && status.message().contains(NO_LEADER) => {
                NO_LEADER.to_owned()
            }
            Miss::Status(status) => words::said(status),
            Miss::Other(why) => why.clone(),
        }
    }
}

type Heard<T> = std::result::Result<T, Miss>;

async fn answered<T>(limit: Duration, call: impl Future<Output = std::result::Result<T, Error>>) -> Heard<T> {
    match timeout(limit, call).await {
        Err(_) => Err(Miss::Late(limit)),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Error::GRpcStatus(status))) => Err(Miss::Status(status)),
        Ok(Err(other)) => Err(Miss::Other(other.to_string())),
    }
}

/// The etcd client over one connection, without a token yet.
async fn client(line: &Line, require_leader: bool) -> std::result::Result<Client, Refusal> {
    let options = ConnectOptions::new().with_require_leader(require_leader);
    Client::from_channel(etcd_client::Channel::Tonic(line.channel.clone()), Some(options))
        .await
        .map_err(|e| Refusal::new("not asked", format!("the etcd client could not be made: {e}.")))
}

fn says(status: PbStatusResponse) -> MemberSays {
    let header = status.header.unwrap_or_default();
    MemberSays {
        cluster_id: Id(header.cluster_id),
        member_id: Id(header.member_id),
        version: status.version,
        revision: header.revision,
        raft_term: status.raft_term,
        raft_index: status.raft_index,
        leader: Id(status.leader),
        is_learner: status.is_learner,
        db_bytes: u64::try_from(status.db_size).unwrap_or_default(),
        db_bytes_in_use: u64::try_from(status.db_size_in_use).unwrap_or_default(),
        quota_bytes: u64::try_from(status.db_size_quota).ok().filter(|quota| *quota > 0),
        errors: status.errors,
        members: Vec::new(),
        read: Read::NotAsked,
    }
}

fn note_members(says: &mut MemberSays, members: Heard<MemberListResponse>) {
    match members {
        Ok(MemberListResponse(PbMemberListResponse { members, .. })) => {
            says.members = members
                .into_iter()
                .map(|m| KnownMember {
                    id: Id(m.id),
                    name: m.name,
                    peer_urls: m.peer_ur_ls,
                    client_urls: m.client_ur_ls,
                    is_learner: m.is_learner,
                })
                .collect();
        }
        Err(miss) => says.errors.push(format!("member list not told: {}", miss.words())),
    }
}
