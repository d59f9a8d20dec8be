//! No document leads a bucket away from its objects.

use nanio_orchestrator::domain::migration::Phase;
use serde_json::{Value, json};

use super::places;
use crate::api::buckets::TwoPools;
use crate::api::world::World;

/// `near` is the default pool of `s3.example`.
fn two_pools(default: &str, routes: &str) -> String {
    format!(
        "version: 1\nvhosts: {{s3.example: {{listen_port: 80, ssl: false, default_pool: {default}, routes: {routes}}}}}\n"
    )
}

impl TwoPools {
    async fn held(&self, text: &str) -> Value {
        let plan = self.world.plan_beside(text).await;
        assert_eq!(plan["applicable"], false, "{plan}");
        let before = self.world.everything().await;
        let detail = self.world.document("apply", text).await.detail(409);
        assert!(detail.contains("--partial"), "{detail}");
        assert_eq!(self.world.everything().await, before);
        plan["needs_migration"].clone()
    }
}

impl World {
    /// What an apply would do that removes nothing.
    async fn plan_beside(&self, text: &str) -> Value {
        self.document("plan", text).await.expect(200)
    }
}

#[tokio::test]
async fn f07_no_document_leads_a_bucket_away_from_its_objects() {
    let two = TwoPools::start().await;
    two.route("/photos/", two.near).await;
    two.world.buckets.at(&two.at_near).put("photos", "key").put("logs", "key").make("empty");
    let text = two_pools("near", "{/photos/: {pool: far}, /logs/: {pool: far}, /empty/: {pool: far}}");
    let held = two.held(&text).await;
    let told: Vec<(&str, &str, &str)> = held
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (one["path_prefix"].as_str().unwrap(), one["from_pool"].as_str().unwrap(), one["command"].as_str().unwrap())
        })
        .collect();
    let promote = "nanio-orchestrator bucket promote logs --vhost s3.example --pool far --migrate";
    let start = "nanio-orchestrator migration start photos --src near --dst far --vhost s3.example";
    assert_eq!(told, [("/logs/", "near", promote), ("/photos/", "near", start)]);
    assert!(held[0]["reason"].as_str().unwrap().contains("holds objects on pool near"), "{held}");

    let partly = two.world.document("apply?partial=true", &text).await.expect(200);
    assert_eq!(places(&partly["changes"]), [r#"create vhosts.s3.example.routes["/empty/"]"#]);
    assert_eq!(partly["needs_migration"].as_array().unwrap().len(), 2);
    let routes = two.world.get(&format!("{}/routes", two.path)).await.expect(200);
    let photos = routes.as_array().unwrap().iter().find(|route| route["path_prefix"] == "/photos/").unwrap();
    assert_eq!(photos["pool_id"], two.near);
    assert_eq!(two.world.document("plan?partial=true", &text).await.expect(200)["changed"], false);

    two.world.buckets.at(&two.at_near).remove("photos").remove("logs");
    let done = two.world.document("apply", &text).await.expect(200);
    assert_eq!(done["changes"].as_array().unwrap().len(), 2, "{done}");
}

#[tokio::test]
async fn what_cannot_be_counted_is_not_led_away_but_a_first_route_is_made_with_a_warning() {
    let two = TwoPools::start().await;
    two.route("/photos/", two.near).await;
    two.world.buckets.fail(&two.at_near, "no connection");
    let held = two.held(&two_pools("near", "{/photos/: {pool: far}}")).await;
    assert!(held[0]["reason"].as_str().unwrap().contains("no connection"), "{held}");
    let first = two
        .world
        .document("apply", &two_pools("near", "{/photos/: {pool: near}, /new/: {pool: far}}"))
        .await
        .expect(200);
    assert!(first["warnings"][0].as_str().unwrap().contains("no connection"), "{first}");
}

#[tokio::test]
async fn a_silent_pool_is_not_asked_about_every_bucket() {
    let two = TwoPools::start().await;
    two.world.buckets.fail(&two.at_near, "no connection");
    let routes: Vec<String> = (0..500).map(|number| format!("/bucket-{number:03}/: {{pool: far}}")).collect();
    let before = two.world.buckets.requests();
    let plan = two.world.plan_beside(&two_pools("near", &format!("{{{}}}", routes.join(", ")))).await;
    assert_eq!(plan["warnings"].as_array().unwrap().len(), 500);
    assert!(two.world.buckets.requests() - before <= 16, "{}", two.world.buckets.requests() - before);
}

#[tokio::test]
async fn neither_a_default_pool_nor_a_pruned_vhost_leaves_objects_behind() {
    let two = TwoPools::start().await;
    two.world.buckets.at(&two.at_near).put("plain", "key");
    let held = two.held(&two_pools("far", "{}")).await;
    assert_eq!((&held[0]["path_prefix"], &held[0]["command"]), (&json!("/"), &Value::Null));
    let why = held[0]["reason"].as_str().unwrap();
    let command = "nanio-orchestrator route create s3.example --path-prefix /plain/ --pool-id near";
    assert!(why.starts_with("bucket plain has no route of its own") && why.contains(command), "{why}");
    two.route("/photos/", two.far).await;
    two.world.buckets.at(&two.at_far).put("photos", "key");
    let everything = "version: 1\n";
    assert!(two.world.document("apply?prune=true", everything).await.detail(409).contains("photos"));
    let partly = two.world.document("apply?prune=true&partial=true", everything).await.expect(200);
    assert_eq!(partly["changed"], false, "vhost, route and pools are needed: {partly}");
}

#[tokio::test]
async fn a_default_pool_changes_when_it_serves_nobody_who_has_objects_there() {
    let two = TwoPools::start().await;
    two.world.buckets.at(&two.at_near).put("photos", "key");
    two.held(&two_pools("far", "{}")).await;
    // Whose route leads to where its objects are does not notice.
    let text = two_pools("far", "{/photos/: {pool: near}}");
    let done = two.world.document("apply", &text).await.expect(200);
    assert_eq!(
        places(&done["changes"]),
        ["update vhosts.s3.example", r#"create vhosts.s3.example.routes["/photos/"]"#]
    );
    assert_eq!(two.world.get(&two.path).await.expect(200)["default_pool_id"], two.far);
    assert_eq!(
        two.world.document("plan?prune=true", &two.world.get("/api/config/export").await.text).await.expect(200)["changed"],
        false
    );

    // And back, unless the pool cannot be asked, or would serve what a migration left there.
    two.world.buckets.fail(&two.at_far, "no connection");
    let held = two.held(&two_pools("near", "{}")).await;
    assert!(held[0]["reason"].as_str().unwrap().contains("could not be asked which it holds"), "{held}");
    two.world.buckets.recover(&two.at_far);
    two.migration(7, "logs", Phase::Done).await;
    two.world.buckets.at(&two.at_near).put("logs", "old");
    let held = two.held(&two_pools("near", "{}")).await;
    assert!(held[0]["reason"].as_str().unwrap().contains("migration 7 left there"), "{held}");
    two.world.buckets.at(&two.at_near).remove("logs");
    two.world.document("apply", &two_pools("near", "{}")).await.expect(200);
    assert_eq!(two.world.get(&two.path).await.expect(200)["default_pool_id"], two.near);
}

#[tokio::test]
async fn a_default_pool_stays_for_a_bucket_whose_new_route_is_left_out() {
    let two = TwoPools::start().await;
    two.world.buckets.at(&two.at_near).put("photos", "key");
    // The route would lead the bucket away, and without the route the default pool would.
    let text = two_pools("far", "{/photos/: {pool: far}, /empty/: {pool: far}}");
    assert_eq!(two.held(&text).await[0]["path_prefix"], "/photos/");
    let partly = two.world.document("apply?partial=true", &text).await.expect(200);
    assert_eq!(places(&partly["changes"]), [r#"create vhosts.s3.example.routes["/empty/"]"#]);
    let held: Vec<&Value> =
        partly["needs_migration"].as_array().unwrap().iter().map(|one| &one["path_prefix"]).collect();
    assert_eq!(held, ["/photos/", "/"]);
    assert_eq!(two.world.get(&two.path).await.expect(200)["default_pool_id"], two.near);
}

#[tokio::test]
async fn the_old_copy_that_a_migration_left_is_not_served_again() {
    let two = TwoPools::start().await;
    two.route("/photos/", two.far).await;
    two.migration(7, "photos", Phase::Done).await;
    two.world.buckets.at(&two.at_near).put("photos", "old");
    let held = two.held(&two_pools("near", "{/photos/: {pool: near}}")).await;
    assert!(held[0]["reason"].as_str().unwrap().contains("migration 7 left there"), "{held}");
}

#[tokio::test]
async fn a_bucket_that_is_being_moved_stays_as_it_is() {
    let two = TwoPools::start().await;
    two.route("/photos/", two.near).await;
    two.migration(7, "photos", Phase::Copying).await;
    let before = two.world.everything().await;
    let faults = two.world.document("apply", &two_pools("near", "{/photos/: {pool: far}}")).await.faults();
    assert_eq!(faults[0].1, "body.vhosts.s3.example.routes./photos/");
    assert_eq!(two.world.everything().await, before);
}
