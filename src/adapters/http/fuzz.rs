//! Whatever a client sends is read as what it says, or refused with every fault in its place.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Map, Number, Value};

use super::body;
use super::fault::{Fault, Step};
use super::fields::{self, Field, Request};
use super::moment::{From as Since, Until};
use super::params::{Page, PerPage};
use super::settings::Scalar;
use crate::domain::node_config::Parameters;
use crate::domain::services::credentials::NewCredential;
use crate::domain::services::members::{MemberPatch, NewMember};
use crate::domain::services::pools::{NewPool, PoolPatch};
use crate::domain::services::routes::{NewRoute, RoutePatch};
use crate::domain::services::vhosts::{NewVhost, VhostPatch};

/// As in `tests/fuzz`: 20,000 cases, or `PROPTEST_CASES`; what once failed is tried first.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let seeds = FileFailurePersistence::Direct("tests/fuzz/seeds/http.txt");
    ProptestConfig { cases, failure_persistence: Some(Box::new(seeds)), ..ProptestConfig::default() }
}

const NAMES: &[&str] = &[
    "name",
    "description",
    "type",
    "lb_method",
    "keepalive",
    "source_nanio_pool_id",
    "address",
    "role",
    "weight",
    "max_fails",
    "fail_timeout_s",
    "enabled",
    "server_name",
    "listen_port",
    "ssl",
    "ssl_certificate",
    "ssl_cert_path",
    "ssl_certificate_key",
    "ssl_key_path",
    "extra_directives",
    "extra_blocks",
    "default_pool_id",
    "ip_rule_mode",
    "ip_rule_ips",
    "path_prefix",
    "pool_id",
    "key_prefix",
    "allow_orphan",
    "zone",
    "content",
    "node_type",
    "data_dir",
    "nanio_port",
    "nanio_host",
    "nanio_region",
    "access_key",
    "secret_key",
    "endpoint_url",
    "region",
];

const WORDS: &[&str] = &[
    "",
    " ",
    "a",
    "pool-a",
    "nanio",
    "http",
    "least_conn",
    "ip_hash",
    "127.0.0.1:9000",
    "[::1]:80",
    "unix:/x",
    "active",
    "replica",
    "a.example",
    "*.a.example",
    "/c.pem",
    "/bucket/",
    "/",
    "/a/b/",
    "nginx-only",
    "nanio-only",
    "allow",
    "10.0.0.0/8",
    "top",
    "add_header X 1;",
    "https://s3.example/a",
    "eu-west-1",
    "}",
    "\u{0}",
    "é",
    "٣",
    "true",
    "-0",
    "1e3",
    "9223372036854775808",
    "2026-11-24",
    "2026-11-24 25:61:61",
    "2026-11-24T10:00:00+99:99",
    "-262144-01-01T00:00:00Z",
];

fn json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        (-3i64..1100).prop_map(Number::from),
        any::<f64>().prop_map(|float| Number::from_f64(float).unwrap_or_else(|| Number::from(0))),
    ];
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        3 => number.prop_map(Value::from),
        5 => select(WORDS).prop_map(Value::from),
        2 => "[a-z0-9./*:_\"'{};$ \\\\-]{0,24}".prop_map(Value::from),
        1 => "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((select(NAMES), inner), 0..4).prop_map(object),
        ]
    })
}

fn object(fields: Vec<(&'static str, Value)>) -> Value {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

fn request() -> impl Strategy<Value = Value> {
    prop_oneof![
        9 => prop::collection::vec((select(NAMES), json()), 0..8).prop_map(object),
        1 => json(),
    ]
}

/// Every fault is told with a place that is there, or that lacks what must be there.
fn check_faults(value: &Value, faults: &[Fault]) -> Result<(), TestCaseError> {
    prop_assert!(!faults.is_empty());
    for fault in faults {
        prop_assert!(serde_json::to_string(fault).is_ok());
        let mut at = Some(value);
        for (depth, step) in fault.loc.iter().enumerate() {
            let next = at.and_then(|value| match step {
                Step::Name(name) => value.get(name),
                Step::Index(index) => value.get(index),
            });
            let last = depth + 1 == fault.loc.len();
            prop_assert!(next.is_some() || last, "{fault:?} is nowhere in {value}");
            at = next;
        }
    }
    Ok(())
}

/// Reads the same twice; a fault has a place.
fn check<T: Request>(value: &Value, tell: impl Fn(&T) -> String) -> Result<Option<T>, TestCaseError> {
    match (fields::read::<T>(value.clone()), fields::read::<T>(value.clone())) {
        (Ok(first), Ok(second)) => {
            prop_assert_eq!(tell(&first), tell(&second));
            Ok(Some(first))
        }
        (Err(first), Err(second)) => {
            prop_assert_eq!(&first, &second);
            check_faults(value, &first)?;
            Ok(None)
        }
        _ => Err(TestCaseError::fail(format!("{value} is read now so, now so"))),
    }
}

fn check_field<T: Field>(value: &Value) -> Result<(), TestCaseError> {
    T::read(value).map_or_else(|faults| check_faults(value, &faults), |_| Ok(()))
}

fn debug<T: Debug>(value: &T) -> String {
    format!("{value:?}")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_body_is_a_request_or_a_list_of_faults(value in request()) {
        let said = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_lowercase();
        if let Some(pool) = check(&value, debug::<NewPool>)? {
            prop_assert_eq!(pool.name.as_str().to_lowercase(), said("name"));
        }
        if let Some(member) = check(&value, debug::<NewMember>)? {
            prop_assert_eq!(member.address.as_str().to_lowercase(), said("address"));
        }
        if let Some(vhost) = check(&value, debug::<NewVhost>)? {
            prop_assert_eq!(vhost.server_name.as_str(), said("server_name"));
        }
        if let Some(route) = check(&value, debug::<NewRoute>)? {
            prop_assert_eq!(route.path_prefix.as_str().to_lowercase(), said("path_prefix"));
        }
        if let Some(node) = check(&value, debug::<Parameters>)? {
            prop_assert_eq!(node.kind.as_str(), said("node_type"));
        }
        if let Some(credential) = check(&value, debug::<NewCredential>)? {
            prop_assert_eq!(credential.keys.access_key.secret().reveal().to_lowercase(), said("access_key"));
        }
        check(&value, debug::<PoolPatch>)?;
        check(&value, debug::<MemberPatch>)?;
        check(&value, debug::<VhostPatch>)?;
        check(&value, debug::<RoutePatch>)?;
    }

    #[test]
    fn any_value_of_a_parameter_is_taken_or_refused(value in json()) {
        check_field::<i64>(&value)?;
        check_field::<bool>(&value)?;
        check_field::<String>(&value)?;
        check_field::<Since>(&value)?;
        check_field::<Until>(&value)?;
        check_field::<Page>(&value)?;
        check_field::<PerPage>(&value)?;
        check_field::<Scalar>(&value)?;
    }

    #[test]
    fn any_bytes_are_json_or_refused_at_a_place_in_them(
        value in json(),
        cut in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in 0..3,
    ) {
        let mut bytes = value.to_string().into_bytes();
        let at = cut.index(bytes.len() + 1);
        match how {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, byte),
            _ => {}
        }
        match body::parse(Some("application/json"), &bytes) {
            Ok(_) => prop_assert!(how != 0 || !bytes.is_empty()),
            Err(faults) => {
                prop_assert!(how != 2, "{faults:?}");
                for fault in faults {
                    let inside = fault.loc.iter().all(|step| matches!(step, Step::Index(place) if *place <= bytes.len()));
                    prop_assert!(inside, "{fault:?} of {} bytes", bytes.len());
                }
            }
        }
    }
}
