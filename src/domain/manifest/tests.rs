use super::*;
use crate::domain::vhost::{IpRange, IpRuleMode};

fn name(text: &str) -> PoolName {
    PoolName::parse(text).unwrap()
}

fn server(text: &str) -> ServerName {
    ServerName::parse(text).unwrap()
}

fn prefix(text: &str) -> PathPrefix {
    PathPrefix::parse(text).unwrap()
}

fn member(address: &str) -> MemberSpec {
    MemberSpec {
        address: Address::parse(address).unwrap(),
        role: Role::Active,
        weight: Weight::default(),
        max_fails: MaxFails::default(),
        fail_timeout_s: FailTimeout::default(),
        enabled: true,
    }
}

fn pool(members: &[&str]) -> PoolSpec {
    PoolSpec {
        description: None,
        kind: PoolKind::Nanio,
        lb_method: LbMethod::LeastConn,
        keepalive: Keepalive::default(),
        source: None,
        members: members.iter().map(|address| member(address)).collect(),
    }
}

fn route(pool: &str) -> RouteSpec {
    RouteSpec { pool: name(pool), key_prefix: None, extra_directives: None, enabled: true }
}

fn vhost(default: Option<&str>, routes: &[(&str, &str)]) -> VhostSpec {
    VhostSpec {
        listen_port: Port::new(80).unwrap(),
        ssl: false,
        ssl_certificate: None,
        ssl_certificate_key: None,
        extra_directives: None,
        extra_blocks: Vec::new(),
        enabled: true,
        default_pool: default.map(name),
        ip_rules: None,
        routes: routes.iter().map(|(at, pool)| (prefix(at), route(pool))).collect(),
        ignored_buckets: BTreeSet::new(),
    }
}

fn gateway(pools: &[(&str, &[&str])], vhosts: &[(&str, VhostSpec)]) -> Manifest {
    Manifest {
        pools: pools.iter().map(|(at, members)| (name(at), pool(members))).collect(),
        vhosts: vhosts.iter().map(|(at, vhost)| (server(at), vhost.clone())).collect(),
    }
}

fn sample() -> Manifest {
    gateway(
        &[("cold", &["c:1"]), ("hot", &["h:1", "h:2"])],
        &[("a.example", vhost(Some("hot"), &[("/logs/", "cold"), ("/photos/", "hot")]))],
    )
}

/// Each step as `verb path`.
fn told(differences: &Differences) -> Vec<String> {
    let steps = differences.steps.iter();
    steps.map(|step| format!("{} {}", step.verb.as_str(), step.subject.path().join(" "))).collect()
}

#[test]
fn a_document_does_not_differ_from_itself() {
    assert_eq!(compare(&sample(), &sample(), true), Differences::default());
}

#[test]
fn what_others_need_comes_first_and_what_they_no_longer_need_goes_last() {
    let nothing = Manifest::default();
    let mut linked = sample();
    linked.pools.insert(name("a-web"), PoolSpec { kind: PoolKind::Http, source: Some(name("hot")), ..pool(&[]) });
    assert_eq!(
        told(&compare(&nothing, &linked, false)),
        [
            "create pools cold",
            "create pools hot",
            "create pools a-web",
            "create pools cold members c:1",
            "create pools hot members h:1",
            "create pools hot members h:2",
            "create vhosts a.example",
            "create vhosts a.example routes /logs/",
            "create vhosts a.example routes /photos/",
        ]
    );
    assert_eq!(
        told(&compare(&linked, &nothing, true)),
        [
            "delete vhosts a.example routes /logs/",
            "delete vhosts a.example routes /photos/",
            "delete vhosts a.example",
            "delete pools a-web",
            "delete pools cold",
            "delete pools hot",
        ]
    );
}

#[test]
fn what_a_document_does_not_name_stays_unless_it_is_pruned() {
    let mut smaller = sample();
    smaller.pools.get_mut(&name("hot")).unwrap().members.pop();
    smaller.vhosts.get_mut(&server("a.example")).unwrap().routes.remove(&prefix("/logs/"));
    smaller.pools.remove(&name("cold"));
    let kept = compare(&sample(), &smaller, false);
    assert_eq!(told(&kept), Vec::<String>::new());
    let paths: Vec<String> = kept.unmanaged.iter().map(|subject| subject.path().join(" ")).collect();
    assert_eq!(paths, ["pools cold", "pools hot members h:2", "vhosts a.example routes /logs/"]);
    assert_eq!(smaller.over(&sample()), sample());
    assert_eq!(
        told(&compare(&sample(), &smaller, true)),
        ["delete pools hot members h:2", "delete vhosts a.example routes /logs/", "delete pools cold"]
    );
}

#[test]
fn every_field_that_differs_is_told_with_both_of_its_values() {
    let mut changed = sample();
    let vhost = changed.vhosts.get_mut(&server("a.example")).unwrap();
    vhost.ip_rules = Some(IpRules::new(IpRuleMode::Deny, vec![IpRange::parse("10.0.0.0/8").unwrap()]).unwrap());
    let logs = vhost.routes.remove(&prefix("/logs/")).unwrap();
    vhost.routes.insert(prefix("/logs"), RouteSpec { enabled: false, ..logs });
    let steps = compare(&sample(), &changed, true).steps;
    let fields: Vec<_> = steps
        .iter()
        .flat_map(|step| &step.fields)
        .map(|field| (field.field, field.before.as_deref(), field.after.as_deref()))
        .collect();
    assert_eq!(
        fields,
        [
            ("ip_rule_mode", None, Some("deny")),
            ("ip_rule_ips", None, Some("10.0.0.0/8")),
            ("path_prefix", Some("/logs/"), Some("/logs")),
            ("enabled", Some("true"), Some("false")),
        ]
    );
}

#[test]
fn the_order_of_members_is_no_difference_and_twins_are_counted() {
    let turned = gateway(&[("hot", &["h:2", "h:1", "h:1"])], &[]);
    let present = gateway(&[("hot", &["h:1", "h:2"])], &[]);
    assert_eq!(told(&compare(&present, &turned, true)), ["create pools hot members h:1"]);
    assert_eq!(told(&compare(&turned, &present, true)), ["delete pools hot members h:1"]);
}

#[test]
fn every_fault_is_told_with_its_place() {
    let mut bad =
        gateway(&[("hot", &[]), ("HOT", &[])], &[("a.example", vhost(Some("x"), &[("/a", "y"), ("/a/", "hot")]))]);
    bad.pools.get_mut(&name("hot")).unwrap().source = Some(name("z"));
    let told: Vec<String> =
        bad.faults(&bad).iter().map(|fault| format!("{}: {}", fault.path.join("."), fault.what)).collect();
    assert_eq!(
        told,
        [
            "pools.hot: differs from pool HOT only in the case of its letters, which nginx does not tell apart",
            "pools.hot.source_nanio_pool: no pool named z",
            "vhosts.a.example.default_pool: no pool named x",
            "vhosts.a.example.routes./a.pool: no pool named y",
            "vhosts.a.example.routes./a/: claims the same requests as /a",
        ]
    );
    let refers = gateway(&[], &[("b.example", vhost(Some("hot"), &[]))]);
    assert_eq!(refers.faults(&refers.over(&sample())), [], "what is there already may be named");
}

#[test]
fn a_bucket_gets_another_pool_by_its_route_or_by_the_default() {
    let turn = |at: &str, from: &str, to: Option<&str>, by_default| Turn {
        vhost: server("a.example"),
        prefix: if at == "/" { PathPrefix::root() } else { prefix(at) },
        from: name(from),
        to: to.map(name),
        by_default,
    };
    let after =
        |default, routes: &[(&str, &str)]| turns(&sample(), &gateway(&[], &[("a.example", vhost(default, routes))]));
    assert_eq!(after(Some("hot"), &[("/logs", "cold"), ("/photos/", "hot")]), []);
    assert_eq!(
        after(Some("hot"), &[("/logs/", "hot"), ("/new/", "cold")]),
        [turn("/logs/", "cold", Some("hot"), false), turn("/new/", "hot", Some("cold"), true),]
    );
    assert_eq!(
        after(Some("cold"), &[("/logs/", "cold")]),
        [turn("/", "hot", Some("cold"), true), turn("/photos/", "hot", Some("cold"), false),]
    );
    assert_eq!(
        turns(&sample(), &Manifest::default()),
        [turn("/logs/", "cold", None, false), turn("/photos/", "hot", None, false),]
    );
    let mut off = sample();
    off.vhosts.get_mut(&server("a.example")).unwrap().routes.get_mut(&prefix("/logs/")).unwrap().enabled = false;
    assert_eq!(turns(&sample(), &off), [turn("/logs/", "cold", Some("hot"), false)]);
    assert_eq!(turns(&Manifest::default(), &sample()), [], "who is not there yet serves nothing");
}

#[test]
fn what_is_left_out_stays_as_it_is_and_keeps_what_it_needs() {
    let wanted = gateway(
        &[("hot", &["h:1", "h:2"])],
        &[("a.example", vhost(Some("hot"), &[("/logs/", "hot"), ("/new/", "hot")]))],
    );
    let held = turns(&sample(), &wanted);
    let rest = wanted.without(&held, &sample());
    let routes = &rest.vhosts[&server("a.example")].routes;
    assert_eq!(routes[&prefix("/logs/")].pool, name("cold"));
    assert!(rest.pools.contains_key(&name("cold")), "its pool is not pruned");
    assert_eq!(routes[&prefix("/new/")].pool, name("hot"), "nobody is led away by it");
    assert_eq!(turns(&sample(), &rest), []);

    let gone = Manifest::default().without(&turns(&sample(), &Manifest::default()), &sample());
    assert_eq!(gone, sample(), "a vhost whose buckets hold objects is not pruned");
}

fn put(before: Option<Thing>, after: Option<Thing>) -> Deed {
    Deed { before, after }
}

#[test]
fn deeds_are_taken_back_newest_first() {
    let mut now = sample();
    let hot = |spec: PoolSpec| Thing::Pool(name("hot"), PoolSpec { members: Vec::new(), ..spec });
    let renamed = PoolSpec { description: Some("fast".to_owned()), ..pool(&["h:1"]) };
    let photos = |pool: &str| Thing::Route(server("a.example"), prefix("/photos/"), route(pool));
    let deeds = [
        put(Some(hot(pool(&[]))), Some(hot(renamed.clone()))),
        put(Some(Thing::Member(name("hot"), member("h:2"))), None),
        put(Some(photos("hot")), Some(photos("cold"))),
        put(None, Some(Thing::Vhost(server("b.example"), vhost(None, &[])))),
        put(None, Some(Thing::Route(server("b.example"), prefix("/x/"), route("hot")))),
        put(Some(photos("cold")), None),
    ];
    now.pools.insert(name("hot"), renamed);
    now.vhosts.get_mut(&server("a.example")).unwrap().routes.remove(&prefix("/photos/"));
    now.vhosts.insert(server("b.example"), vhost(None, &[("/x/", "hot")]));
    let mut past = Past::of(now);
    for deed in deeds.iter().rev() {
        past.take_back(deed).unwrap();
    }
    assert_eq!((past.manifest, past.renames), (sample(), Renames::default()));
}

#[test]
fn who_had_another_name_is_the_same_and_named_so_everywhere() {
    let bare = |addresses: &[&str]| PoolSpec { members: Vec::new(), ..pool(addresses) };
    let bare_vhost = vhost(Some("hot"), &[]);
    let mut now = sample();
    now.rename_pool(&name("hot"), &name("warm"));
    now.rename_vhost(&server("a.example"), &server("b.example"));
    assert_eq!(now.referred(), [&name("cold"), &name("warm")].into());
    let mut past = Past::of(now);
    let vhost_now = VhostSpec { default_pool: Some(name("warm")), ..bare_vhost.clone() };
    for deed in [
        put(
            Some(Thing::Vhost(server("a.example"), vhost_now.clone())),
            Some(Thing::Vhost(server("b.example"), vhost_now)),
        ),
        put(Some(Thing::Pool(name("hot"), bare(&[]))), Some(Thing::Pool(name("warm"), bare(&[])))),
    ] {
        past.take_back(&deed).unwrap();
    }
    assert_eq!(past.manifest, sample());
    assert_eq!(past.renames.pools.in_order(), Ok(vec![(name("warm"), name("hot"))]));
    assert_eq!(past.renames.vhosts.in_order(), Ok(vec![(server("b.example"), server("a.example"))]));
    let led = Turn {
        vhost: server("a.example"),
        prefix: prefix("/logs/"),
        from: name("cold"),
        to: Some(name("hot")),
        by_default: false,
    };
    let told = past.renames.now(&led);
    assert_eq!((told.vhost, told.from, told.to), (server("b.example"), name("cold"), Some(name("warm"))));
    let taken = put(Some(Thing::Pool(name("cold"), bare(&[]))), Some(Thing::Pool(name("hot"), bare(&[]))));
    assert!(past.take_back(&taken).unwrap_err().contains("pool hot is not as that revision left it"));
}

#[test]
fn what_a_deed_did_not_leave_is_not_taken_back() {
    let bucket = |vhost: &str| Thing::IgnoredBucket(server(vhost), BucketName::parse("b").unwrap());
    let logs = |pool: &str| Thing::Route(server("a.example"), prefix("/logs/"), route(pool));
    for (deed, thing) in [
        (put(None, Some(Thing::Pool(name("hot"), pool(&[])))), "pool hot is not"),
        (put(Some(Thing::Pool(name("hot"), pool(&[]))), None), "pool hot is not"),
        (put(None, Some(Thing::Member(name("hot"), member("h:3")))), "member h:3 of pool hot is not"),
        (put(Some(Thing::Member(name("warm"), member("h:3"))), None), "member h:3 of pool warm is not"),
        (put(None, Some(logs("hot"))), "route /logs/ of vhost a.example is not"),
        (put(Some(logs("hot")), None), "route /logs/ of vhost a.example is not"),
        (put(None, Some(bucket("a.example"))), "ignored bucket b of vhost a.example is not"),
        (put(Some(bucket("z.example")), None), "ignored bucket b of vhost z.example is not"),
        (put(None, Some(Thing::Untold("the edit".to_owned()))), "does not tell what the edit did"),
    ] {
        let why = Past::of(sample()).take_back(&deed).unwrap_err();
        assert!(why.contains(thing), "{deed:?}: {why}");
    }
    let of = |text: &str| Thing::Vhost(server(text), vhost(Some("hot"), &[]));
    let why = Past::of(sample()).take_back(&put(Some(of("old.example")), Some(of("z.example")))).unwrap_err();
    assert!(why.contains("vhost z.example is not"), "{why}");
}
