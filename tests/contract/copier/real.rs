//! What only real nodes can show.

use nanio_orchestrator::domain::copy::{Copied, What};

use super::adapters::{Side, nanio, with_source};
use super::{copy, keys};

const DESCRIBED: [(&str, &str); 6] = [
    ("content-type", "text/x-odd; charset=utf-8"),
    ("cache-control", "no-store"),
    ("content-disposition", "attachment; filename=\"a b.txt\""),
    ("content-encoding", "x-own"),
    ("x-amz-meta-color", "blue"),
    ("x-amz-meta-two-words", "a b"),
];

#[tokio::test]
async fn f25_what_an_object_is_described_by_is_copied_with_it() {
    let rig = nanio().await;
    rig.put_with(Side::Source, "a/b", b"content", &DESCRIBED).await;
    rig.put_with(Side::Source, "c", b"more", &DESCRIBED).await;
    copy(&rig, keys(&["c"])).await;
    copy(&rig, What::Everything).await;
    for (key, content) in [("a/b", &b"content"[..]), ("c", b"more")] {
        let [source, destination] = [rig.get(Side::Source, key).await, rig.get(Side::Destination, key).await];
        assert_eq!(destination.1, content);
        for (name, _) in DESCRIBED {
            assert_eq!(destination.0.get(name), source.0.get(name), "{key}: {name}");
        }
        assert_eq!(
            (&destination.0["x-amz-meta-color"], &destination.0["cache-control"]),
            (&"blue".parse().unwrap(), &"no-store".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn a_named_key_is_overwritten_also_if_size_and_time_are_the_same() {
    let rig = nanio().await;
    let mtime = [("x-amz-meta-mtime", "1700000000")];
    rig.put_with(Side::Source, "k", b"old", &mtime).await;
    copy(&rig, What::Everything).await;
    rig.put_with(Side::Source, "k", b"new", &[mtime[0], ("content-type", "text/new")]).await;
    assert_eq!(copy(&rig, keys(&["k"])).await, Copied { objects: 1, bytes: 3, deleted: 0 });
    let (headers, content) = rig.get(Side::Destination, "k").await;
    assert_eq!((&content[..], &headers["content-type"]), (&b"new"[..], &"text/new".parse().unwrap()));
}

/// With version 1 of the list, rclone never ends on more than 1,000 objects in one directory of nanio.
#[tokio::test]
async fn thousands_of_objects_in_one_directory_are_all_copied() {
    const COUNT: usize = 2500;
    let rig =
        with_source(|node| (0..COUNT).for_each(|number| node.write("photos", &format!("d/{number:04}"), b"xy"))).await;
    assert_eq!(copy(&rig, What::Everything).await, Copied { objects: 2500, bytes: 5000, deleted: 0 });
    let there = rig.holds(Side::Destination).await;
    assert_eq!((there.len(), there == rig.holds(Side::Source).await), (COUNT, true));
}

#[tokio::test]
async fn what_nanio_has_not_finished_is_neither_copied_nor_deleted() {
    let unfinished = format!("d/x.tmp.{}", "0a".repeat(16));
    let rig = with_source(|node| {
        node.write("photos", &unfinished, b"half");
        node.write("photos", "d/x.tmp.whole", b"whole");
    })
    .await;
    copy(&rig, What::Everything).await;
    assert_eq!(rig.holds(Side::Destination).await.into_keys().collect::<Vec<_>>(), ["d/x.tmp.whole"]);
    // Once it is an object of a client, named by its key, it is copied as any other.
    copy(&rig, keys(&[&unfinished])).await;
    assert_eq!(rig.holds(Side::Destination).await.len(), 2);
}
