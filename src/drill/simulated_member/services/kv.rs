//! KV of a simulated member: reads from its store, writes through the log shared by all members.

use std::cmp::Ordering;

use etcd_client::{SortOrder, SortTarget, proto::*};
use tokio_stream::Empty;
use tonic::{Request, Response, Status};

use super::{Answer, Service, refusal, unwritable};
use crate::drill::mvcc_store::{Refused, Store};

impl Service {
    /// Applies a write through the shared log.
    async fn ordered<T>(
        &self,
        request: Request<T>,
        op: impl FnOnce(T) -> PbTxnOpRequest,
    ) -> Result<Option<PbTxnOpResponse>, Status> {
        let asked = self.proposed(request).await?;
        if !self.store.alarms().is_empty() {
            return Err(Status::resource_exhausted("etcdserver: mvcc: database space exceeded"));
        }
        let sequencer = self.sequencer.as_ref().ok_or_else(unwritable)?;
        Ok(sequencer.order(&self.store, op(asked)).map_err(refusal)?.pop())
    }
}

#[tonic::async_trait]
impl PbKvService for Service {
    type RangeStreamStream = Empty<Result<PbRangeStreamResponse, Status>>;

    async fn range(&self, request: Request<PbRangeRequest>) -> Answer<PbRangeResponse> {
        let ask = self.accept(request)?;
        if ask.key.is_empty() {
            return Err(Status::invalid_argument("etcdserver: key is not provided"));
        }
        if !ask.serializable {
            self.linearizable().await?;
        }
        range(&self.store, &ask)
            .map(|answer| Response::new(PbRangeResponse { header: self.header(), ..answer }))
            .map_err(refusal)
    }

    async fn range_stream(&self, _: Request<PbRangeRequest>) -> Answer<Self::RangeStreamStream> {
        self.absent()
    }

    async fn put(&self, request: Request<PbPutRequest>) -> Answer<PbPutResponse> {
        match self.ordered(request, PbTxnOpRequest::RequestPut).await? {
            Some(PbTxnOpResponse::ResponsePut(put)) => {
                Ok(Response::new(PbPutResponse { header: self.header(), ..put }))
            }
            _ => Err(unwritable()),
        }
    }

    async fn delete_range(&self, request: Request<PbDeleteRequest>) -> Answer<PbDeleteResponse> {
        match self.ordered(request, PbTxnOpRequest::RequestDeleteRange).await? {
            Some(PbTxnOpResponse::ResponseDeleteRange(gone)) => {
                Ok(Response::new(PbDeleteResponse { header: self.header(), ..gone }))
            }
            _ => Err(unwritable()),
        }
    }

    async fn txn(&self, request: Request<PbTxnRequest>) -> Answer<PbTxnResponse> {
        let asked = self.proposed(request).await?;
        if !self.store.alarms().is_empty() {
            return Err(Status::resource_exhausted("etcdserver: mvcc: database space exceeded"));
        }
        let sequencer = self.sequencer.as_ref().ok_or_else(unwritable)?;
        let (succeeded, done) = sequencer.decide(&self.store, &asked).map_err(refusal)?;
        let responses = done.into_iter().map(|one| PbResponseOp { response: Some(one) }).collect();
        Ok(Response::new(PbTxnResponse { header: self.header(), succeeded, responses }))
    }

    async fn compact(&self, request: Request<PbCompactionRequest>) -> Answer<PbCompactionResponse> {
        self.write(request).await
    }
}

/// Answers a range as etcd does: reads all rows if they are filtered or sorted, then filters, sorts and limits.
pub(in crate::drill::simulated_member) fn range(
    store: &Store,
    ask: &PbRangeRequest,
) -> Result<PbRangeResponse, Refused> {
    let filtered = ask.min_mod_revision != 0
        || ask.max_mod_revision != 0
        || ask.min_create_revision != 0
        || ask.max_create_revision != 0;
    let sorted = ask.sort_order != SortOrder::None as i32 || ask.sort_target != SortTarget::Key as i32;
    let limit = usize::try_from(ask.limit).ok().filter(|limit| *limit > 0);
    let most = match limit {
        _ if ask.count_only => 0,
        Some(limit) if !filtered && !sorted => limit,
        _ => usize::MAX,
    };
    let mut found = store.range(&ask.key, &ask.range_end, ask.revision, most)?;
    if filtered {
        let within = |at: i64, min: i64, max: i64| (min == 0 || at >= min) && (max == 0 || at <= max);
        found.rows.retain(|row| {
            within(row.mod_revision, ask.min_mod_revision, ask.max_mod_revision)
                && within(row.create_revision, ask.min_create_revision, ask.max_create_revision)
        });
    }
    if sorted {
        found.rows.sort_by(|a, b| by(ask.sort_target, a, b));
        if ask.sort_order == SortOrder::Descend as i32 {
            found.rows.reverse();
        }
    }
    let all = if filtered || sorted { found.rows.len() } else { found.count };
    let more = limit.is_some_and(|limit| all > limit) && !ask.count_only;
    if let Some(limit) = limit {
        found.rows.truncate(limit);
    }
    if ask.keys_only {
        found.rows.iter_mut().for_each(|row| row.value.clear());
    }
    Ok(PbRangeResponse { header: None, kvs: found.rows, more, count: i64::try_from(found.count).unwrap_or(i64::MAX) })
}

fn by(target: i32, a: &PbKeyValue, b: &PbKeyValue) -> Ordering {
    match target {
        t if t == SortTarget::Version as i32 => a.version.cmp(&b.version),
        t if t == SortTarget::Create as i32 => a.create_revision.cmp(&b.create_revision),
        t if t == SortTarget::Mod as i32 => a.mod_revision.cmp(&b.mod_revision),
        t if t == SortTarget::Value as i32 => a.value.cmp(&b.value),
        _ => a.key.cmp(&b.key),
    }
}
