//! Edits by hand that look like something else: what nginx goes by counts, and nobody's text is lost unseen.

use nanio_orchestrator::adapters::nginx::{parse_v04, text};
use nanio_orchestrator::domain::disk::{DiskContent, DiskRoute, Writer};
use nanio_orchestrator::domain::gateway::{ManagedFile, Protocol, ServerRoute};
use nanio_orchestrator::domain::ids::RouteId;
use nanio_orchestrator::domain::pool::PoolName;
use nanio_orchestrator::domain::route::PathPrefix;

use super::remains::{edited, edited_server, server};

const SPLIT: &str = include_str!("../fixtures/v0_4_1/nginx/vhosts/split.example.test.conf");
const POOL: &str = include_str!("../fixtures/v0_4_1/nginx/pools/pool-old.conf");

fn told(routes: &[DiskRoute]) -> Vec<(Option<&str>, &str)> {
    routes.iter().map(|route| (route.known_as.as_ref().map(PathPrefix::as_str), route.path_prefix.as_str())).collect()
}

#[tokio::test]
async fn a_location_that_was_copied_with_an_operators_text_does_not_lose_it_unseen() {
    let copied = |text: String| {
        let begin = text.find("    # route:/photos/2024/").unwrap();
        let end = begin + text[begin..].find("\n\n").unwrap();
        let copy = text[begin..end].replace(" /photos/2024/ {", " /new/ {").replace(" /photos/2024 {", " /new {");
        format!("{}\n{copy}{}", &text[..end], &text[end..])
    };
    let read = edited_server(Protocol::Http, copied).await;
    assert!(read.remains.directives.iter().any(|sentence| sentence.contains("a text between markers")), "{read:#?}");
}

#[test]
fn no_comment_makes_a_file_of_0_4_x_one_of_ours() {
    let writer = |text: &str| parse_v04::writer(&text::read(text).unwrap());
    for comment in ["# as it was", "# vhost: customer A", "# pool: old", "# vhost:split.example.test"] {
        let text = SPLIT.replacen("server {", &format!("{comment}\nserver {{"), 1);
        assert_eq!(writer(&text), Writer::Version04, "{comment}");
    }
    let text = POOL.replacen(";", "; # new member: rack 4", 1);
    assert_eq!(writer(&text), Writer::Version04);
}

#[tokio::test]
async fn locations_that_were_put_between_a_route_and_its_comment_are_not_that_route() {
    let read = edited_server(Protocol::Http, |text| {
        let added = "    location /new/ {\n        proxy_pass http://p;\n    }\n    location = /new {\n        proxy_pass http://p;\n    }\n    location /files/ {";
        text.replace("    location /files/ {", added)
    })
    .await;
    let routes = told(&read.routes);
    assert!(routes.contains(&(None, "/new/")) && routes.contains(&(None, "/files/")), "{routes:?}");

    let gone = edited_server(Protocol::Http, |text| {
        let begin = text.find("    location /files/ {").unwrap();
        let end = begin + text[begin..].find("\n\n").unwrap();
        format!("{}    location /static/ {{\n        root /srv;\n    }}{}", &text[..begin], &text[end..])
    })
    .await;
    assert!(told(&gone.routes).iter().all(|(_, prefix)| !prefix.contains("files")), "{gone:#?}");
    assert_eq!(gone.routes.len(), 3);
}

#[tokio::test]
async fn what_people_write_about_a_route_is_a_comment() {
    let before = server(Protocol::S3);
    for comment in ["# route:/photos/ moved to pool-b on Monday", "# route: /albums/", "# route /albums/"] {
        let read = edited_server(Protocol::S3, |text| {
            text.replace("    merge_slashes off;", &format!("    {comment}\n    merge_slashes off;"))
        })
        .await;
        assert_eq!(read.routes.len(), before.routes.len(), "{comment}");
        assert_eq!((read.remains.directives.len(), read.remains.comments.len()), (0, 1), "{comment}");
    }
}

#[tokio::test]
async fn the_line_of_a_bucket_counts_and_its_comment_tells_what_it_was() {
    let mut value = server(Protocol::S3);
    value.routes.put(ServerRoute {
        id: RouteId(9),
        path_prefix: PathPrefix::parse("/photos").unwrap(),
        pool: PoolName::parse("q").unwrap(),
        key_prefix: None,
        extra_directives: None,
    });
    let content =
        edited(ManagedFile::Server(value.into()), |text| text.replace("    photos q; #", "    pictures q; #")).await;
    let DiskContent::Server(read) = content else { panic!("{content:?}") };
    let routes = told(&read.routes);
    assert!(routes.contains(&(Some("/photos"), "/pictures/")), "{routes:?}");
}
