//! `GET /api/events`: says that something has changed, so that nobody has to ask again and again.
//!
//! A client that listens costs three numbers to be looked at, four times a second, and no query. Nothing is queued
//! for it: an event is the present state, so one that is slow misses states and never gets behind.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use poem::http::header;
use poem::{Body, IntoResponse, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::{ApiResponse, OpenApi};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::api::Group;
use super::auth::Caller;
use super::config::LoopView;
use super::error::{ApiError, Failure, Reading};
use super::schema::{Described, view};
use crate::domain::services::loops::Loops;
use crate::domain::services::reachability::Reachability;
use crate::domain::services::{ServiceError, Services};
use crate::ports::store::Store;

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// After this time without an event a comment is sent: a client that is gone is noticed, and proxies keep waiting.
const SILENCE: Duration = Duration::from_secs(15);
/// After this time the stream ends. Clients come back by themselves, and are asked again who they are.
const LONGEST: Duration = Duration::from_secs(300);
/// Clients that listen at the same time.
const MOST: usize = 64;

view! {
    /// What there is to be read, as numbers that change with it. They mean nothing but that, and begin anew with the
    /// process.
    EventView as "Event" {
        /// Another one after any change of the database.
        changes: u64,
        /// Another one after a member has become reachable or unreachable.
        reachability: u64,
        /// Everything that runs by itself.
        loops: Vec<LoopView>,
    }
}

/// What changes, and how often it did.
#[derive(Clone)]
pub struct Pulse {
    store: Store,
    reachability: Reachability,
    loops: Loops,
    /// Becomes true when the server stops.
    ended: watch::Receiver<bool>,
    seats: Arc<Semaphore>,
}

impl Pulse {
    /// The pulse of these use cases, until `ended`.
    #[must_use]
    pub fn of(services: &Services, store: Store, ended: watch::Receiver<bool>) -> Self {
        let (reachability, loops) = (services.reachability.clone(), services.loops.clone());
        Self { store, reachability, loops, ended, seats: Arc::new(Semaphore::new(MOST)) }
    }

    fn beat(&self) -> (u64, u64, u64) {
        (self.store.version(), self.reachability.version(), self.loops.version())
    }

    fn event(&self, (changes, reachability, _): (u64, u64, u64)) -> EventView {
        let loops = self.loops.reports().into_iter().map(LoopView::from).collect();
        EventView { changes, reachability, loops }
    }
}

/// The operation that streams events.
pub struct EventsApi(pub Pulse);

#[OpenApi(tag = "Group::Health")]
impl EventsApi {
    /// Listen to changes
    ///
    /// Server-sent events: one at once, one after each change, at most four a second. Each tells the present state,
    /// none what happened. The stream ends after five minutes; a browser's `EventSource` comes back by itself.
    #[oai(path = "/events", method = "get", operation_id = "listen")]
    async fn listen(&self, _caller: Caller) -> Result<Streamed, Failure<Reading>> {
        let seat = self.0.seats.clone().try_acquire_owned();
        let seat = seat.map_err(|_| {
            ApiError::from(ServiceError::Unavailable(format!(
                "{MOST} clients listen already: close some, or ask again and again instead"
            )))
        })?;
        Ok(Streamed(Body::from_bytes_stream(beats(self.0.clone(), seat))))
    }
}

/// 200 with a stream of events.
pub struct Streamed(Body);

impl IntoResponse for Streamed {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type("text/event-stream")
            .header(header::CACHE_CONTROL, "no-store")
            // nginx in front of us would collect events.
            .header("x-accel-buffering", "no")
            .body(self.0)
    }
}

impl ApiResponse for Streamed {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: "text/event-stream", schema: EventView::schema() }];
        let response = MetaResponse {
            description: "Events: `data:` holds one as JSON.",
            status: Some(200),
            status_range: None,
            content,
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        EventView::register(registry);
    }
}

/// What one client is sent; `seat` is free again when it goes.
fn beats(pulse: Pulse, seat: OwnedSemaphorePermit) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let until = Instant::now() + LONGEST;
    let state = (pulse, looks, None, Instant::now(), seat);
    stream::unfold(state, move |(mut pulse, mut looks, seen, mut spoken, seat)| async move {
        loop {
            tokio::select! {
                biased;
                _ = pulse.ended.wait_for(|ended| *ended) => return None,
                now = looks.tick() => {
                    if now >= until {
                        return None;
                    }
                }
            }
            let beat = pulse.beat();
            let text = if seen != Some(beat) {
                match serde_json::to_string(&pulse.event(beat)) {
                    Ok(json) => format!("data: {json}\n\n"),
                    Err(error) => {
                        tracing::error!(%error, "an event could not be written as JSON");
                        return None;
                    }
                }
            } else if spoken.elapsed() >= SILENCE {
                ":\n\n".to_owned()
            } else {
                continue;
            };
            spoken = Instant::now();
            return Some((Ok(Bytes::from(text)), (pulse, looks, Some(beat), spoken, seat)));
        }
    })
}
