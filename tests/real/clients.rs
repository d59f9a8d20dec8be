//! Foreign S3 clients through the gateway: boto3 and rclone, on a port that is not 80 or 443.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::child::{path, project_program};
use crate::support::gateway::Gateway;
use crate::support::nanio::{ACCESS_KEY, Nanio, SECRET_KEY};

/// A gateway in front of two pools of real nodes: `routed` leads to the second, everything else to the first.
pub struct TwoPools {
    pub gateway: Gateway,
    pub first: Nanio,
    pub second: Nanio,
    pub vhost: i64,
}

impl TwoPools {
    pub fn start() -> Self {
        Self::behind(Gateway::start())
    }

    fn behind(gateway: Gateway) -> Self {
        let (first, second) = (Nanio::start(), Nanio::start());
        let pool_one = gateway.pool("pool-one", &[first.address()]);
        let pool_two = gateway.pool("pool-two", &[second.address()]);
        let vhost = gateway.vhost("localhost", pool_one);
        gateway.route(vhost, "/routed/", pool_two);
        gateway.go_live();
        Self { gateway, first, second, vhost }
    }

    pub fn endpoint(&self) -> String {
        format!("http://localhost:{}", self.gateway.port)
    }
}

/// Runs the Python client; what it prints.
pub fn client(arguments: &[&str]) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/s3_client.py");
    let mut command = Command::new(project_program("python"));
    command.arg(script).args(arguments).env_clear().env("PATH", path());
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    said(&command.output().unwrap())
}

fn said(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn f08_f21_boto3_does_everything_on_a_routed_and_on_an_unrouted_bucket_and_each_is_on_its_own_pool_only() {
    boto3_does_everything(&TwoPools::start());
}

#[test]
fn boto3_does_everything_through_a_gateway_whose_database_is_postgresql() {
    boto3_does_everything(&TwoPools::behind(Gateway::start_on_postgres()));
}

fn boto3_does_everything(pools: &TwoPools) {
    let endpoint = pools.endpoint();
    for bucket in ["routed", "unrouted"] {
        client(&["everything", &endpoint, bucket]).unwrap_or_else(|error| panic!("{bucket}: {error}"));
    }
    let left = ["dir/a b.txt", "dir/deep/er.txt", "dir/ünïcödé ☃.txt", "it's (1) ok!.txt"];
    assert_eq!(
        (pools.first.buckets(), pools.first.keys("unrouted")),
        (vec!["unrouted".to_owned()], left.map(str::to_owned).to_vec())
    );
    assert_eq!(
        (pools.second.buckets(), pools.second.keys("routed")),
        (vec!["routed".to_owned()], left.map(str::to_owned).to_vec())
    );
}

fn rclone(endpoint: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("rclone");
    command.args(arguments).args(["--retries", "1", "--low-level-retries", "1"]).env_clear();
    command.env("PATH", path()).env("HOME", "/nonexistent").env("RCLONE_CONFIG", "/dev/null");
    for (key, value) in [
        ("TYPE", "s3"),
        ("PROVIDER", "Other"),
        ("ENDPOINT", endpoint),
        ("ACCESS_KEY_ID", ACCESS_KEY),
        ("SECRET_ACCESS_KEY", SECRET_KEY),
        ("REGION", "us-east-1"),
        ("FORCE_PATH_STYLE", "true"),
        ("LIST_VERSION", "2"),
    ] {
        command.env(format!("RCLONE_CONFIG_GW_{key}"), value);
    }
    command.output().expect("rclone must be installed: run `make setup`")
}

#[test]
fn rclone_copies_a_tree_in_and_out_of_a_routed_and_an_unrouted_bucket() {
    rclone_copies_a_tree(&TwoPools::start());
}

#[test]
fn rclone_copies_a_tree_through_a_gateway_whose_database_is_postgresql() {
    rclone_copies_a_tree(&TwoPools::behind(Gateway::start_on_postgres()));
}

fn rclone_copies_a_tree(pools: &TwoPools) {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    std::fs::create_dir_all(source.join("dir/deep")).unwrap();
    let files = ["a b.txt", "dir/one+two.txt", "dir/deep/ünïcödé ☃.txt", "dir/(1) #2 & 3.txt"];
    for file in files {
        std::fs::write(source.join(file), format!("content of {file}").repeat(1000)).unwrap();
    }
    for (bucket, node, other) in [("routed", &pools.second, &pools.first), ("unrouted", &pools.first, &pools.second)] {
        let (remote, back) = (format!("gw:{bucket}"), directory.path().join(bucket));
        let (source, back) = (source.display().to_string(), back.display().to_string());
        for arguments in [
            vec!["mkdir", &remote],
            vec!["copy", &source, &remote],
            vec!["check", &source, &remote],
            vec!["copy", &remote, &back],
        ] {
            said(&rclone(&pools.endpoint(), &arguments)).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        }
        for file in files {
            let [sent, got] = [&source, &back].map(|top| std::fs::read(Path::new(top).join(file)).unwrap());
            assert!(sent == got, "{bucket}/{file}");
        }
        let mut expected = files.map(str::to_owned).to_vec();
        expected.sort();
        assert_eq!(node.keys(bucket), expected);
        assert_eq!(other.keys(bucket), Vec::<String>::new());
    }
}
