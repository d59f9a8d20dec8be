//! Keys that a program made for files could take for something else; nanio refuses some of them, moto none.

use std::collections::BTreeMap;

use nanio_orchestrator::domain::copy::{What, carriable};

use super::adapters::{Rig, Side, moto};
use super::copy;

const ODD: [&str; 58] = [
    "a b",
    "a  b",
    " a",
    "a ",
    "a / b",
    "+",
    "a+b",
    "a%2Fb",
    "a%20b",
    "100%",
    "a\\b",
    "a:b",
    "a|b",
    "a*b",
    "a?b",
    "a#b",
    "#a",
    ";a",
    "a&b",
    "a=b",
    "a,b",
    "it's",
    "\"q\"",
    "<x>",
    "[x]",
    "{x}",
    "{{x}}",
    "**",
    "~",
    "$x",
    "!x",
    "- x",
    "+ x",
    "--flag",
    ".hidden",
    "...",
    "a.",
    "a./b",
    "..a",
    "ü/é",
    "e\u{301}",
    "\u{e9}",
    "日本",
    "😀",
    "\u{feff}x",
    "\u{2028}x",
    "tab\tx",
    "\u{7f}",
    "‛",
    "a‛b",
    "‛/‛x",
    "␊x",
    "␟",
    "␡",
    "．",
    "．．/x",
    "／x",
    "＊",
];

async fn fill(rig: &Rig) -> BTreeMap<String, u64> {
    // A key and the directory of the same name are two things.
    let more = ["dir", "dir/file", "dir/file/deeper", "．/x"].map(str::to_owned);
    let long = ["x".repeat(255), "y".repeat(1024), "d/".repeat(100) + "z"];
    for key in ODD.map(str::to_owned).iter().chain(&more).chain(&long) {
        assert_eq!(carriable(key), Ok(()), "{key:?}");
        rig.put(Side::Source, key, key.as_bytes()).await;
    }
    rig.holds(Side::Source).await
}

#[tokio::test]
async fn odd_keys_arrive_as_they_are_with_everything() {
    let rig = moto().await;
    let there = fill(&rig).await;
    assert_eq!(there.len(), ODD.len() + 7);
    copy(&rig, What::Everything).await;
    arrived(&rig, &there).await;
}

#[tokio::test]
async fn odd_keys_arrive_as_they_are_when_they_are_named() {
    let rig = moto().await;
    let there = fill(&rig).await;
    let copied = copy(&rig, What::Keys(there.keys().cloned().collect())).await;
    assert_eq!(copied.objects, there.len() as u64);
    arrived(&rig, &there).await;
    // And once more over what is there.
    assert_eq!(copy(&rig, What::Keys(there.keys().cloned().collect())).await, copied);
}

async fn arrived(rig: &Rig, expected: &BTreeMap<String, u64>) {
    assert_eq!(rig.holds(Side::Destination).await, *expected);
    for key in ODD {
        assert_eq!(rig.get(Side::Destination, key).await.1, key.as_bytes(), "{key:?}");
    }
}

/// Why such keys are refused: rclone passes them over, and says that all is well.
#[tokio::test]
async fn keys_that_are_not_carriable_do_not_arrive() {
    let rig = moto().await;
    for key in ["sound", "a//b", "folder/"] {
        rig.put(Side::Source, key, b"").await;
        assert_eq!(carriable(key).is_ok(), key == "sound");
    }
    copy(&rig, What::Everything).await;
    assert_eq!(rig.holds(Side::Destination).await.into_keys().collect::<Vec<_>>(), ["sound"]);
}
