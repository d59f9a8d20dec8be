use super::checks::version;
use super::survey::{Candidate, Database, Deviation, Disk, Seen, Server, Survey, Unit, UnitProgram};
use super::*;

/// A machine on which all is well.
fn sound() -> Survey {
    Survey {
        as_root: true,
        problems: Vec::new(),
        env_file: "/etc/nanio-orchestrator/config.env".into(),
        env_file_open: Ok(false),
        has_secret: true,
        nginx: Ok("nginx version: nginx/1.22.1\n--with-http_ssl_module --with-http_auth_request_module \
                   --with-http_v2_module"
            .to_owned()),
        nginx_test: Ok(String::new()),
        nginx_runs: true,
        missing_includes: Ok(Vec::new()),
        candidate: Ok(Candidate::Fresh),
        rclone: Ok("rclone v1.60.1-DEV\n- os/version: debian 12".to_owned()),
        has_authorities: true,
        own: "/usr/bin/nanio-orchestrator".into(),
        program: Some(unit_program(true, Ok("0.5.0".to_owned()))),
        installation: Vec::new(),
        former: false,
        server: Server::Answers { version: env!("CARGO_PKG_VERSION").to_owned(), ready: true },
        database: Ok(Database::File("/opt/nanio-orchestrator/data/orchestrator.db".into())),
        disks: vec![Disk { what: "database", path: "/opt".into(), room: Ok((20 << 30, 40 << 30)) }],
        gate: Ok(()),
        clocks: vec![("10.0.0.1:9000".to_owned(), Ok(-2))],
        certificates: vec![("/etc/ssl/s3.pem".to_owned(), Ok(80))],
    }
}

fn unit_program(is_this: bool, version: Seen<String>) -> UnitProgram {
    UnitProgram { path: "/usr/bin/nanio-orchestrator".into(), is_this, version }
}

fn silent(unit: Unit) -> Server {
    Server::Silent { address: "127.0.0.1:8080".to_owned(), unit }
}

fn told(survey: &Survey, verdict: Verdict) -> Vec<Answer> {
    judge(survey).into_iter().filter(|answer| answer.verdict == verdict).collect()
}

#[test]
fn a_sound_machine_has_nothing_but_good_answers() {
    let answers = judge(&sound());
    assert!(answers.iter().all(|answer| answer.verdict == Verdict::Good && answer.remedy.is_none()), "{answers:#?}");
    assert!(answers.len() > 15);
}

/// A way to spoil a sound machine, and the question whose answer it changes.
type Spoilt = (&'static str, fn(&mut Survey));

#[test]
fn each_fault_is_found_alone_and_comes_with_what_to_do() {
    let spoilt: [Spoilt; 26] = [
        ("settings", |s| s.problems = vec!["PORT=x: must be a number".to_owned()]),
        ("secrets", |s| s.env_file_open = Ok(true)),
        ("secrets", |s| s.env_file_open = Err("No such file".to_owned())),
        ("SECRET", |s| s.has_secret = false),
        ("nginx", |s| s.nginx = Err("No such file".to_owned())),
        ("nginx", |s| s.nginx = s.nginx.clone().map(|text| text.replace("1.22.1", "1.17.9"))),
        ("nginx modules", |s| s.nginx = s.nginx.clone().map(|text| text.replace("auth_request", "x"))),
        ("nginx.conf", |s| s.missing_includes = Ok(vec!["include /etc/nginx/nanio/pools/*.conf;".to_owned()])),
        ("nginx.conf", |s| s.missing_includes = Err("line 3: unexpected end".to_owned())),
        ("nginx -t", |s| s.nginx_test = Ok("[emerg] unknown directive".to_owned())),
        ("nginx process", |s| s.nginx_runs = false),
        ("rclone", |s| s.rclone = Err("No such file".to_owned())),
        ("rclone", |s| s.rclone = Ok("rclone v1.53.3".to_owned())),
        ("authorities", |s| s.has_authorities = false),
        ("installation", |s| {
            s.installation = vec![Deviation { what: "directory /x".to_owned(), how: "is not there".to_owned() }];
        }),
        ("program", |s| s.program = None),
        ("program", |s| s.program = Some(unit_program(false, Err("No such file".to_owned())))),
        ("0.4.x", |s| s.former = true),
        ("server", |s| s.server = Server::Stranger { address: "127.0.0.1:8080".to_owned() }),
        ("server", |s| s.server = silent(Unit::Runs)),
        ("server", |s| s.server = silent(Unit::Ended)),
        ("server", |s| s.server = Server::Answers { version: env!("CARGO_PKG_VERSION").to_owned(), ready: false }),
        ("database", |s| s.database = Err("is no SQLite database".to_owned())),
        ("gate", |s| s.gate = Err("on tmpfs".to_owned())),
        ("disk", |s| s.disks[0].room = Ok((100 << 20, 40 << 30))),
        ("certificate", |s| s.certificates[0].1 = Ok(-1)),
    ];
    for (check, spoil) in spoilt {
        let mut survey = sound();
        spoil(&mut survey);
        let faults = told(&survey, Verdict::Fault);
        assert_eq!(faults.iter().map(|answer| answer.check).collect::<Vec<_>>(), [check], "{faults:#?}");
        assert!(faults[0].remedy.as_ref().is_some_and(|remedy| remedy.len() > 5), "{faults:#?}");
    }
    let mut survey = sound();
    survey.clocks[0].1 = Ok(901);
    assert_eq!(told(&survey, Verdict::Fault)[0].check, "clock");
}

#[test]
fn what_works_but_is_not_meant_is_a_warning() {
    let spoilt: [Spoilt; 9] = [
        ("rights", |s| s.as_root = false),
        ("candidate", |s| s.candidate = Ok(Candidate::Stale)),
        ("candidate", |s| s.candidate = Ok(Candidate::Missing)),
        ("program", |s| s.program = Some(unit_program(false, Ok("0.4.9".to_owned())))),
        ("server", |s| s.server = Server::Answers { version: "0.4.1".to_owned(), ready: true }),
        ("server", |s| s.server = silent(Unit::Off)),
        ("disk", |s| s.disks[0].room = Ok((600 << 20, 40 << 30))),
        ("clock", |s| s.clocks[0].1 = Err("it does not answer".to_owned())),
        ("certificate", |s| s.certificates[0].1 = Ok(20)),
    ];
    for (check, spoil) in spoilt {
        let mut survey = sound();
        spoil(&mut survey);
        assert_eq!(told(&survey, Verdict::Fault), [], "{check}");
        assert_eq!(told(&survey, Verdict::Warning)[0].check, check);
    }
}

#[test]
fn an_answer_is_a_line_and_what_to_do_another() {
    let mut survey = sound();
    survey.nginx_runs = false;
    let fault = &told(&survey, Verdict::Fault)[0];
    assert_eq!(
        lines(fault),
        ["  ✗ nginx process  nginx does not run: nobody is served", "                   → systemctl start nginx"]
    );
}

#[test]
fn versions_are_read_as_numbers() {
    assert_eq!(version("nginx version: nginx/1.22.1 (x)", "nginx/"), Some([1, 22, 1]));
    assert_eq!(version("rclone v1.60.1-DEV", "rclone v"), Some([1, 60, 1]));
    assert_eq!(version("rclone v1.67", "rclone v"), Some([1, 67, 0]));
    assert_eq!(version("something else", "nginx/"), None);
    assert!([1, 100, 0] > [1, 59, 0]);
}

#[test]
fn a_machine_without_the_service_is_told_so_once() {
    let mut survey = sound();
    survey.env_file_open = Err("No such file".to_owned());
    survey.program = None;
    survey.problems = vec!["NANIO_ORCHESTRATOR_API_KEY: is not set".to_owned()];
    survey.has_secret = false;
    survey.installation = vec![Deviation { what: "directory /x".to_owned(), how: "is not there".to_owned() }];
    survey.missing_includes = Ok(vec!["include /etc/nginx/nanio/pools/*.conf;".to_owned()]);
    let faults = told(&survey, Verdict::Fault);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(faults[0].remedy.as_ref().unwrap().contains("nanio-orchestrator install"), "{faults:#?}");
    survey.nginx_runs = false;
    assert_eq!(told(&survey, Verdict::Fault)[1].check, "nginx process", "what is the machine's own is looked at");
}

#[test]
fn who_is_not_root_is_not_told_that_all_is_well_that_was_not_looked_at() {
    let mut survey = sound();
    survey.as_root = false;
    assert!(judge(&survey).iter().all(|answer| answer.check != "installation"));
}
