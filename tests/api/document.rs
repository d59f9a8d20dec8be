//! The OpenAPI document: committed, fresh, complete, and readable without a key.

use std::collections::HashSet;

use nanio_orchestrator::adapters::http::openapi_document;
use serde_json::Value;

use super::world::World;

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

#[test]
fn the_committed_document_is_fresh() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap();
    assert!(committed == openapi_document(), "openapi.json is not what the program says: run `make openapi`");
}

#[test]
fn every_operation_is_described_with_its_failures() {
    let document: Value = serde_json::from_str(&openapi_document()).unwrap();
    let mut ids = HashSet::new();
    for (name, operation) in operations(&document) {
        for field in ["summary", "description", "operationId"] {
            assert!(operation[field].as_str().is_some_and(|text| !text.is_empty()), "{name}: {field}");
        }
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}: the id is not unique");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name}");
        let responses = operation["responses"].as_object().unwrap();
        if !["get /api/health", "get /api/health/ready"].contains(&name.as_str()) {
            assert_eq!(operation["security"].as_array().map(Vec::len), Some(2), "{name}");
            for status in ["401", "500", "503"] {
                assert!(responses.contains_key(status), "{name}: {status}");
            }
        }
        for (status, response) in responses {
            assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{name} {status}");
            for content_type in response["content"].as_object().into_iter().flatten().map(|(kind, _)| kind) {
                let other = match (name.as_str(), status.as_str()) {
                    ("get /api/events", "200") => Some("text/event-stream"),
                    ("get /api/config/export", "200") => Some("application/yaml"),
                    _ => None,
                };
                let streams = name == "get /api/events" && status == "200";
                let json = !streams && content_type == "application/json";
                assert!(json || other == Some(content_type), "{name} {status}: {content_type}");
            }
        }
    }
    assert_eq!(ids.len(), 88);
}

#[test]
fn every_property_and_parameter_has_words() {
    let document: Value = serde_json::from_str(&openapi_document()).unwrap();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (property, described) in schema["properties"].as_object().unwrap() {
            let inherited = name == "InvalidRequest";
            assert!(inherited || described["description"].is_string(), "{name}.{property}: {described}");
        }
    }
    for (name, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{name}: {parameter}");
        }
    }
}

#[tokio::test]
async fn f47_the_document_and_its_readers_are_open() {
    let world = World::start().await;
    let served = world.send("GET", "/api/openapi.json", &[], "").await;
    assert_eq!((served.status, served.header("content-type")), (200, Some("application/json")));
    assert_eq!(served.text, openapi_document());
    for path in ["/api/docs", "/api/redoc"] {
        let page = world.send("GET", path, &[], "").await;
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.text.contains("list_pools"), "the document is inside the page");
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    }
}
