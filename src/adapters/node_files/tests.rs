//! Each text is read back by a reader of its language: what is in it is what was said, and nothing else.

use proptest::prelude::*;

use super::*;
use crate::domain::node_config::{AccessKey, BindHost, DataDir, Keys, NanioPort, Parameters, Region, SecretKey};
use crate::domain::pool::{Address, PoolKind, PoolName};

fn setup(kind: NodeKind, data_dir: &str, secret: Option<&str>) -> NodeSetup {
    let keys = secret
        .map(|secret| Keys { access: AccessKey::parse("AK").unwrap(), secret: SecretKey::parse(secret).unwrap() });
    NodeSetup {
        pool: PoolName::parse("pool-a").unwrap(),
        pool_kind: PoolKind::Nanio,
        member: Address::parse("10.0.0.1:9000").unwrap(),
        parameters: Parameters {
            data_dir: DataDir::parse(data_dir).unwrap(),
            host: BindHost::parse("::1").unwrap(),
            region: Region::parse("eu-1").unwrap(),
            keys,
            ..Parameters::usual(kind)
        },
    }
}

fn text(file: NodeFile, setup: &NodeSetup) -> String {
    NodeTemplates::new().text(file, setup)
}

/// Sections and `key=value` lines of a unit; fails on a line that is neither, nor empty, nor a comment.
fn unit_lines(text: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if !line.is_empty() && !line.starts_with('#') {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no unit line: {line}"));
            lines.push((format!("{section}.{key}"), value.to_owned()));
        }
    }
    lines
}

/// One word as systemd reads it: quotes, backslashes, and `%%`.
fn unit_word(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let Some(inner) = inner else { return text.to_owned() };
    let mut word = String::new();
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' | '%' => {
                let next = rest.next().unwrap();
                assert!(c == '\\' || next == '%', "a specifier in {text}");
                word.push(next);
            }
            '"' => panic!("the word ends early: {text}"),
            c => word.push(c),
        }
    }
    word
}

/// Every directive of an nginx text: how deep, and its words.
fn directives(text: &str) -> Vec<Vec<String>> {
    let nodes = text::read(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut found = Vec::new();
    text::walk(&nodes, &mut |directive| found.push(directive.words.clone()));
    found
}

#[test]
fn options_hold_what_was_said() {
    let said = text(NodeFile::Options, &setup(NodeKind::NanioOnly, "/data", Some("a\"b\\c")));
    assert_eq!(
        said,
        "# Made by nanio-orchestrator for node \"10.0.0.1:9000\" of pool \"pool-a\".\n[server]\ndata_dir = \"/data\"\n\
         host = \"::1\"\nport = 9000\nregion = \"eu-1\"\n\n[[users]]\naccess_key = \"AK\"\nsecret_key = \"a\\\"b\\\\c\"\n"
    );
    let without = text(NodeFile::Options, &setup(NodeKind::NanioOnly, "/data", None));
    assert!(without.lines().all(|line| !line.starts_with("[[users]]")), "{without}");
}

#[test]
fn the_secret_is_in_the_options_and_nowhere_else() {
    for kind in NodeKind::ALL {
        let setup = setup(*kind, "/data", Some("very-secret"));
        for file in kind.files() {
            assert_eq!(text(*file, &setup).contains("very-secret"), *file == NodeFile::Options, "{file:?}");
        }
        assert!(!NodeTemplates::new().instructions(&setup).contains("very-secret"));
    }
}

#[test]
fn a_unit_gives_nanio_its_data_wherever_that_is() {
    let value = |dir: &str, key: &str| {
        let lines = unit_lines(&text(NodeFile::Unit, &setup(NodeKind::NanioOnly, dir, None)));
        let found: Vec<_> = lines.into_iter().filter(|(name, _)| name == key).map(|(_, value)| value).collect();
        found.join("|")
    };
    for (dir, home, tmp) in
        [("/data", "yes", "yes"), ("/home/u/d", "no", "yes"), ("/tmp/d", "yes", "no"), ("/homes", "yes", "yes")]
    {
        assert_eq!(value(dir, "Service.ProtectHome"), home, "{dir}");
        assert_eq!(value(dir, "Service.PrivateTmp"), tmp, "{dir}");
        assert_eq!(value(dir, "Service.ReadWritePaths"), dir);
        assert_eq!(value(dir, "Unit.RequiresMountsFor"), dir);
    }
    assert_eq!(value("/data", "Service.CapabilityBoundingSet"), "");
    let mut low = setup(NodeKind::NanioOnly, "/data", None);
    low.parameters.port = NanioPort::new(80).unwrap();
    assert!(text(NodeFile::Unit, &low).contains("AmbientCapabilities=CAP_NET_BIND_SERVICE\n"));
}

#[test]
fn f54_files_are_served_without_metadata_and_without_a_promise_that_they_stay() {
    let said = text(NodeFile::FileServer, &setup(NodeKind::NginxOnly, "/data", None));
    let words = directives(&said);
    let has = |line: &str| words.iter().any(|words| words.join(" ") == line);
    for line in [r"location ~ /\.", "autoindex off", "add_header Cache-Control no-cache always", "try_files $uri =404"]
    {
        assert!(has(line), "{line}: {said}");
    }
    assert!(!said.contains("immutable") && !said.contains("max-age") && !said.contains("expires"), "{said}");
    // `k.gz` is an object of its own, not another form of `k`.
    assert!(!said.contains("gzip_static"), "{said}");
}

#[test]
fn instructions_are_for_what_runs_on_the_node() {
    let said = |kind| NodeTemplates::new().instructions(&setup(kind, "/a b'c", None));
    let nanio = said(NodeKind::NanioOnly);
    assert!(nanio.contains(r"mkdir -p '/a b'\''c' && chown nanio:nanio '/a b'\''c'") && !nanio.contains("nginx"));
    assert!(!said(NodeKind::NginxOnly).contains("systemctl"));
    let both = said(NodeKind::NginxNanio);
    assert!(both.contains("systemctl") && both.contains("nanio-proxy.conf"), "{both}");
}

/// A value with everything that means something to one of the readers.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "\"",
            "'",
            "\\",
            ";",
            "}",
            "{",
            "#",
            "%n",
            "%",
            "%%",
            "${x}",
            "$",
            "\n",
            "\r",
            "[users]",
            "]",
            "=",
            " ",
            "\t",
            "\u{2028}",
            "\u{85}",
            "é",
            "\0",
            "\\x20",
            "\n[Service]\nExecStartPre=/bin/x",
            "\";\n}",
            "'''",
            "\"\"\"",
            ".",
            "/",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,3}",
    ];
    prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn f04_no_directory_adds_a_line_a_key_or_a_directive(tail in hostile()) {
        let plain = setup(NodeKind::NginxNanio, "/data", Some("s"));
        let Ok(dir) = DataDir::parse(&format!("/{tail}")) else { return Ok(()) };
        let mut setup = plain.clone();
        setup.parameters.data_dir = dir.clone();

        let (before, after) = (unit_lines(&text(NodeFile::Unit, &plain)), unit_lines(&text(NodeFile::Unit, &setup)));
        prop_assert_eq!(before.len(), after.len());
        for ((name, value), (other, now)) in before.iter().zip(&after) {
            prop_assert_eq!(name, other);
            prop_assert_eq!(&unit_word(now), if value == "/data" { dir.as_str() } else { value });
        }

        let (before, after) = (text(NodeFile::FileServer, &plain), text(NodeFile::FileServer, &setup));
        let expected: Vec<Vec<String>> = directives(&before)
            .into_iter()
            .map(|words| words.into_iter().map(|word| if word == "/data" { dir.to_string() } else { word }).collect())
            .collect();
        prop_assert_eq!(directives(&after), expected);
    }

    #[test]
    fn f04_no_value_adds_a_line_or_a_key_to_the_options(dir in hostile(), secret in hostile(), access in hostile()) {
        let mut setup = setup(NodeKind::NanioOnly, "/data", Some("s"));
        if let Ok(dir) = DataDir::parse(&format!("/{dir}")) {
            setup.parameters.data_dir = dir;
        }
        let keys = setup.parameters.keys.as_mut().unwrap();
        keys.secret = SecretKey::parse(&secret).unwrap_or(keys.secret.clone());
        keys.access = AccessKey::parse(&access).unwrap_or(keys.access.clone());
        let said = text(NodeFile::Options, &setup);
        let keys: Vec<&str> = said.lines().skip(1).map(|line| line.split(" = ").next().unwrap_or_default()).collect();
        let expected = ["[server]", "data_dir", "host", "port", "region", "", "[[users]]", "access_key", "secret_key"];
        prop_assert_eq!(keys, expected);
    }

    #[test]
    fn a_toml_string_is_one_line_that_ends_where_it_should(value in hostile()) {
        let quoted = quote::toml(&value);
        let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap();
        prop_assert!(!inner.contains('\n') && !inner.contains('\r'));
        prop_assert_eq!(unescaped(inner), value);
    }
}

fn unescaped(inner: &str) -> String {
    let mut text = String::new();
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => panic!("the string ends early: {inner}"),
            '\\' => match rest.next().unwrap() {
                'u' => {
                    let code: String = rest.by_ref().take(4).collect();
                    text.push(char::from_u32(u32::from_str_radix(&code, 16).unwrap()).unwrap());
                }
                escaped => text.push(escaped),
            },
            c => text.push(c),
        }
    }
    text
}
