//! The stream of events.

use std::pin::Pin;

use futures_util::stream::{Stream, StreamExt};
use nanio_orchestrator::ports::clock::Clock;
use serde_json::{Value, json};

use super::world::World;

type Chunks = Pin<Box<dyn Stream<Item = Result<bytes::Bytes, std::io::Error>> + Send>>;

async fn listen(world: &World) -> Chunks {
    let (status, body) = world.open("/api/events").await;
    assert_eq!(status, 200);
    body.into_bytes_stream().boxed()
}

/// The next event.
async fn next(stream: &mut Chunks) -> Value {
    let chunk = stream.next().await.unwrap().unwrap();
    let text = std::str::from_utf8(&chunk).unwrap();
    let json =
        text.strip_prefix("data: ").and_then(|text| text.strip_suffix("\n\n")).unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str(json).unwrap()
}

#[tokio::test]
async fn an_event_comes_at_once_and_after_each_change() {
    let world = World::start().await;
    let mut stream = listen(&world).await;
    let first = next(&mut stream).await;
    world.pool("p").await;
    let second = next(&mut stream).await;
    assert_ne!(first["changes"], second["changes"]);
    assert_eq!(first["reachability"], second["reachability"]);
}

#[tokio::test]
async fn what_runs_by_itself_and_who_can_be_reached_are_events_too() {
    let world = World::start().await;
    world.pool("p").await;
    let mut stream = listen(&world).await;
    let first = next(&mut stream).await;
    assert_eq!(first["loops"], json!([]));
    let now = Clock::now(world.clock.as_ref());
    let seat = world.services.loops.enter("work", std::time::Duration::from_secs(60));
    seat.write(|report| report.begin(now));
    let second = next(&mut stream).await;
    assert_eq!((&second["loops"][0]["name"], &second["loops"][0]["running"]), (&json!("work"), &json!(true)));
    for _ in 0..3 {
        world.services.reachability.look().await.unwrap();
    }
    assert_ne!(next(&mut stream).await["reachability"], second["reachability"]);
}

#[tokio::test]
async fn the_stream_ends_when_the_server_stops() {
    let world = World::start().await;
    let mut stream = listen(&world).await;
    next(&mut stream).await;
    world.stop.send_replace(true);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn so_many_clients_may_listen_and_a_place_becomes_free_when_one_goes() {
    let world = World::start().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(listen(&world).await);
    }
    let refusal = world.get("/api/events").await.detail(503);
    assert!(refusal.contains("64 clients"), "{refusal}");
    streams.pop();
    next(&mut listen(&world).await).await;
}

#[tokio::test]
async fn nobody_listens_without_a_key() {
    let world = World::start().await;
    assert_eq!(world.send("GET", "/api/events", &[], "").await.status, 401);
}
