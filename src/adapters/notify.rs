//! What the service manager is told, in systemd's own way: datagrams to the socket that it names (sd_notify(3)).

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Somebody who wants to know how the program fares.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Whom the environment names; `None` if the program runs by itself.
    ///
    /// # Errors
    /// Somebody is named who cannot be told anything: the program would be ended for its silence.
    pub fn from_environment() -> io::Result<Option<Self>> {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(None) };
        let name = name.into_string().map_err(|_| io::Error::other("NOTIFY_SOCKET is not UTF-8"))?;
        let variable = |name: &str| env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref());
        let named = |error: io::Error| io::Error::new(error.kind(), format!("NOTIFY_SOCKET={name}: {error}"));
        Self::at(&name, watchdog).map(Some).map_err(named)
    }

    /// Who listens at a path or, behind an `@`, at an abstract name.
    fn at(name: &str, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not listen must not be waited for: others wait for us.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, watchdog })
    }

    /// After how much silence the program is taken for dead, if it is.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells it something, such as `READY=1`. A manager that cannot be told is no reason to end.
    pub fn tell(&self, state: &str) {
        if let Err(error) = self.socket.send_to_addr(state.as_bytes(), &self.address) {
            tracing::warn!(%error, state, "the service manager could not be told");
        }
    }
}

/// The watchdog's patience, if this process is the one that is watched.
fn watchdog(microseconds: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    if pid.is_some_and(|pid| pid != std::process::id().to_string()) {
        return None;
    }
    let microseconds: u64 = microseconds?.parse().ok()?;
    (microseconds > 0).then(|| Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_manager_is_told_at_a_path_and_at_an_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify").display().to_string();
        let name = format!("nanio-orchestrator-test-{}", std::process::id());
        let at_path = UnixDatagram::bind(&path).unwrap();
        let at_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, address) in [(at_path, path), (at_name, format!("@{name}"))] {
            Notifier::at(&address, None).unwrap().tell("READY=1");
            assert_eq!(heard(&socket), "READY=1");
        }
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let own = std::process::id().to_string();
        assert_eq!(watchdog(Some("30000000"), None), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(Some("30000000"), Some(&own)), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(Some("30000000"), Some("1")), None);
        for nothing in [None, Some("0"), Some("soon"), Some("")] {
            assert_eq!(watchdog(nothing, None), None);
        }
    }
}
