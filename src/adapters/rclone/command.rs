//! What rclone is told, and by which way: secrets in the environment only, keys through a pipe, the rest as arguments.

use std::ffi::OsString;

use crate::domain::copy::{CopyOrder, What};
use crate::domain::site::Site;

use super::Limits;

/// What is copied when everything is: nanio's own unfinished objects are not. rclone reads the rules before it asks either
/// side, so it waits for them; if they never come, because we died, nothing is copied.
pub(super) const RULES: [&str; 2] = ["- *.tmp.{{[0-9a-f]{32}}}", "+ /**"];

/// rclone keeps names in an encoding of its own, decodes them from it, and encodes them for S3. Between two different
/// encodings `‛`, `␟` and others do not come back as they were. This one is rclone's own: names pass as they are.
const VERBATIM: &str = "Slash,Ctl,Del,Dot";

/// Certificate authorities are a matter of the machine; everything else of our environment would only disturb:
/// `AWS_CA_BUNDLE` breaks every remote.
const INHERITED: [&str; 3] = ["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The environment for a copy from one base URL to another.
pub(super) fn environment(order: &CopyOrder, source: &str, destination: &str) -> Vec<(OsString, OsString)> {
    let mut all = clean();
    for (remote, site, base) in [("SRC", &order.source, source), ("DST", &order.destination, destination)] {
        let variables = remote_variables(site, base);
        all.extend(variables.map(|(name, value)| (format!("RCLONE_CONFIG_{remote}_{name}").into(), value.into())));
    }
    all
}

/// The environment of a call that needs no remote.
pub(super) fn clean() -> Vec<(OsString, OsString)> {
    let inherited = INHERITED.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    // No file is read: neither rclone's own nor that of another S3 client.
    let own = [("RCLONE_CONFIG", "/dev/null"), ("HOME", "/nonexistent")];
    inherited.chain(own.map(|(name, value)| (name.into(), value.into()))).collect()
}

fn remote_variables<'a>(site: &'a Site, base: &'a str) -> [(&'static str, &'a str); 11] {
    let keys = site.keys.as_ref();
    [
        ("TYPE", "s3"),
        ("PROVIDER", "Other"),
        ("ENV_AUTH", "false"),
        ("ACCESS_KEY_ID", keys.map_or("", |keys| keys.access_key.secret().reveal())),
        ("SECRET_ACCESS_KEY", keys.map_or("", |keys| keys.secret_key.secret().reveal())),
        ("REGION", site.region.as_str()),
        ("ENDPOINT", base),
        ("FORCE_PATH_STYLE", "true"),
        // Version 1 never ends where a node ignores `marker`: nanio has more than 1,000 objects in one directory for ever.
        ("LIST_VERSION", "2"),
        ("NO_CHECK_BUCKET", "true"),
        ("ENCODING", VERBATIM),
    ]
}

/// The arguments. They show in `ps`.
pub(super) fn arguments(order: &CopyOrder, limits: &Limits) -> Vec<String> {
    let verb = if order.what == What::Mirror { "sync" } else { "copy" };
    let mut all: Vec<String> = vec![verb.to_owned()];
    all.extend(["src", "dst"].map(|remote| format!("{remote}:{}", order.bucket)));
    // Without the second, two keys that differ in Unicode's composition only are one to rclone, and one is skipped.
    all.extend(["--metadata", "--no-unicode-normalization"].map(str::to_owned));
    all.extend(["--use-json-log", "--stats", "1s"].map(str::to_owned));
    // Never more: at debug level rclone logs the secret keys.
    all.extend(["--log-level", "NOTICE", "--stats-log-level", "NOTICE"].map(str::to_owned));
    all.extend(["--checkers".to_owned(), limits.checkers.to_string()]);
    // Few objects that are waited for, and each a request or two: most of their time is the way there and back.
    let at_once =
        if matches!(order.what, What::Keys(_)) { limits.transfers.saturating_mul(4).min(64) } else { limits.transfers };
    all.extend(["--transfers".to_owned(), at_once.to_string()]);
    if let Some(bandwidth) = &limits.bandwidth {
        all.extend(["--bwlimit".to_owned(), bandwidth.clone()]);
    }
    // By default a request is made ten times: with a node gone, a large bucket would fail for hours.
    let retries = if order.once {
        ["--retries", "1", "--low-level-retries", "1"]
    } else {
        ["--retries", "3", "--low-level-retries", "3"]
    };
    all.extend(retries.map(str::to_owned));
    match order.what {
        // An object may have changed without a change of its size and time.
        What::Keys(_) => {
            all.extend(["--ignore-times", "--no-traverse", "--files-from-raw", "-"].map(str::to_owned));
            // What is there is replaced whatever it is, and what then is there is looked at by who asked for it.
            all.extend(["--no-check-dest", "--s3-no-head"].map(str::to_owned));
        }
        // By time, rclone would ask about each object that both sides have, twice. What it overlooks this way (another
        // content without an MD5, other metadata) is found by who compares both sides afterwards.
        What::Everything | What::Mirror => {
            // An empty list of what to include makes everything else be excluded, behind all rules.
            all.extend(["--checksum", "--include-from", "/dev/null", "--filter-from", "-"].map(str::to_owned));
        }
    }
    all
}

/// Keys in the fewest lists in which no key is a directory of another one: given both in one list, rclone copies only
/// one of them, and says that all is well.
pub(super) fn lists(keys: &[String]) -> Vec<Vec<&str>> {
    let mut all: Vec<&str> = keys.iter().map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    let mut lists: Vec<Vec<&str>> = Vec::new();
    for key in &all {
        let above = key.match_indices('/').filter(|(slash, _)| all.binary_search(&&key[..*slash]).is_ok()).count();
        if lists.len() <= above {
            lists.resize(above + 1, Vec::new());
        }
        lists[above].push(key);
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bucket::BucketName;
    use crate::domain::credential::{Keys, Region};

    fn order(what: What) -> CopyOrder {
        let keys = Keys::parse("an-access-key", "a-secret-key").ok();
        let site = Site { members: Vec::new(), endpoint: None, region: Region::default(), keys };
        let bucket = BucketName::parse("photos").unwrap();
        CopyOrder { source: site.clone(), destination: Site { keys: None, ..site }, bucket, what, once: false }
    }

    fn said(order: &CopyOrder, bandwidth: Option<&str>) -> String {
        let limits = Limits { checkers: 8, transfers: 4, bandwidth: bandwidth.map(str::to_owned) };
        arguments(order, &limits).join(" ")
    }

    #[test]
    fn the_settings_reach_rclone() {
        let said = said(&order(What::Everything), Some("08:00,512k 19:00,off"));
        for part in
            ["copy src:photos dst:photos ", "--checkers 8 ", "--transfers 4 ", "--bwlimit 08:00,512k 19:00,off "]
        {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }

    #[test]
    fn only_a_mirror_deletes_and_only_keys_are_copied_regardless() {
        let [everything, mirror, keys] =
            [What::Everything, What::Mirror, What::Keys(vec!["a".to_owned()])].map(|what| said(&order(what), None));
        assert!(everything.starts_with("copy ") && mirror.starts_with("sync ") && keys.starts_with("copy "));
        assert!(keys.contains("--ignore-times") && !everything.contains("--ignore-times"));
        assert!([everything, mirror, keys].iter().all(|said| said.contains("--retries 3 --low-level-retries 3")));
        assert!(
            said(&CopyOrder { once: true, ..order(What::Mirror) }, None).contains("--retries 1 --low-level-retries 1")
        );
    }

    #[test]
    fn secrets_are_in_the_environment_and_nowhere_else() {
        let order = order(What::Everything);
        let environment = environment(&order, "http://10.0.0.1:9000", "http://10.0.0.2:9000");
        let value =
            |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.to_str().unwrap());
        assert_eq!(value("RCLONE_CONFIG_SRC_SECRET_ACCESS_KEY"), Some("a-secret-key"));
        assert_eq!(value("RCLONE_CONFIG_DST_SECRET_ACCESS_KEY"), Some(""));
        assert_eq!(value("RCLONE_CONFIG_DST_ENDPOINT"), Some("http://10.0.0.2:9000"));
        assert!(!said(&order, None).contains("a-secret-key") && !said(&order, None).contains("an-access-key"));
    }

    #[test]
    fn nothing_else_of_our_environment_reaches_rclone() {
        let known =
            |name: &OsString| INHERITED.iter().any(|known| name == known) || name == "RCLONE_CONFIG" || name == "HOME";
        assert!(clean().iter().all(|(name, _)| known(name)), "{:?}", clean());
    }

    #[test]
    fn a_key_and_its_directory_are_never_in_one_list() {
        let keys = ["a/b/c", "b", "a", "a b", "a/b", "c/d", "b"].map(str::to_owned);
        assert_eq!(lists(&keys), [vec!["a", "a b", "b", "c/d"], vec!["a/b"], vec!["a/b/c"]]);
        assert_eq!(lists(&[]), Vec::<Vec<&str>>::new());
    }
}
