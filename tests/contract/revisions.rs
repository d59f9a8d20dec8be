//! The history on disk: what is committed is in it, through any crash, and it does not grow for ever.

use nanio_orchestrator::adapters::revision_files::RevisionDirectory;
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::manifest::{Deed, Thing};
use nanio_orchestrator::domain::revision::{FileDelta, NewRevision, RevisionEntry, WayBack};
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::domain::vhost::ServerName;
use nanio_orchestrator::ports::revisions::Revisions;

fn thing() -> Thing {
    Thing::IgnoredBucket(ServerName::parse("a.example").unwrap(), BucketName::parse("b").unwrap())
}

fn revision(number: u64) -> NewRevision {
    NewRevision {
        number,
        at: Timestamp::of_unix(1_795_488_000).unwrap(),
        base: number - 1,
        entries: vec![RevisionEntry {
            actor: "cli".to_owned(),
            action: "rebuild".to_owned(),
            entity_type: "config".to_owned(),
            entity_id: None,
            outcome: Some("2 pools".to_owned()),
            reason: Some("wegen ü".to_owned()),
        }],
        deeds: vec![Deed { before: Some(thing()), after: None }],
        files: vec![FileDelta::between("/p".to_owned(), Some("a\n"), Some("b\n"))],
    }
}

async fn numbers(history: &dyn Revisions) -> Vec<u64> {
    history.list(None, 1000).await.unwrap().into_iter().map(|one| one.number).collect()
}

#[tokio::test]
async fn only_a_completed_revision_is_in_the_history() {
    let home = tempfile::tempdir().unwrap();
    let history = RevisionDirectory::beside(&home.path().join("db"), 500);
    assert_eq!((numbers(&history).await, history.highest().await), (vec![], Ok(0)));
    history.begin(revision(1)).await.unwrap();
    assert_eq!((numbers(&history).await, history.read(1).await), (vec![], Ok(None)));
    history.complete(1).await.unwrap();
    history.begin(revision(2)).await.unwrap();
    history.abandon(2).await.unwrap();
    assert!(history.complete(2).await.is_err());
    history.begin(revision(4)).await.unwrap();
    history.complete(4).await.unwrap();
    assert_eq!((numbers(&history).await, history.highest().await), (vec![4, 1], Ok(4)));
    let read = history.read(4).await.unwrap().unwrap();
    assert_eq!((read.at, &read.files), (revision(4).at, &revision(4).files));
    assert_eq!(read.entries, revision(4).entries);
    let back = WayBack { base: 3, deeds: revision(4).deeds };
    assert_eq!((history.way_back(4).await, history.way_back(2).await), (Ok(Some(back)), Ok(None)));
    assert_eq!(history.list(Some(4), 1).await.unwrap()[0].number, 1);
}

#[tokio::test]
async fn after_a_crash_the_last_committed_change_decides() {
    let home = tempfile::tempdir().unwrap();
    let history = RevisionDirectory::beside(&home.path().join("db"), 500);
    for (number, committed, expected) in
        [(1, Some(1), vec![1]), (2, Some(1), vec![1]), (2, None, vec![1]), (2, Some(2), vec![2, 1])]
    {
        history.begin(revision(number)).await.unwrap();
        let after_a_restart = RevisionDirectory::beside(&home.path().join("db"), 500);
        after_a_restart.recover(committed).await.unwrap();
        assert_eq!(numbers(&after_a_restart).await, expected);
    }
    // Half a file, as a crash may leave it.
    std::fs::write(home.path().join("revisions/000000000003.begun"), "{\"numb").unwrap();
    history.recover(Some(2)).await.unwrap();
    assert_eq!(std::fs::read_dir(home.path().join("revisions")).unwrap().count(), 2);
}

#[tokio::test]
async fn one_that_could_not_be_completed_in_its_time_is_when_the_next_begins() {
    let home = tempfile::tempdir().unwrap();
    let history = RevisionDirectory::beside(&home.path().join("db"), 500);
    let in_the_way = home.path().join("revisions/000000000001.json");
    history.begin(revision(1)).await.unwrap();
    std::fs::create_dir(&in_the_way).unwrap();
    assert!(history.complete(1).await.is_err());
    // As long as an accepted change cannot be told, there is no further one.
    let why = history.begin(revision(2)).await.unwrap_err();
    assert!(why.0.contains("could not complete") && why.0.contains("000000000001.json"), "{why}");
    std::fs::remove_dir(&in_the_way).unwrap();
    history.begin(revision(2)).await.unwrap();
    assert_eq!(numbers(&history).await, [1]);
    // Nothing else is taken for an accepted change.
    history.begin(NewRevision { base: 1, ..revision(3) }).await.unwrap();
    history.complete(3).await.unwrap();
    assert_eq!(numbers(&history).await, [3, 1]);
    assert!(history.complete(2).await.is_err());
}

#[tokio::test]
async fn the_oldest_go_and_one_that_cannot_be_read_hides_no_other() {
    let home = tempfile::tempdir().unwrap();
    let history = RevisionDirectory::beside(&home.path().join("db"), 3);
    for number in 1..=5 {
        history.begin(revision(number)).await.unwrap();
        history.complete(number).await.unwrap();
    }
    assert_eq!(numbers(&history).await, [5, 4, 3]);
    std::fs::write(home.path().join("revisions/000000000004.json"), "{").unwrap();
    assert_eq!(numbers(&history).await, [5, 3]);
    assert!(history.read(4).await.unwrap_err().0.contains("000000000004.json"));
}

#[tokio::test]
async fn a_revision_of_before_the_ways_back_is_read_and_has_none() {
    let home = tempfile::tempdir().unwrap();
    let history = RevisionDirectory::beside(&home.path().join("db"), 3);
    history.begin(revision(1)).await.unwrap();
    history.complete(1).await.unwrap();
    let path = home.path().join("revisions/000000000001.json");
    let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for field in ["base", "deeds"] {
        document.as_object_mut().unwrap().remove(field).unwrap();
    }
    document["entries"][0].as_object_mut().unwrap().remove("reason").unwrap();
    std::fs::write(&path, document.to_string()).unwrap();
    assert_eq!(history.read(1).await.unwrap().unwrap().entries[0].reason, None);
    assert_eq!(history.way_back(1).await, Ok(None));
}
