//! The nginx that runs on this machine, for whoever must know its processes and where it complains.

use std::path::{Path, PathBuf};

use super::command::{Build, NginxCommand};
use super::family::{self, Family};
use super::main_conf::MainConf;
use super::tree::Tree;
use crate::ports::gateway::GatewayError;

/// What a worker may have if nginx.conf does not say (ngx_core_module, `worker_connections`).
const USUAL_CONNECTIONS: u64 = 512;

/// The nginx of a main file.
pub struct RunningNginx {
    command: NginxCommand,
    tree: Tree,
    build: Option<Build>,
}

impl RunningNginx {
    /// The nginx that is called so and includes this managed directory.
    ///
    /// # Errors
    /// The managed directory cannot be made.
    pub async fn new(root: &Path, command: NginxCommand) -> Result<Self, GatewayError> {
        let build = command.version().await;
        Ok(Self { tree: Tree::open(root)?, command, build })
    }

    /// Its processes.
    ///
    /// # Errors
    /// They cannot be told, in a sentence with what to do.
    pub fn family(&self) -> Result<Family, String> {
        Family::of(&self.pid_file()?)
    }

    /// Whether this process is one of its workers.
    #[must_use]
    pub fn is_worker(&self, pid: u32) -> bool {
        self.pid_file().is_ok_and(|path| family::is_worker(&path, pid))
    }

    /// The files in which it would say that a log could not be written.
    ///
    /// # Errors
    /// It would say so nowhere, or not in a file; in a sentence with what to do.
    pub fn error_logs(&self) -> Result<Vec<PathBuf>, String> {
        let (main, conf) = (self.main()?, self.command.conf());
        let base = conf.parent().unwrap_or(Path::new("/"));
        let mut logs: Vec<PathBuf> = main
            .request_error_logs
            .iter()
            // An `[alert]` is not written to one that wants `emerg` only.
            .filter(|arguments| arguments.get(1).is_none_or(|level| level != "emerg"))
            .filter_map(|arguments| arguments.first())
            .filter(|target| *target != "stderr" && !target.starts_with("syslog:") && !target.starts_with("memory:"))
            .map(|target| base.join(target))
            .collect();
        if main.request_error_logs.is_empty() {
            logs.extend(main.error_log.or_else(|| self.build.as_ref().and_then(|build| build.error_log.clone())));
        }
        if logs.is_empty() {
            return Err(format!(
                "nginx writes no error log to a file, so that nobody would know of a journal that it could not write; \
                 add to {}: error_log /var/log/nginx/error.log;",
                conf.display()
            ));
        }
        Ok(logs)
    }

    /// How many connections a worker may have at a time.
    ///
    /// # Errors
    /// nginx's main file cannot be read.
    pub fn worker_connections(&self) -> Result<u64, String> {
        Ok(self.main()?.worker_connections.map_or(USUAL_CONNECTIONS, u64::from))
    }

    fn main(&self) -> Result<MainConf, String> {
        MainConf::read(self.command.conf(), &self.tree).map_err(|error| error.to_string())
    }

    fn pid_file(&self) -> Result<PathBuf, String> {
        let built = self.build.as_ref().and_then(|build| build.pid.clone());
        Ok(self.main()?.pid.or(built).unwrap_or_else(|| PathBuf::from("/run/nginx.pid")))
    }
}
