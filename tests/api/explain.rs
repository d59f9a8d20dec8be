//! Where requests go, as the API explains it.

use std::collections::HashMap;

use nanio_orchestrator::adapters::nginx::snippet::directive_names;
use nanio_orchestrator::domain::explain::listeners::Listener;
use nanio_orchestrator::domain::explain::{Explanation, Lookups, Request, arrive, explain};
use nanio_orchestrator::domain::gateway::{Protocol, Server};
use nanio_orchestrator::domain::migration::token::TokenState;
use nanio_orchestrator::domain::services::explain::Question;
use nanio_orchestrator::domain::vhost::Snippet;
use nanio_orchestrator::ports::store::StoreError;
use serde_json::{Value, json};

use super::world::World;

fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new("/api/config/explain?".to_owned());
    query.extend_pairs(pairs);
    query.finish()
}

async fn ask(world: &World, pairs: &[(&str, &str)]) -> Value {
    world.get(&query(pairs)).await.expect(200)
}

#[tokio::test]
async fn a_request_is_explained_with_vhost_route_pool_and_members() {
    let world = World::start().await;
    let (old, new) = (world.pool("old").await, world.pool("new").await);
    let members = format!("/api/pools/{new}/members");
    world.post(&members, json!({"address": "10.0.0.2:9000", "enabled": false})).await.expect(201);
    let vhost = world.vhost("s3.example", Some(old)).await;
    world.route(vhost, "/photos/", new).await;
    let answer = ask(&world, &[("host", "s3.example"), ("path", "/photos/a%2Fb?versionId=1")]).await;
    assert_eq!(answer["summary"], "goes to pool new by route /photos/ of vhost s3.example");
    assert_eq!(
        (&answer["verdict"], &answer["bucket"], &answer["port"]),
        (&json!("pool"), &json!("photos"), &json!(80))
    );
    assert_eq!(answer["vhost"], json!({"id": vhost, "server_name": "s3.example", "matched": "name"}));
    assert_eq!(answer["route"]["path_prefix"], "/photos/");
    let pool = &answer["pool"];
    assert_eq!(
        (&pool["name"], &pool["disabled"], pool["members"].as_array().map(Vec::len)),
        (&json!("new"), &json!(1), Some(1))
    );
    assert_eq!(pool["members"][0]["address"], "10.0.0.1:9000");
    assert_eq!((&answer["uncertain"], &answer["migration"]), (&json!([]), &json!(null)));
    assert!(answer["why"].as_array().is_some_and(|why| why.len() >= 3), "{answer}");

    let other = ask(&world, &[("host", "s3.example"), ("path", "/other")]).await;
    assert_eq!(other["summary"], "goes to pool old by route / of vhost s3.example");
    let odd = ask(&world, &[("host", "s3.example"), ("path", "/%70hotos/k"), ("method", "PUT")]).await;
    assert_eq!(odd["summary"], "nginx answers 400 InvalidURI");
    let copy = [("host", "s3.example"), ("path", "/photos/k"), ("method", "PUT"), ("copy_source", "/other/k")];
    assert_eq!(ask(&world, &copy).await["summary"], "nginx answers 501 NotImplemented");
    let nobody = ask(&world, &[("host", "s3.example:81"), ("path", "/photos/k")]).await;
    assert_eq!((&nobody["verdict"], &nobody["port"]), (&json!("no_connection"), &json!(81)));
}

#[tokio::test]
async fn what_only_nginx_can_tell_is_said_and_not_guessed() {
    let world = World::start().await;
    let pool = world.pool("old").await;
    let blocks = json!([
        {"zone": "top", "content": "add_header X-A b;"},
        {"zone": "end", "content": "location = /ping { return 200 pong; }"},
    ]);
    let vhost = world.vhost("s3.example", Some(pool)).await;
    world.put(&format!("/api/vhosts/{vhost}"), json!({"extra_blocks": blocks})).await.expect(200);
    let answer = ask(&world, &[("host", "s3.example"), ("path", "/b/k")]).await;
    let doubts = answer["uncertain"].to_string();
    assert!(doubts.contains("vhost s3.example (zone end)") && doubts.contains("location, return"), "{doubts}");
    assert!(!doubts.contains("add_header") && answer["directives"].to_string().contains("add_header"), "{answer}");

    let rules = json!({"extra_blocks": [], "ip_rule_mode": "allow", "ip_rule_ips": ["10.0.0.0/8"]});
    world.put(&format!("/api/vhosts/{vhost}"), rules).await.expect(200);
    let from = async |address: &str| ask(&world, &[("host", "s3.example"), ("path", "/b"), ("from", address)]).await;
    assert_eq!(from("10.1.2.3").await["verdict"], "pool");
    assert_eq!(from("192.0.2.1").await["summary"], "nginx answers 403");
    let unknown = ask(&world, &[("host", "s3.example"), ("path", "/b")]).await;
    assert!(unknown["uncertain"].to_string().contains("IP rules"), "{unknown}");

    let unnamed = ask(&world, &[("host", "else.example"), ("port", "80"), ("from", "10.0.0.1")]).await;
    assert_eq!(unnamed["vhost"]["matched"], "first");
    assert!(unnamed["uncertain"].to_string().contains("nginx.conf"), "{unnamed}");
    world.put(&format!("/api/vhosts/{vhost}"), json!({"enabled": false})).await.expect(200);
    let off = ask(&world, &[("host", "s3.example"), ("path", "/b"), ("port", "80")]).await;
    assert_eq!(off["verdict"], "no_connection");
}

#[tokio::test]
async fn every_fault_of_a_question_is_told_at_once() {
    let world = World::start().await;
    let bad = [("port", "0"), ("from", "localhost"), ("scheme", "ftp"), ("path", "/"), ("host", "a")];
    let faults = world.get(&query(&bad)).await.faults();
    let places: Vec<&str> = faults.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!(places, ["query.from", "query.port", "query.scheme"]);
}

/// What the whole server blocks say, without any reading of single routes.
async fn by_the_whole(world: &World, request: Request) -> Explanation {
    let read = move |tx: &mut dyn nanio_orchestrator::ports::store::Tx| -> Result<_, StoreError> {
        let refs = tx.pool_refs()?;
        let mut servers = Vec::new();
        for vhost in tx.vhosts()? {
            servers.extend(Server::of(&vhost, &tx.routes(vhost.id)?, &refs, &[]));
        }
        Ok(servers)
    };
    let mut servers: Vec<Server> = world.store.read(read).await.unwrap();
    servers.sort_by_key(|server| format!("{}.conf", server.server_name));
    let listeners: Vec<Listener> = servers.iter().map(Listener::of).collect();
    let protocols: HashMap<_, _> = servers.iter().map(|server| (server.id, server.protocol)).collect();
    let arrival = match arrive(&listeners, &request, |reader| protocols[&reader] == Protocol::Http) {
        Ok(arrival) => arrival,
        Err(explanation) => return *explanation,
    };
    let server = servers.iter().find(|server| server.id == arrival.chosen.vhost).unwrap();
    let directives = |text: &Snippet| directive_names(text.as_str());
    explain(server, &request, &arrival, &Lookups { state: &|_| TokenState::Missing, directives: &directives })
}

#[tokio::test]
async fn the_routes_that_are_read_for_an_answer_say_what_all_of_them_say() {
    let world = World::start().await;
    let (one, two, web, img) =
        (world.pool("one").await, world.pool("two").await, world.http_pool("web").await, world.http_pool("img").await);
    let routed = world.vhost("s3.example", Some(one)).await;
    let wildcard = world.vhost("*.s3.example", Some(one)).await;
    let bare = world.vhost("bare.example", None).await;
    for vhost in [routed, wildcard, bare] {
        for prefix in ["/bkt/", "/split/part/", "/split/noslash", "/Upper/", "/whole/", "/whole/back/"] {
            world.route(vhost, prefix, two).await;
        }
        let off = world.route(vhost, "/off/", two).await;
        world.put(&off, json!({"enabled": false, "allow_orphan": true})).await.expect(200);
    }
    let http = world.vhost("a.web.example", None).await;
    for prefix in ["/img/", "/img/deep/", "/img/deep/er", "/no/slash", "/.well-known/x/", "/pub-a/"] {
        world.route(http, prefix, img).await;
    }
    let replaced = json!({"path_prefix": "/pub/", "pool_id": web, "key_prefix": "public/"});
    world.post(&format!("/api/vhosts/{http}/routes"), replaced).await.expect(201);
    world.vhost("empty.example", None).await;

    let mut answers = 0;
    for host in [
        "s3.example",
        "bkt.s3.example",
        "split.s3.example",
        "AB.s3.example",
        "bare.example",
        "a.web.example",
        "empty.example",
        "x",
    ] {
        for target in [
            "/",
            "/bkt",
            "/bkt/k",
            "/b%6bt/k",
            "/split/part/k",
            "/split/p%61rt/k",
            "/split/noslash",
            "/split/k",
            "/Upper/k",
            "/whole/back/x",
            "/off/k",
            "/part/k",
            "/noslash",
            "//img/x",
            "/img",
            "/img/",
            "/imgs",
            "/img/deep/er",
            "/img/deep/./erx",
            "/no/slashes",
            "/.well-known/x/y",
            "/pub",
            "/pub/x",
            "/a/../img/x",
            "/ü/x",
        ] {
            for copy_source in ["", "/bkt/k", "split/k", "Upper/k", "other/k"] {
                let question = Question {
                    method: "GET".to_owned(),
                    host: Some(host.to_owned()),
                    target: target.to_owned(),
                    copy_source: copy_source.to_owned(),
                    ..Question::default()
                };
                let request = Request {
                    method: b"GET".to_vec(),
                    target: target.as_bytes().to_vec(),
                    host: Some(host.as_bytes().to_vec()),
                    copy_source: copy_source.as_bytes().to_vec(),
                    from: None,
                    port: 80,
                    tls: false,
                };
                let answer = world.services.explain.answer(question).await.unwrap();
                assert_eq!(answer.explanation, by_the_whole(&world, request).await, "{host} {target} {copy_source}");
                answers += 1;
            }
        }
    }
    assert_eq!(answers, 1000);
}
