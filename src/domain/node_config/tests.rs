//! What each value takes and refuses.

use super::*;

#[test]
fn a_data_directory_is_a_plain_absolute_path() {
    for good in ["/data", "/srv/my objects", "/d/ä\"'\\%n;{}#", " /data/ "] {
        assert!(DataDir::parse(good).is_ok(), "{good}");
    }
    assert_eq!(DataDir::parse("/data//").unwrap().as_str(), "/data");
    for bad in ["", " ", "data", "/", "//", "/a/../etc", "/a//b", "/./a", "/a\nb", "/a\u{7f}", "/$x", "/a${b}", "/a\0"]
    {
        assert!(DataDir::parse(bad).is_err(), "{bad:?}");
    }
    assert!(DataDir::parse(&format!("/{}", "x".repeat(DataDir::MAX))).is_err());
}

#[test]
fn a_directory_is_within_another_by_whole_segments() {
    let dir = DataDir::parse("/home/u/data").unwrap();
    assert!(dir.is_within("/home") && dir.is_within("/home/u/data"));
    assert!(!dir.is_within("/home/u/d") && !dir.is_within("/tmp"));
}

#[test]
fn a_host_is_an_address_or_a_name() {
    for good in ["0.0.0.0", "::", "fe80::1", "localhost", "node-1.example.org", " 10.0.0.1 "] {
        assert!(BindHost::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "[::1]", "a b", "a:1", "-a", "a..b", "a.", "a\"b", "a\nb", "fe80::1%eth0", "a;b", "${x}"] {
        assert!(BindHost::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn regions_and_access_keys_hold_nothing_that_divides_a_signature() {
    for bad in ["", "a/b", "a b", "-a", "a\nb", "é"] {
        assert!(Region::parse(bad).is_err(), "{bad:?}");
    }
    assert!(Region::parse("eu-west-1").is_ok());
    for bad in ["", "a/b", "a,b", "a b", "a\n", "é"] {
        assert!(AccessKey::parse(bad).is_err(), "{bad:?}");
    }
    assert!(AccessKey::parse("AK-\"'\\%n${x};}=").is_ok());
}

#[test]
fn f38_a_secret_key_is_not_printed() {
    let secret = SecretKey::parse("very secret").unwrap();
    let keys = Keys { access: AccessKey::parse("AK").unwrap(), secret };
    let parameters = Parameters { keys: Some(keys), ..Parameters::usual(NodeKind::NanioOnly) };
    let file = WrittenFile { path: "/x", content: "very secret".to_owned() };
    assert!(!format!("{parameters:?} {file:?}").contains("secret k") && !format!("{parameters:?}").contains("very"));
    assert!(!format!("{file:?}").contains("very"));
    for bad in ["", "a\nb", "a\0"] {
        assert!(SecretKey::parse(bad).is_err());
    }
}
