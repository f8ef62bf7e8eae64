//! Watches on a simulated member: one that starts at a compacted revision is cancelled as etcd cancels it, any other receives
//! the writes from now on.

use std::{collections::BTreeMap, pin::Pin};

use etcd_client::proto::*;
use tokio::sync::{broadcast::error::RecvError, mpsc};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::{Answer, Service};
use crate::drill::simulated_member::sequencer::within;

/// The number of queued answers.
const WAITING: usize = 64;

type Answers = Pin<Box<dyn Stream<Item = Result<PbWatchResponse, Status>> + Send>>;

#[tonic::async_trait]
impl PbWatchService for Service {
    type WatchStream = Answers;

    async fn watch(&self, request: Request<Streaming<PbWatchRequest>>) -> Answer<Answers> {
        let mut asked = self.accept(request)?;
        let (sender, answers_out) = mpsc::channel(WAITING);
        let service = self.clone();
        tokio::spawn(async move {
            let mut news = service.sequencer.as_ref().map(|sequencer| sequencer.watch());
            let mut watches: BTreeMap<i64, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
            loop {
                let answers = tokio::select! {
                    ask = asked.next() => match ask.and_then(Result::ok).and_then(|ask| ask.request_union) {
                        None => return,
                        Some(ask) => service.asked_to_watch(ask, &mut watches),
                    },
                    event = async {
                        match &mut news {
                            Some(news) => news.recv().await,
                            None => std::future::pending().await,
                        }
                    } => match event {
                        Ok(events) => service.events(&events, &watches),
                        Err(RecvError::Lagged(_)) => Vec::new(),
                        Err(RecvError::Closed) => return,
                    },
                };
                for answer in answers {
                    if sender.send(Ok(answer)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers_out))))
    }
}

impl Service {
    fn asked_to_watch(
        &self,
        ask: PbWatchRequestUnion,
        watches: &mut BTreeMap<i64, (Vec<u8>, Vec<u8>)>,
    ) -> Vec<PbWatchResponse> {
        let answer = |watch_id| PbWatchResponse { header: self.header(), watch_id, ..PbWatchResponse::default() };
        match ask {
            PbWatchRequestUnion::CreateRequest(create) => {
                let id = watches.keys().next_back().map_or(0, |last| last + 1);
                let created = PbWatchResponse { created: true, ..answer(id) };
                let compacted = self.store.compacted();
                if create.start_revision > 0 && create.start_revision <= compacted {
                    let reason = "etcdserver: mvcc: required revision has been compacted".to_owned();
                    let ended = PbWatchResponse {
                        canceled: true,
                        compact_revision: compacted,
                        cancel_reason: reason,
                        ..answer(id)
                    };
                    return vec![created, ended];
                }
                watches.insert(id, (create.key, create.range_end));
                vec![created]
            }
            PbWatchRequestUnion::CancelRequest(cancel) => {
                watches.remove(&cancel.watch_id);
                vec![PbWatchResponse { canceled: true, ..answer(cancel.watch_id) }]
            }
            PbWatchRequestUnion::ProgressRequest(_) => vec![answer(-1)],
        }
    }

    fn events(&self, events: &[PbEvent], watches: &BTreeMap<i64, (Vec<u8>, Vec<u8>)>) -> Vec<PbWatchResponse> {
        let of = |(id, (key, end)): (&i64, &(Vec<u8>, Vec<u8>))| {
            let hit = |event: &&PbEvent| event.kv.as_ref().is_some_and(|kv| within(&kv.key, key, end));
            let events: Vec<PbEvent> = events.iter().filter(hit).cloned().collect();
            let header = self.header();
            (!events.is_empty()).then(|| PbWatchResponse {
                header,
                watch_id: *id,
                events,
                ..PbWatchResponse::default()
            })
        };
        watches.iter().filter_map(of).collect()
    }
}
