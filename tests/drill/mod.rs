//! The checker is checked: whatever a gateway does wrong is reported as exactly that, and an honest one as nothing.

mod command;
mod double;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use nanio_orchestrator::adapters::drill::history::Violation::{
    self, Extra, Lost, Missing, Resurrected, Stale, WrongBody, WrongMetadata,
};
use nanio_orchestrator::adapters::drill::names::Form;
use nanio_orchestrator::adapters::drill::report::Counts;
use nanio_orchestrator::adapters::drill::s3::Target;
use nanio_orchestrator::adapters::drill::{Drill, Impossible, Plan, forms_taken, remove};
use nanio_orchestrator::adapters::sigv4::Signer;
use nanio_orchestrator::domain::credential::{Keys, Region};

use crate::support::nginx::wait_until;
use double::{Double, Fault};

const BUCKET: &str = "drill-of-the-tests";

fn target(double: &Double) -> Target {
    let address = format!("127.0.0.1:{}", double.port);
    Target { host: format!("s3.test:{}", double.port), address }
}

fn signer() -> Arc<Signer> {
    Arc::new(Signer::new(&Keys::parse("key", "secret").unwrap(), &Region::default()))
}

fn plan(double: &Double) -> Plan {
    let (gateway, signer, bucket) = (target(double), signer(), BUCKET.to_owned());
    Plan {
        gateway,
        signer,
        bucket,
        clients: 4,
        objects: 16,
        forms: Form::ALL.to_vec(),
        seed: 7,
        patient: false,
        pace: None,
    }
}

/// What was found, and in which words.
struct Found {
    counts: Counts,
    told: String,
}

impl Found {
    fn violations(&self) -> BTreeSet<Violation> {
        self.counts.violations.keys().copied().collect()
    }

    fn assert_only(&self, expected: &[Violation]) {
        assert_eq!(self.violations(), expected.iter().copied().collect(), "{}", self.told);
        assert_eq!((self.counts.client_errors, self.counts.held_slowdown), (0, 0), "{}", self.told);
        assert_eq!(self.counts.is_clean(false), expected.is_empty());
    }
}

/// A drill on a double that has this fault while the clients work, until it has shown it so often.
async fn drill(fault: Fault, strikes: u64) -> Found {
    let double = Double::start();
    let told = Arc::new(Mutex::new(String::new()));
    let words = told.clone();
    let tell = Box::new(move |text: &str| words.lock().unwrap().push_str(&format!("{text}\n")));
    let mut drill = Drill::new(plan(&double), tell).unwrap();
    drill.prepare().await.unwrap();
    double.arm(fault);
    drill.start();
    let enough = || drill.counts().operations >= 1200 && double.strikes() >= strikes;
    tokio::task::block_in_place(|| wait_until("the work of the clients", enough));
    drill.stop().await;
    double.heal();
    drill.verify(&target(&double)).await;
    let told = told.lock().unwrap().clone();
    Found { counts: drill.counts(), told }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_gateway_is_found_honest() {
    let found = drill(Fault::None, 0).await;
    found.assert_only(&[]);
    assert_eq!((found.counts.torn, found.counts.resent), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_object_after_an_acknowledged_write_is_a_stale_read() {
    drill(Fault::ServesOld, 3).await.assert_only(&[Stale]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_write_that_was_forgotten_is_lost_and_missing_in_listings() {
    drill(Fault::Forgets, 2).await.assert_only(&[Lost, Missing]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_object_that_comes_back_is_resurrected_and_extra_in_listings() {
    let found = drill(Fault::BringsBack, 4).await;
    assert!(found.violations().is_subset(&[Resurrected, Extra].into()), "{}", found.told);
    assert!(found.counts.of(Resurrected) > 0, "{}", found.told);
    assert_eq!(found.counts.client_errors, 0, "{}", found.told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_a_listing_lacks_is_missing() {
    drill(Fault::DropsFromListings, 3).await.assert_only(&[Missing]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_only_a_listing_has_is_extra() {
    drill(Fault::ListsWhatIsNot, 3).await.assert_only(&[Extra]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_body_of_another_object_is_a_wrong_body() {
    drill(Fault::OtherBody, 3).await.assert_only(&[WrongBody]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_metadata_on_a_new_object_are_wrong_metadata() {
    drill(Fault::OldMetadata, 3).await.assert_only(&[WrongMetadata]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_500_is_a_client_error_and_is_not_tried_again() {
    let found = drill(Fault::FailsOnce, 1).await;
    assert_eq!((found.violations().len(), found.counts.client_errors), (0, 1), "{}", found.told);
    assert!(found.told.contains("500"), "{}", found.told);
    assert!(!found.counts.is_clean(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_down_is_told_apart_and_allowed_only_where_that_was_said() {
    let found = drill(Fault::SlowsDownOnce, 1).await;
    let errors = (found.counts.held_slowdown, found.counts.client_errors);
    assert_eq!((found.violations().len(), errors), (0, (1, 0)), "{}", found.told);
    assert!(found.counts.is_clean(true) && !found.counts.is_clean(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_connections_that_are_closed_are_no_error_but_new_ones_are() {
    let found = drill(Fault::ClosesKept, 3).await;
    found.assert_only(&[]);
    assert!(found.counts.resent >= 3, "{:?}", found.counts);
    let found = drill(Fault::ClosesNewOnce, 1).await;
    assert_eq!((found.violations().len(), found.counts.client_errors), (0, 1), "{}", found.told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_forms_of_keys_that_the_storage_takes_are_used_and_nothing_of_the_trial_stays() {
    let double = Double::start();
    assert_eq!(forms_taken(&target(&double), &signer(), "trial").await.unwrap(), Form::ALL);
    double.arm(Fault::TakesNoMarkers);
    let taken = forms_taken(&target(&double), &signer(), "trial").await.unwrap();
    assert_eq!(taken, Form::ALL.into_iter().filter(|form| *form != Form::Marker).collect::<Vec<_>>());
    assert!(double.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_removed_with_all_that_is_in_it_and_may_be_gone_already() {
    let double = Double::start();
    let drill = Drill::new(plan(&double), Box::new(|_| {})).unwrap();
    drill.prepare().await.unwrap();
    for _ in 0..2 {
        remove(&target(&double), &signer(), BUCKET).await.unwrap();
        assert!(double.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_that_proves_nothing_says_why() {
    let double = Double::start();
    let many = Plan { objects: 10_000, ..plan(&double) };
    let error = Drill::new(many, Box::new(|_| {})).err().unwrap().to_string();
    assert!(error.contains("Take more clients"), "{error}");

    let drill = Drill::new(plan(&double), Box::new(|_| {})).unwrap();
    double.arm(Fault::FailsOnce);
    assert!(matches!(drill.prepare().await, Err(Impossible::Unseeded(1))));
    assert!(matches!(drill.prepare().await, Err(Impossible::Refused { .. })), "the bucket is there");
}
