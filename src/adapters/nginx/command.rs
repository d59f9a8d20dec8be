//! Calls of the nginx program.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tracing::{Instrument as _, Span};

use crate::domain::audit::NginxAnswer;
use crate::fault::point;
use crate::ports::gateway::GatewayError;

/// Where nginx looks for its configuration if it is not told.
const DEFAULT_CONF: &str = "/etc/nginx/nginx.conf";
/// A call that takes longer than this is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether nginx is called through sudo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// Unless we are root or nginx.conf is ours.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How nginx is called on this machine.
#[derive(Debug, Clone)]
pub struct NginxCommand {
    binary: PathBuf,
    conf: PathBuf,
    sudo: bool,
}

impl NginxCommand {
    /// `binary` or, if it is not given, the `nginx` on PATH or in `/usr/sbin`.
    #[must_use]
    pub fn new(binary: Option<PathBuf>, conf: PathBuf, sudo: Sudo) -> Self {
        let sudo = match sudo {
            Sudo::Always => true,
            Sudo::Never => false,
            Sudo::Auto => needs_sudo(&conf),
        };
        Self { binary: binary.unwrap_or_else(find_nginx), conf, sudo }
    }

    /// nginx's main file.
    #[must_use]
    pub fn conf(&self) -> &Path {
        &self.conf
    }

    /// The candidate main file: beside nginx.conf, since relative includes start from the directory of the file
    /// that `-c` names.
    #[must_use]
    pub fn candidate(&self) -> PathBuf {
        self.conf.with_file_name("nanio-candidate.conf")
    }

    /// Has nginx test a main file. Says nothing if all is well.
    ///
    /// # Errors
    /// nginx cannot be called.
    pub async fn test(&self, conf: &Path) -> Result<Output, GatewayError> {
        self.begin_test(conf)?.ended().await
    }

    /// As [`NginxCommand::test`], for a caller that has something to do meanwhile.
    ///
    /// # Errors
    /// nginx cannot be called.
    pub fn begin_test(&self, conf: &Path) -> Result<Call, GatewayError> {
        self.begin(&["-t", "-q", "-c", &conf.to_string_lossy()])
    }

    /// Tells the running nginx to load its configuration.
    ///
    /// # Errors
    /// nginx cannot be called.
    pub async fn reload(&self) -> Result<Output, GatewayError> {
        let conf = self.conf.to_string_lossy();
        // The rule for sudo that 0.4.x installed names the call without -c.
        if self.conf == Path::new(DEFAULT_CONF) {
            self.begin(&["-s", "reload"])?.ended().await
        } else {
            self.begin(&["-s", "reload", "-c", &conf])?.ended().await
        }
    }

    /// nginx's version, such as `1.22.1`, and the pid file it was built to use.
    pub async fn version(&self) -> Option<Build> {
        let output = Command::new(&self.binary).arg("-V").stdin(Stdio::null()).output().await.ok()?;
        Build::read(&words_of(&output))
    }

    fn begin(&self, arguments: &[&str]) -> Result<Call, GatewayError> {
        let mut command = if self.sudo {
            let mut command = Command::new("sudo");
            command.arg("-n").arg(&self.binary);
            command
        } else {
            Command::new(&self.binary)
        };
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = if self.sudo { "sudo" } else { "nginx" };
        let unusable = format!("{program} could not be run as {}", self.binary.display());
        point("nginx.before-call");
        let child = command.spawn().map_err(|error| cannot_run(&unusable, &error))?;
        point("nginx.running");
        let arguments = arguments.join(" ");
        let span = tracing::info_span!("nginx", arguments);
        Ok(Call { child, arguments, span, unusable })
    }
}

/// nginx at work. It is killed if nobody waits for its end.
pub struct Call {
    child: Child,
    arguments: String,
    span: Span,
    /// What to say if the system does not tell how it ended.
    unusable: String,
}

impl Call {
    /// Waits for its end.
    ///
    /// # Errors
    /// It does not end, or the system does not tell how.
    pub async fn ended(self) -> Result<Output, GatewayError> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait_with_output()).instrument(self.span).await;
        point("nginx.after-call");
        match ended {
            Ok(output) => output.map_err(|error| cannot_run(&self.unusable, &error)),
            Err(_) => Err(GatewayError::Fault(format!(
                "nginx {} did not end within {} s",
                self.arguments,
                PATIENCE.as_secs()
            ))),
        }
    }
}

fn cannot_run(what: &str, error: &io::Error) -> GatewayError {
    GatewayError::Fault(format!("{what}: {error}; install nginx or set NANIO_ORCHESTRATOR_NGINX_BIN"))
}

/// What `nginx -V` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Such as `1.22.1`.
    pub version: String,
    /// The pid file, unless nginx.conf names one.
    pub pid: Option<PathBuf>,
    /// The error log, unless nginx.conf names one.
    pub error_log: Option<PathBuf>,
}

impl Build {
    fn read(text: &str) -> Option<Self> {
        let version = text.split("nginx/").nth(1)?.split_whitespace().next()?.to_owned();
        let option = |name: &str| text.split_whitespace().find_map(|word| word.strip_prefix(name).map(PathBuf::from));
        Some(Self { version, pid: option("--pid-path="), error_log: option("--error-log-path=") })
    }

    /// Whether `http2 on;` is known: it came with 1.25.1.
    #[must_use]
    pub fn knows_http2_directive(&self) -> bool {
        let numbers: Vec<u32> = self.version.split(['.', '-', ' ']).map_while(|number| number.parse().ok()).collect();
        numbers.as_slice() >= [1, 25, 1].as_slice()
    }
}

/// Everything a program said, in reading order.
#[must_use]
pub fn words_of(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    text.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

/// What is answered where no nginx is asked.
pub fn dry(what: &str) -> NginxAnswer {
    NginxAnswer { ok: true, output: format!("[DRY RUN] sudo nginx {what}") }
}

fn find_nginx() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join("nginx"))
        .find(|file| file.is_file())
        .unwrap_or_else(|| PathBuf::from("/usr/sbin/nginx"))
}

fn needs_sudo(conf: &Path) -> bool {
    let owner = |path: &Path| fs::metadata(path).map(|metadata| metadata.uid()).ok();
    let own = owner(Path::new("/proc/self"));
    own != Some(0) && own != owner(conf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f22_the_http2_directive_is_used_from_1_25_1_on() {
        let knows =
            |version: &str| Build { version: version.to_owned(), pid: None, error_log: None }.knows_http2_directive();
        assert!(!knows("1.18.0"));
        assert!(!knows("1.22.1"));
        assert!(!knows("1.25.0"));
        assert!(knows("1.25.1"));
        assert!(knows("1.26"));
        assert!(knows("2.0"));
    }

    #[test]
    fn the_build_options_are_read() {
        let text =
            "nginx version: nginx/1.22.1\nconfigure arguments: --error-log-path=/l/e.log --pid-path=/run/nginx.pid";
        let build = Build::read(text).unwrap();
        assert_eq!(build.version, "1.22.1");
        assert_eq!(build.pid, Some(PathBuf::from("/run/nginx.pid")));
    }
}
