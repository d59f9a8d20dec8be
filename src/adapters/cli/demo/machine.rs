//! What the demo needs of the machine: programs and free ports.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};

use super::{DemoArguments, DemoError};

/// The programs that the demo runs.
#[derive(Debug)]
pub(super) struct Programs {
    pub nginx: PathBuf,
    pub nanio: PathBuf,
    pub setpriv: PathBuf,
}

impl Programs {
    /// Finds them, or says how to get the first that is missing.
    pub fn find(arguments: &DemoArguments) -> Result<Self, DemoError> {
        let nanio = match &arguments.nanio {
            Some(path) => executable(path).ok_or_else(|| DemoError::Missing {
                program: path.display().to_string(),
                hint: "--nanio must name an executable file".to_owned(),
            })?,
            None => executable(Path::new(".venv/bin/nanio")).or_else(|| on_path("nanio")).ok_or_else(|| {
                DemoError::Missing {
                    program: "nanio".to_owned(),
                    hint: "run `make setup`, or `pip install nanio` and name it with --nanio".to_owned(),
                }
            })?,
        };
        Ok(Self { nginx: system("nginx", "nginx")?, nanio, setpriv: system("setpriv", "util-linux")? })
    }
}

fn system(program: &str, package: &str) -> Result<PathBuf, DemoError> {
    // Debian keeps nginx in a directory that only root has in PATH.
    on_path(program)
        .or_else(|| ["/usr/sbin", "/usr/bin"].iter().find_map(|dir| executable(&Path::new(dir).join(program))))
        .ok_or_else(|| DemoError::Missing {
            program: program.to_owned(),
            hint: format!("run `make setup`, or `apt-get install {package}`"),
        })
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find_map(|directory| executable(&directory.join(program)))
}

/// The absolute path of a file that can be executed. Links stay: a program of a venv is known by its place.
fn executable(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::metadata(path).ok()?;
    (meta.is_file() && meta.permissions().mode() & 0o111 != 0).then(|| std::path::absolute(path).ok()).flatten()
}

/// That nobody listens on a port; otherwise names it and the flag that changes it.
pub(super) fn port_is_free(port: u16, purpose: &'static str, flag: &'static str) -> Result<(), DemoError> {
    match TcpListener::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)) {
        Ok(_) => Ok(()),
        Err(source) => Err(DemoError::Port { port, purpose, flag, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = port_is_free(port, "the S3 gateway", "--gateway-port").unwrap_err().to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--gateway-port"), "{error}");
        drop(taken);
        assert!(port_is_free(port, "the S3 gateway", "--gateway-port").is_ok());
    }

    #[test]
    fn a_program_that_is_missing_comes_with_the_command_that_gets_it() {
        let arguments = DemoArguments { nanio: Some("/nowhere/nanio".into()), ..DemoArguments::default() };
        let error = Programs::find(&arguments).unwrap_err().to_string();
        assert!(error.contains("/nowhere/nanio") && error.contains("--nanio"), "{error}");
        let error = system("no-such-program-at-all", "some-package").unwrap_err().to_string();
        assert!(error.contains("apt-get install some-package"), "{error}");
    }

    #[test]
    fn the_programs_of_the_demo_are_absolute_paths() {
        let arguments = DemoArguments { nanio: Some("/bin/sh".into()), ..DemoArguments::default() };
        let programs = Programs::find(&arguments).unwrap();
        assert!(programs.nginx.is_absolute() && programs.setpriv.is_absolute());
        assert_eq!(programs.nanio, Path::new("/bin/sh"));
    }
}
