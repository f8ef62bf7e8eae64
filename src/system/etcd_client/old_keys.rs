//! The keys of a member that were not written since a revision: read page by page from the member's own store, so that
//! they can be compared with a database that ends there.

use etcd_client::{Client, GetOptions};
use tokio::time::timeout;

use super::{
    Members,
    errors::ConnectError,
    rpc::{CallError, answered, client},
};
use crate::domain::quorum::known::OldKey;

/// Keys of one page, without values.
const PAGE: i64 = 500;
/// The number of keys that are read.
const MOST_LOOKED_AT: usize = 20_000;
/// The number of keys whose values are read, too.
const MOST_VALUES: usize = 32;
/// All of them together, on the wire: a value of the usual limit for each of those, and 20,000 keys.
const MOST_BYTES: u64 = 64 << 20;

/// See [`Members::old_keys`].
pub(super) async fn ask(members: &Members, endpoint: &str, revision: i64) -> Result<Vec<OldKey>, String> {
    // as long as a hash of all keys may take
    let limit = members.connect.idle_timeout;
    timeout(limit, read(members, endpoint, revision))
        .await
        .unwrap_or_else(|_| Err(CallError::Late(limit).words().into()))
}

async fn read(members: &Members, endpoint: &str, revision: i64) -> Result<Vec<OldKey>, String> {
    let client = async {
        let (_, line) = members.dial(endpoint, MOST_BYTES).await?;
        let client = client(&line, false).await?;
        Ok::<_, ConnectError>((line, client))
    };
    let (line, mut client) = client.await.map_err(|refusal| refusal.why)?;
    if members.connect.credentials().is_some() {
        // if it is refused, the read reports it
        let _ = members.authenticate_if_led(&line, &mut client).await;
    }
    let words = |miss: CallError| miss.words();
    let mut old = pages(members, &client, revision).await.map_err(words)?;
    for key in old.iter_mut().take(MOST_VALUES) {
        value(members, &client, key).await.map_err(words)?;
    }
    // what was written meanwhile shows nothing
    old.retain(|key| key.mod_revision <= revision);
    Ok(old)
}

async fn pages(members: &Members, client: &Client, revision: i64) -> Result<Vec<OldKey>, CallError> {
    let (mut old, mut from, mut seen) = (Vec::new(), vec![0], 0);
    while seen < MOST_LOOKED_AT {
        let options = GetOptions::new().with_serializable().with_keys_only().with_from_key().with_limit(PAGE);
        let mut kv = client.kv_client();
        let page = answered(members.connect.answer_timeout(), kv.get(from.clone(), Some(options))).await?;
        seen += page.kvs().len();
        old.extend(page.kvs().iter().filter(|kv| kv.mod_revision() <= revision).map(|kv| OldKey {
            key: kv.key().to_vec(),
            create_revision: kv.create_revision(),
            mod_revision: kv.mod_revision(),
            version: kv.version(),
            value: None,
        }));
        let Some(last) = page.kvs().last().filter(|_| page.more()) else { break };
        from = last.key().to_vec();
        from.push(0);
    }
    Ok(old)
}

async fn value(members: &Members, client: &Client, key: &mut OldKey) -> Result<(), CallError> {
    let options = GetOptions::new().with_serializable();
    let mut kv = client.kv_client();
    let said = answered(members.connect.answer_timeout(), kv.get(key.key.clone(), Some(options))).await?;
    match said.kvs().first() {
        Some(now) => {
            (key.create_revision, key.mod_revision) = (now.create_revision(), now.mod_revision());
            (key.version, key.value) = (now.version(), Some(now.value().to_vec()));
        }
        // deleted meanwhile
        None => key.mod_revision = i64::MAX,
    }
    Ok(())
}
