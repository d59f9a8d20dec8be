//! S3 keys of pools: they go in, and nothing that comes out holds them.

use nanio_orchestrator::adapters::fernet::FernetCipher;
use nanio_orchestrator::domain::credential::{FernetToken, Keys};
use nanio_orchestrator::domain::ids::PoolId;
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::domain::secret::Secret;
use nanio_orchestrator::ports::cipher::Cipher;
use serde_json::{Value, json};

use super::world::{KEY, SECRET, World};

const OTHER_SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn keys() -> Value {
    json!({"access_key": "AKIDEXAMPLE", "secret_key": "wJalrXUtnFEMI/K7MDENG", "region": "eu-west-1",
           "endpoint_url": "https://s3.example.org:9443"})
}

fn path(pool: i64) -> String {
    format!("/api/pools/{pool}/credentials")
}

fn sidecar(world: &World, path: &str) -> Value {
    serde_json::from_str(&world.gateway.live()[path]).unwrap()
}

/// What a holder of `secret` reads in a sidecar.
fn decrypted(world: &World, path: &str, secret: &str) -> Option<(String, String)> {
    let kept = sidecar(world, path)["credentials"].clone();
    let cipher = FernetCipher::new(Some(&Secret::new(secret)));
    let read = |name: &str| {
        let token = FernetToken::parse(kept[name].as_str()?).unwrap();
        cipher.decrypt(&token).ok().map(|secret| secret.reveal().to_owned())
    };
    read("access_key_enc").zip(read("secret_key_enc"))
}

async fn newest_entry(world: &World) -> Value {
    world.get("/api/audit?per_page=1").await.expect(200)[0].clone()
}

#[tokio::test]
async fn keys_are_stored_shown_masked_and_removed() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let global = json!({"pool_id": pool, "access_key_masked": "glob****", "endpoint_url": null, "region": "us-east-1",
                        "source": "global", "created_at": null, "updated_at": null, "problem": null});
    assert_eq!(world.get(&path(pool)).await.expect(200), global);
    let stored = world.put(&path(pool), keys()).await.expect(200);
    let own = json!({"pool_id": pool, "access_key_masked": "AKID****", "endpoint_url": "https://s3.example.org:9443",
                     "region": "eu-west-1", "source": "pool", "created_at": "2026-11-24 02:40:00",
                     "updated_at": "2026-11-24 02:40:00", "problem": null});
    assert_eq!(stored, own);
    assert_eq!(world.get(&path(pool)).await.expect(200), own);
    // Replaced as a whole: what is not given is not kept.
    world.clock.advance(60);
    let replaced = world.put(&path(pool), json!({"access_key": "another", "secret_key": "s"})).await.expect(200);
    assert_eq!((&replaced["access_key_masked"], &replaced["endpoint_url"]), (&json!("anot****"), &Value::Null));
    assert_eq!((&replaced["region"], &replaced["created_at"]), (&json!("us-east-1"), &json!("2026-11-24 02:40:00")));
    assert_eq!(replaced["updated_at"], "2026-11-24 02:41:00");
    assert_eq!(world.delete(&path(pool)).await.expect(200), json!({"ok": true, "pool_id": pool}));
    assert_eq!(world.get(&path(pool)).await.expect(200), global);
    assert_eq!(world.delete(&path(pool)).await.detail(404), "Credentials not found");
}

#[tokio::test]
async fn only_nanio_pools_have_keys() {
    let world = World::start().await;
    let (web, nanio) = (world.http_pool("web").await, world.pool("p").await);
    for answer in [world.get(&path(web)).await, world.put(&path(web), keys()).await, world.delete(&path(web)).await] {
        assert!(answer.detail(400).contains("nanio"));
    }
    for answer in [world.get(&path(99)).await, world.put(&path(99), keys()).await, world.delete(&path(99)).await] {
        assert_eq!(answer.detail(404), "Pool not found");
    }
    // Nor does a pool with keys become another kind: nobody could remove them any more.
    let member = world.get(&format!("/api/pools/{nanio}/members")).await.expect(200)[0]["id"].clone();
    world.delete(&format!("/api/pools/{nanio}/members/{member}")).await.expect(204);
    world.put(&path(nanio), keys()).await.expect(200);
    let detail = world.put(&format!("/api/pools/{nanio}"), json!({"type": "http"})).await.detail(400);
    assert!(detail.contains("S3 keys"), "{detail}");
    world.delete(&path(nanio)).await.expect(200);
    world.put(&format!("/api/pools/{nanio}"), json!({"type": "http"})).await.expect(200);
}

#[tokio::test]
async fn the_sidecar_holds_the_keys_encrypted_from_the_same_change_on() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    world.put(&path(pool), keys()).await.expect(200);
    let kept = sidecar(&world, "pools/p.meta.json")["credentials"].clone();
    assert_eq!((&kept["region"], &kept["endpoint_url"]), (&keys()["region"], &keys()["endpoint_url"]));
    let read = decrypted(&world, "pools/p.meta.json", SECRET);
    assert_eq!(read, Some(("AKIDEXAMPLE".to_owned(), "wJalrXUtnFEMI/K7MDENG".to_owned())));
    // The same keys again change nothing, although each encryption gives another token.
    let before = world.everything().await;
    world.put(&path(pool), keys()).await.expect(200);
    assert_eq!(world.everything().await, before);
    world.delete(&path(pool)).await.expect(200);
    assert_eq!(sidecar(&world, "pools/p.meta.json").get("credentials"), None);
    // An edit of the sidecar is not written over.
    let file = world.gateway.root().join("pools/p.meta.json");
    std::fs::write(&file, "{}").unwrap();
    let before = world.everything().await;
    assert!(world.put(&path(pool), keys()).await.detail(409).contains("p.meta.json"));
    assert_eq!(world.get(&path(pool)).await.expect(200)["source"], "global");
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn f38_no_answer_no_file_and_no_audit_entry_holds_a_key() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let mut told = vec![world.put(&path(pool), keys()).await.text, world.get(&path(pool)).await.text];
    let entry = newest_entry(&world).await;
    assert_eq!((&entry["action"], &entry["entity_type"]), (&json!("set_credentials"), &json!("pool")));
    let after: Value = serde_json::from_str(entry["after_json"].as_str().unwrap()).unwrap();
    let shown = json!({"access_key_masked": "AKID****", "endpoint_url": "https://s3.example.org:9443",
                       "region": "eu-west-1"});
    assert_eq!(after, shown);
    world.delete(&path(pool)).await.expect(200);
    let entry = newest_entry(&world).await;
    assert_eq!((&entry["action"], &entry["after_json"]), (&json!("remove_credentials"), &Value::Null));
    world.put(&path(pool), keys()).await.expect(200);
    let (rows, files) = world.everything().await;
    told.push(format!("{rows:?}{files:?}"));
    // Refusals do not quote the body either, however wrong it is.
    let secret = "wJalrXUtnFEMI/K7MDENG";
    for wrong in [
        json!({"secret_key": secret, "access_key": "AKIDEXAMPLE", "endpoint_url": "no"}),
        json!({"secret_key": secret}),
        json!({"access_key": secret}),
        json!({"access_key": [secret], "secret_key": {"a": secret}}),
        json!({"acces_key": "AKIDEXAMPLE", "secretkey": secret}),
        json!([secret]),
        json!(secret),
    ] {
        let answer = world.put(&path(pool), wrong).await;
        assert_eq!(answer.status, 422);
        told.push(answer.text);
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let headers = [("x-orchestrator-key", KEY), ("content-type", content_type)];
        told.push(world.send("PUT", &path(pool), &headers, &keys().to_string()).await.text);
    }
    for text in told {
        assert!(!text.contains("EXAMPLE") && !text.contains("XUtnFEMI"), "{text}");
    }
}

#[tokio::test]
async fn values_that_no_request_could_be_made_with_are_refused() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    for (field, value) in [
        ("access_key", json!("")),
        ("access_key", json!("a b")),
        ("access_key", json!("é")),
        ("secret_key", json!("")),
        ("secret_key", json!("a\nb")),
        ("endpoint_url", json!("10.0.0.1:9000")),
        ("endpoint_url", json!("http://user:password@10.0.0.1")),
        ("endpoint_url", json!("http://a\r\nX: 1")),
        ("endpoint_url", json!("file:///etc/passwd")),
        ("region", json!("a b")),
        ("region", json!("eu/west")),
    ] {
        let mut body = keys();
        body[field] = value.clone();
        let faults = world.put(&path(pool), body).await.faults();
        assert_eq!(faults.iter().map(|(_, place)| place.as_str()).collect::<Vec<_>>(), [format!("body.{field}")]);
    }
    // What 0.4.x forms sent for "none".
    let mut body = keys();
    (body["endpoint_url"], body["region"]) = (json!(""), Value::Null);
    let stored = world.put(&path(pool), body).await.expect(200);
    assert_eq!((&stored["endpoint_url"], &stored["region"]), (&Value::Null, &json!("us-east-1")));
}

#[tokio::test]
async fn f44_without_a_secret_the_answer_names_the_command_that_makes_one() {
    let world = World::start().await;
    let (with, without) = (world.pool("with").await, world.pool("without").await);
    world.put(&path(with), keys()).await.expect(200);
    for unusable in [None, Some("not a Fernet key")] {
        let world = world.with_secret(unusable);
        for answer in [
            world.put(&path(without), keys()).await,
            world.put(&path(with), keys()).await,
            world.get(&path(with)).await,
            world.post("/api/config/settings/rotate-secret", Value::Null).await,
        ] {
            let detail = answer.detail(500);
            assert!(detail.contains("nanio-orchestrator config generate-secret --set"), "{detail}");
        }
        assert_eq!(world.get(&path(without)).await.expect(200)["source"], "global");
        // A pool of type http is told so first.
        let web = world.http_pool(&format!("web-{}", unusable.is_some())).await;
        assert!(world.put(&path(web), keys()).await.detail(400).contains("nanio"));
    }
    // What cannot be read can be removed.
    let world = world.with_secret(None);
    world.delete(&path(with)).await.expect(200);
    assert_eq!(world.get(&path(with)).await.expect(200)["source"], "global");
}

#[tokio::test]
async fn f44_keys_that_cannot_be_decrypted_spoil_their_own_pool_only() {
    let world = World::start().await;
    let (lost, sound) = (world.pool("lost").await, world.pool("sound").await);
    world.put(&path(lost), keys()).await.expect(200);
    let world = world.with_secret(Some(OTHER_SECRET));
    world.put(&path(sound), keys()).await.expect(200);
    assert_eq!(world.get(&path(sound)).await.expect(200)["problem"], Value::Null);
    let told = world.get(&path(lost)).await.expect(200);
    assert_eq!((&told["source"], &told["access_key_masked"]), (&json!("pool"), &json!("(unreadable)")));
    let problem = told["problem"].as_str().unwrap();
    assert!(problem.contains("NANIO_ORCHESTRATOR_SECRET") && problem.contains("store them again"), "{problem}");
    // The pool itself can be changed, its token is kept as it is, and new keys heal it.
    let before = sidecar(&world, "pools/lost.meta.json")["credentials"].clone();
    world.put(&format!("/api/pools/{lost}"), json!({"keepalive": 7})).await.expect(200);
    assert_eq!(sidecar(&world, "pools/lost.meta.json")["credentials"], before);
    assert_eq!(world.put(&path(lost), keys()).await.expect(200)["problem"], Value::Null);
}

#[tokio::test]
async fn f44_an_endpoint_that_0_4_x_took_and_no_request_can_be_sent_to_is_told() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    world.put(&path(pool), keys()).await.expect(200);
    for (endpoint, region, field) in [("s3.example.org", "eu-west-1", "endpoint_url"), ("", "eu west", "region")] {
        let mut stored = world.store.read(move |tx| tx.credential(PoolId(pool))).await.unwrap().unwrap();
        (stored.endpoint_url, stored.region) = (Some(endpoint.to_owned()), region.to_owned());
        world.store.write(move |tx| tx.save_credential(&stored)).await.unwrap();
        let told = world.get(&path(pool)).await.expect(200);
        assert_eq!((&told["access_key_masked"], &told["endpoint_url"]), (&json!("AKID****"), &json!(endpoint)));
        assert!(told["problem"].as_str().unwrap().contains(&format!("their {field} is not acceptable")), "{told}");
    }
}

#[tokio::test]
async fn f29_a_pool_is_asked_with_its_own_keys_at_its_own_endpoint() {
    let world = World::start().await;
    let (a, b) = (world.pool("a").await, world.pool("b").await);
    let vhost = world.vhost("s3.example", Some(a)).await;
    let body = json!({"path_prefix": "/photos/", "pool_id": b});
    let route = world.post(&format!("/api/vhosts/{vhost}/routes"), body).await.expect(201)["id"].clone();
    let route = format!("/api/vhosts/{vhost}/routes/{route}");
    world.buckets.fill("photos");
    world.buckets.admit_only(Keys::parse("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG").unwrap());
    // The member would answer, but not to the global keys.
    let detail = world.put(&route, json!({"pool_id": a})).await.detail(409);
    assert!(detail.contains("10.0.0.1:9000: status 403 (AccessDenied)"), "{detail}");
    // The keys are right, but the endpoint is asked in place of the member.
    world.buckets.fail(&Address::parse("s3.example.org:9443").unwrap(), "no connection");
    world.put(&path(b), keys()).await.expect(200);
    let detail = world.put(&route, json!({"pool_id": a})).await.detail(409);
    assert!(detail.contains("https://s3.example.org:9443: no connection"), "{detail}");
    world.buckets.recover(&Address::parse("s3.example.org:9443").unwrap());
    let detail = world.put(&route, json!({"pool_id": a})).await.detail(409);
    assert!(detail.contains("holds objects on pool b"), "{detail}");
    // Keys that cannot be read: nobody is asked with other ones, and the answer says so.
    let world = world.with_secret(Some(OTHER_SECRET));
    let detail = world.put(&route, json!({"pool_id": a})).await.detail(409);
    assert!(detail.contains("could not be counted (the stored S3 keys cannot be used"), "{detail}");
}

#[tokio::test]
async fn after_a_rotation_the_old_key_is_needed_no_more() {
    let world = World::start().await;
    let (a, b, lost) = (world.pool("a").await, world.pool("b").await, world.pool("lost").await);
    world.put(&path(a), keys()).await.expect(200);
    world.put(&path(lost), keys()).await.expect(200);
    // A token that is no token of ours.
    let mut broken = world.store.read(move |tx| tx.credential(PoolId(lost))).await.unwrap().unwrap();
    broken.secret_key_enc = FernetToken::parse("gAAAAABrBTD0YanxIZKx4oP2r5lXrLXaIfd7GbmxQnFlA12SmHza9Q").unwrap();
    world.store.write(move |tx| tx.save_credential(&broken)).await.unwrap();
    let world = world.with_secret(Some(&format!("{OTHER_SECRET},{SECRET}")));
    world.put(&path(b), keys()).await.expect(200);
    let rotate = "/api/config/settings/rotate-secret";

    // All or nothing: a sidecar that was edited stops it.
    let file = world.gateway.root().join("pools/a.meta.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("eu-west-1", "eu-west-2")).unwrap();
    assert!(world.post(rotate, Value::Null).await.detail(409).contains("a.meta.json"));
    std::fs::write(&file, text).unwrap();
    assert_eq!(decrypted(&world, "pools/a.meta.json", OTHER_SECRET), None);

    let name = |id: i64, name: &str| json!([{"pool_id": id, "pool_name": name}]);
    let done = world.post(rotate, Value::Null).await.expect(200);
    let expected =
        json!({"ok": false, "rotated": name(a, "a"), "current": name(b, "b"), "unreadable": name(lost, "lost")});
    assert_eq!(done, expected);
    for sidecar in ["pools/a.meta.json", "pools/b.meta.json"] {
        let read = decrypted(&world, sidecar, OTHER_SECRET);
        assert_eq!(read, Some(("AKIDEXAMPLE".to_owned(), "wJalrXUtnFEMI/K7MDENG".to_owned())), "{sidecar}");
        assert_eq!(decrypted(&world, sidecar, SECRET), None, "{sidecar}");
    }
    let entry = newest_entry(&world).await;
    assert_eq!((&entry["action"], &entry["entity_type"]), (&json!("rotate_secret"), &json!("config")));
    assert_eq!(entry["after_json"], format!("{{\"rotated\":[{a}],\"unreadable\":[{lost}]}}"));
    // Once more is nothing more.
    let before = world.everything().await;
    world.delete(&path(lost)).await.expect(200);
    let again = world.post(rotate, Value::Null).await.expect(200);
    assert_eq!((&again["ok"], &again["rotated"]), (&json!(true), &json!([])));
    assert_eq!(
        world.gateway.live()["pools/a.meta.json"],
        before.1.iter().find(|(path, _)| path.ends_with("pools/a.meta.json")).unwrap().1
    );
    let world = world.with_secret(Some(OTHER_SECRET));
    for pool in [a, b] {
        assert_eq!(world.get(&path(pool)).await.expect(200)["problem"], Value::Null);
    }
}
