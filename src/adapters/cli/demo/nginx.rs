//! The private nginx of a demo: everything it reads and writes is inside the demo's directory.

use std::path::Path;
use std::time::Duration;

use super::DemoError;
use super::children::{Children, Program, last_lines, within};
use super::machine::Programs;
use super::place::Place;

/// Writes nginx.conf, starts nginx and waits until it runs.
pub(super) async fn start(place: &Place, programs: &Programs, children: &mut Children) -> Result<(), DemoError> {
    let conf = place.nginx_conf();
    std::fs::write(&conf, text(place, worker_user())).map_err(|e| DemoError::file(&conf, e))?;
    let pid_file = place.nginx_pid();
    if let Err(error) = std::fs::remove_file(&pid_file)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(DemoError::file(&pid_file, error));
    }
    let pid = children.start(Program {
        name: "nginx".to_owned(),
        path: programs.nginx.clone(),
        // Until it has read its configuration, nginx would log to a file outside the directory.
        arguments: vec!["-e".into(), error_log(place), "-c".into(), conf.display().to_string()],
        environment: Vec::new(),
    })?;
    let mut outcome = Ok(());
    let up = within(Duration::from_secs(15), || {
        outcome = children.check();
        outcome.is_err() || std::fs::read_to_string(&pid_file).is_ok_and(|text| text.trim() == pid.to_string())
    });
    let up = up.await;
    let log = place.logs().join("nginx-error.log");
    match outcome {
        Err(DemoError::Ended { name, status, .. }) => {
            Err(DemoError::Ended { name, status, last_words: last_lines(&log, 5), log: log.display().to_string() })
        }
        Err(error) => Err(error),
        Ok(()) if up => Ok(()),
        Ok(()) => Err(DemoError::NotUp { what: "nginx".to_owned(), log: log.display().to_string() }),
    }
}

fn error_log(place: &Place) -> String {
    place.logs().join("nginx-error.log").display().to_string()
}

/// The user of the workers if nginx is started by root: they face the network, so they are not root. nginx
/// itself gives them its temporary directories, and its master opens every log for them.
fn worker_user() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    Some(if users.lines().any(|line| line.starts_with("www-data:")) { "www-data" } else { "nobody" })
}

fn text(place: &Place, user: Option<&str>) -> String {
    let quoted = |path: &Path| format!("\"{}\"", path.display());
    let user = user.map(|user| format!("user {user};\n")).unwrap_or_default();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("    {name}_temp_path {};\n", quoted(&place.top().join("nginx/tmp").join(name))))
        .collect();
    format!(
        "# Written anew at each start of `nanio-orchestrator demo`.\n\
         {user}daemon off;\n\
         worker_processes 2;\n\
         pid {pid};\n\
         error_log {error_log} notice;\n\
         events {{\n    worker_connections 1024;\n}}\n\
         http {{\n    \
             access_log {access_log};\n    \
             default_type application/octet-stream;\n\
         {temporary}    \
             include {pools};\n    \
             include {vhosts};\n\
         }}\n",
        pid = quoted(&place.nginx_pid()),
        error_log = quoted(Path::new(&error_log(place))),
        access_log = quoted(&place.logs().join("nginx-access.log")),
        pools = quoted(&place.managed().join("pools/*.conf")),
        vhosts = quoted(&place.managed().join("vhosts/*.conf")),
    )
}

#[cfg(test)]
mod tests {
    use super::super::DemoArguments;
    use super::*;

    fn programs() -> Programs {
        // Only nginx and setpriv are run here; any program stands for nanio.
        Programs::find(&DemoArguments { nanio: Some("/bin/sh".into()), ..DemoArguments::default() }).unwrap()
    }

    #[tokio::test]
    async fn the_private_nginx_starts_in_an_empty_directory_and_ends_with_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(&directory.path().join("with space")).unwrap();
        let programs = programs();
        let mut children = Children::new(programs.setpriv.clone(), place.run(), place.logs()).await.unwrap();
        start(&place, &programs, &mut children).await.unwrap();
        children.stop().await;
        assert!(!place.nginx_pid().exists(), "nginx removes its pid file when it ends in order");
    }

    #[tokio::test]
    async fn an_nginx_that_refuses_its_configuration_is_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        std::fs::write(place.managed().join("vhosts/bad.conf"), "nonsense_directive;\n").unwrap();
        let programs = programs();
        let mut children = Children::new(programs.setpriv.clone(), place.run(), place.logs()).await.unwrap();
        let error = start(&place, &programs, &mut children).await.unwrap_err().to_string();
        assert!(error.contains("nonsense_directive"), "{error}");
        children.stop().await;
    }

    #[test]
    fn workers_of_root_are_not_root() {
        assert_ne!(worker_user(), Some("root"));
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        assert!(text(&place, Some("www-data")).contains("\nuser www-data;\n"));
        assert!(!text(&place, None).contains("user "));
    }
}
