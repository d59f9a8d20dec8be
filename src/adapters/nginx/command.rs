//! Calls of the nginx program.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tracing::{Instrument as _, Span};

use crate::adapters::{deputy, privileged};
use crate::domain::audit::NginxAnswer;
use crate::fault::point;
use crate::ports::gateway::GatewayError;

/// A call that takes longer than this is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether nginx is called through sudo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// Unless we are root or nginx.conf is ours, or root's deputy is there to do it.
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
    way: Way,
}

/// Who starts it.
#[derive(Debug, Clone)]
enum Way {
    /// We do.
    Direct,
    /// sudo.
    Sudo,
    /// Root's deputy, at this socket.
    Deputy(PathBuf),
}

impl NginxCommand {
    /// `binary` or, if it is not given, the `nginx` on PATH or in `/usr/sbin`.
    #[must_use]
    pub fn new(binary: Option<PathBuf>, conf: PathBuf, sudo: Sudo) -> Self {
        let socket = Path::new(deputy::SOCKET);
        let way = match sudo {
            Sudo::Always => Way::Sudo,
            Sudo::Auto if needs_root(&conf) && socket.exists() => Way::Deputy(socket.to_owned()),
            Sudo::Auto if needs_root(&conf) => Way::Sudo,
            Sudo::Auto | Sudo::Never => Way::Direct,
        };
        Self { binary: binary.unwrap_or_else(find_nginx), conf, way }
    }

    /// The same, called by the deputy at this socket.
    #[must_use]
    pub fn by_deputy(mut self, socket: PathBuf) -> Self {
        self.way = Way::Deputy(socket);
        self
    }

    /// The program.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// nginx's main file.
    #[must_use]
    pub fn conf(&self) -> &Path {
        &self.conf
    }

    /// The candidate main file.
    #[must_use]
    pub fn candidate(&self) -> PathBuf {
        privileged::candidate_of(&self.conf)
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
        self.begin(privileged::test_words(conf))
    }

    /// Tells the running nginx to load its configuration.
    ///
    /// # Errors
    /// nginx cannot be called.
    pub async fn reload(&self) -> Result<Output, GatewayError> {
        self.begin(privileged::reload_words(&self.conf))?.ended().await
    }

    /// nginx's version, such as `1.22.1`, and the pid file it was built to use.
    pub async fn version(&self) -> Option<Build> {
        let output = Command::new(&self.binary).arg("-V").stdin(Stdio::null()).output().await.ok()?;
        Build::read(&words_of(&output))
    }

    fn begin(&self, words: Vec<String>) -> Result<Call, GatewayError> {
        let arguments = words.join(" ");
        let span = tracing::info_span!("nginx", arguments);
        let binary = self.binary.display();
        let mut command = match &self.way {
            Way::Deputy(socket) => {
                let call = std::iter::once(self.binary.to_string_lossy().into_owned()).chain(words).collect();
                let unusable = format!(
                    "the deputy at {} did not run {binary}: see `systemctl status nanio-orchestrator-deputy.socket`",
                    socket.display()
                );
                let socket = socket.clone();
                let asked = tokio::spawn(async move { deputy::ask(&socket, call, false).await });
                return Ok(Call { work: Work::Asked(asked), arguments, span, unusable });
            }
            Way::Sudo => {
                let mut command = Command::new("sudo");
                command.arg("-n").arg(&self.binary);
                command
            }
            Way::Direct => Command::new(&self.binary),
        };
        command.args(words).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = if matches!(self.way, Way::Sudo) { "sudo" } else { "nginx" };
        let unusable =
            format!("{program} could not be run as {binary}: install nginx or set NANIO_ORCHESTRATOR_NGINX_BIN");
        point("nginx.before-call");
        let child = command.spawn().map_err(|error| cannot_run(&unusable, &error))?;
        point("nginx.running");
        Ok(Call { work: Work::Child(child), arguments, span, unusable })
    }
}

/// nginx at work. It is killed if nobody waits for its end, unless the deputy started it, who waits for it himself.
pub struct Call {
    work: Work,
    arguments: String,
    span: Span,
    /// What to say if nobody tells how it ended.
    unusable: String,
}

enum Work {
    Child(Child),
    Asked(JoinHandle<io::Result<Output>>),
}

impl Work {
    async fn ended(self) -> io::Result<Output> {
        match self {
            Self::Child(child) => child.wait_with_output().await,
            Self::Asked(asked) => asked.await.map_err(io::Error::other)?,
        }
    }
}

impl Call {
    /// Waits for its end.
    ///
    /// # Errors
    /// It does not end, or nobody tells how.
    pub async fn ended(self) -> Result<Output, GatewayError> {
        let ended = tokio::time::timeout(PATIENCE, self.work.ended()).instrument(self.span).await;
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
    GatewayError::Fault(format!("{what} ({error})"))
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

fn needs_root(conf: &Path) -> bool {
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
