//! Calls that need quorum: the list of alarms, a watch from an old revision, and a canary,
//! which is the only thing that requorum ever writes to a cluster.

use std::{future::Future, time::Duration};

use etcd_client::{AlarmAction, AlarmType, Client, GetOptions, PutOptions, WatchOptions, WatchStream};
use tokio::time::timeout;

use super::{
    Members, PROBE_KEY,
    connection::ANSWERS,
    rpc::{CallError, CallResult, answered, client},
};
use crate::{
    domain::model::observations::{
        Alarm,
        started::{Canary, Queried, Watched},
    },
    etcd::{membership::Id, server_error::ServerError},
    text::Foreign,
};

/// Returns a client that has a token if a user was given.
async fn ready(members: &Members, endpoint: &str) -> Result<Client, String> {
    let (_, line) = members.dial(endpoint, ANSWERS).await.map_err(|refusal| refusal.why)?;
    let mut client = client(&line, true).await.map_err(|refusal| refusal.why)?;
    members.authenticate(&line, &mut client).await.map_err(|why| why.words())?;
    Ok(client)
}

/// Asks for the list of alarms. The request goes through the log, so it also proves that the cluster accepts proposals.
pub(super) async fn alarms(members: &Members, endpoint: &str) -> Queried<Vec<Alarm>> {
    let limit = members.connect.answer_timeout();
    let listed = async {
        let client = ready(members, endpoint).await?;
        let mut maintenance = client.maintenance_client();
        said(answered(limit, maintenance.alarm(AlarmAction::Get, AlarmType::None, None)).await)
    };
    match listed.await {
        Err(why) => Queried::Failed(why),
        Ok(list) => Queried::Is(
            list.alarms()
                .iter()
                .map(|alarm| Alarm {
                    member: Id(alarm.member_id()),
                    kind: match alarm.alarm() {
                        AlarmType::None => "NONE".into(),
                        AlarmType::Nospace => "NOSPACE".into(),
                        AlarmType::Corrupt => "CORRUPT".into(),
                    },
                })
                .collect(),
        ),
    }
}

/// Opens a watch from `revision` on and returns how it is answered. One that is accepted is silent for a while.
pub(super) async fn watch_from(members: &Members, endpoint: &str, revision: i64) -> Watched {
    let limit = members.connect.answer_timeout();
    let opened = async {
        let client = ready(members, endpoint).await?;
        let options = WatchOptions::new().with_start_revision(revision);
        said(answered(limit, client.watch_client().watch(PROBE_KEY, Some(options))).await)
    };
    let mut stream = match opened.await {
        Ok(stream) => stream,
        Err(why) => return Watched::Failed(why),
    };
    let answer = async {
        loop {
            match stream.message().await {
                Ok(Some(said)) if said.compact_revision() > 0 => return Watched::Compacted(said.compact_revision()),
                Ok(Some(said)) if said.canceled() => return Watched::Failed(Foreign::new(said.cancel_reason()).into()),
                Ok(Some(_)) => {}
                Ok(None) => return Watched::Failed("the stream ended".into()),
                Err(error) => return Watched::Failed(Foreign::new(error.to_string()).into()),
            }
        }
    };
    timeout(limit, answer).await.unwrap_or(Watched::Open)
}

/// Puts `key`, reads it back through every endpoint, deletes it, and checks that a watch that was opened before saw
/// both. A key that existed before is left alone.
pub(super) async fn canary(members: &Members, endpoints: &[String], key: &str, value: &str) -> Canary {
    let failed = |why: Why, left| match left {
        // a user without permission to write has changed nothing, and shown nothing about the cluster
        false if why.denied => Canary::Denied { key: key.into(), why: why.words },
        left => Canary::Failed { key: key.into(), why: why.words, left },
    };
    let limit = members.connect.answer_timeout();
    let mut clients = Vec::new();
    for endpoint in endpoints {
        match ready(members, endpoint).await {
            Ok(client) => clients.push((endpoint.clone(), client)),
            Err(why) => return failed(format!("{endpoint}: {why}").into(), false),
        }
    }
    let (Some((first, putter)), Some((last, deleter))) = (clients.first(), clients.last()) else {
        return failed("there is no endpoint to ask".into(), false);
    };
    let mut watch = match watching(last, deleter, key, limit).await {
        Ok(watch) => watch,
        Err(why) => return failed(why, false),
    };
    match at(first, "get", limit, putter.kv_client().get(key, Some(GetOptions::new().with_count_only()))).await {
        Ok(found) if found.count() > 0 => return failed("a key of that name already exists".into(), false),
        Ok(_) => {}
        Err(why) => return failed(why, false),
    }
    let put = at(first, "put", limit, putter.kv_client().put(key, value, Some(PutOptions::new()))).await;
    let revision = match put {
        Ok(put) => put.header().map_or(0, |header| header.revision()),
        // a late request may have been applied all the same
        Err(why) => {
            let left = at(last, "delete", limit, deleter.kv_client().delete(key, None)).await.is_err();
            return failed(why, left);
        }
    };
    let read = read_through(&clients, key, value, revision, limit).await;
    let deleted = at(last, "delete", limit, deleter.kv_client().delete(key, None)).await;
    let read = match (read, deleted) {
        (Ok(read), Ok(deleted)) if deleted.deleted() == 1 => read,
        (Ok(_), Ok(deleted)) => {
            return failed(format!("{last}: delete: {} keys were deleted", deleted.deleted()).into(), false);
        }
        (Err(why), deleted) => return failed(why, deleted.is_err()),
        (Ok(_), Err(why)) => return failed(why, true),
    };
    let watched = timeout(limit, sees_both(&mut watch)).await.unwrap_or(false);
    Canary::Done { key: key.into(), revision, read, watched }
}

/// A watch on `key` that is known to be open.
async fn watching(endpoint: &str, client: &Client, key: &str, limit: Duration) -> Result<WatchStream, Why> {
    let mut stream = at(endpoint, "watch", limit, client.watch_client().watch(key, None)).await?;
    match at(endpoint, "watch", limit, stream.message()).await? {
        Some(said) if said.created() && !said.canceled() => Ok(stream),
        Some(said) => Err(Why {
            words: format!("{endpoint}: watch: {}", said.cancel_reason()),
            denied: denies(ServerError::from_message(said.cancel_reason())),
        }),
        None => Err(format!("{endpoint}: watch: the stream ended").into()),
    }
}

async fn read_through(
    clients: &[(String, Client)],
    key: &str,
    value: &str,
    revision: i64,
    limit: Duration,
) -> Result<Vec<String>, Why> {
    let mut read = Vec::new();
    for (endpoint, client) in clients {
        let got = at(endpoint, "get", limit, client.kv_client().get(key, None)).await?;
        match got.kvs() {
            [kv] if kv.value() == value.as_bytes() && kv.mod_revision() == revision => read.push(endpoint.clone()),
            [kv] => {
                return Err(
                    format!("{endpoint}: get: the key has revision {}, not {revision}", kv.mod_revision()).into()
                );
            }
            _ => return Err(format!("{endpoint}: get: the key that was just put is missing").into()),
        }
    }
    Ok(read)
}

/// Waits for two events: the put and the deletion.
async fn sees_both(watch: &mut WatchStream) -> bool {
    let mut seen = 0;
    while seen < 2 {
        match watch.message().await {
            Ok(Some(said)) if !said.canceled() => seen += said.events().len(),
            _ => return false,
        }
    }
    true
}

/// Why a step of the canary failed.
struct Why {
    words: String,
    /// True if the user has no permission for it.
    denied: bool,
}

impl From<String> for Why {
    fn from(words: String) -> Self {
        Why { words, denied: false }
    }
}

impl From<&str> for Why {
    fn from(words: &str) -> Self {
        words.to_string().into()
    }
}

fn denies(error: Option<ServerError>) -> bool {
    matches!(error, Some(ServerError::Denied | ServerError::NoUser))
}

/// Calls `endpoint`; an error has the endpoint and the name of the call.
async fn at<T>(
    endpoint: &str,
    what: &str,
    limit: Duration,
    call: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, Why> {
    let heard = answered(limit, call).await;
    heard.map_err(|miss| Why { words: format!("{endpoint}: {what}: {}", miss.words()), denied: denies(miss.error()) })
}

fn said<T>(heard: CallResult<T>) -> Result<T, String> {
    heard.map_err(|miss: CallError| miss.words().into())
}
