//! Where everything is on the machine that is installed to.

use std::path::{Path, PathBuf};

use crate::adapters::image::Image;
use crate::adapters::privileged::{UNIT, candidate_of};
use crate::config::{EnvFile, Outlook, PRODUCTION_FILE, Sources};

/// The user that the service runs as, and its group.
pub const USER: &str = "nanio-orchestrator";
/// What the installer alone puts files into: the home of the service.
pub const HOME: &str = "/opt/nanio-orchestrator";
/// The copy that units run of a program that they cannot run where it is.
pub const COPY: &str = "/opt/nanio-orchestrator/bin/nanio-orchestrator";
/// Where units are that no package brought.
pub const UNITS: &str = "/etc/systemd/system";
/// Where units are that a package brought.
pub const PACKAGE_UNITS: &str = "/lib/systemd/system";
/// Where a package puts the program.
const PACKAGE_PROGRAM: &str = "/usr/bin/nanio-orchestrator";

/// Where systemd looks for the programs of a service, in this order.
const PROGRAMS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Paths of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The program that the service runs.
    pub program: PathBuf,
    /// Where it is copied from, if it cannot be run where it is.
    pub copied_from: Option<PathBuf>,
    /// The settings.
    pub env_file: PathBuf,
    /// The database.
    pub database: PathBuf,
    /// Its directory.
    pub data: PathBuf,
    /// Tokens, journals and sockets of migrations.
    pub gate: PathBuf,
    /// nginx's managed files.
    pub managed: PathBuf,
    /// The nginx program.
    pub nginx: PathBuf,
    /// nginx's main file.
    pub nginx_conf: PathBuf,
    /// systemd's client.
    pub systemctl: PathBuf,
    /// Directories of logs and backups that the settings name.
    pub more: Vec<PathBuf>,
    /// The port that is listened on.
    pub port: u16,
}

impl Layout {
    /// As the settings of the machine say, for a program that is at `program` now.
    ///
    /// # Errors
    /// A path that neither a unit nor a rule of sudo could hold as it is.
    pub fn of(image: &Image, program: &Path) -> Result<Self, String> {
        Self::from_outlook(image, &Outlook::of(&sources(image)?), program)
    }

    /// The same, as these settings say.
    ///
    /// # Errors
    /// As [`Layout::of`].
    pub fn from_outlook(image: &Image, outlook: &Outlook, program: &Path) -> Result<Self, String> {
        let places = place_of(image, program);
        Self::made(outlook, places, |name, usual| find(image, name).unwrap_or_else(|| usual.into()))
    }

    /// That of a machine on which nothing was chosen: what a package brings is made for it.
    ///
    /// # Errors
    /// None; as [`Layout::of`].
    pub fn usual() -> Result<Self, String> {
        let places = (PathBuf::from(PACKAGE_PROGRAM), None);
        Self::made(&Outlook::of(&Sources::default()), places, |_name, usual| usual.into())
    }

    fn made(
        outlook: &Outlook,
        (program, copied_from): (PathBuf, Option<PathBuf>),
        find: impl Fn(&str, &str) -> PathBuf,
    ) -> Result<Self, String> {
        let text = |key: &str| outlook.text(key).map(PathBuf::from);
        let path = |key: &str| text(key).ok_or_else(|| format!("the setting {key} has no value"));
        let parent = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
        let layout = Self {
            program,
            copied_from,
            env_file: PRODUCTION_FILE.into(),
            database: path("db_path")?,
            data: parent(&path("db_path")?),
            gate: path("migration_gate_dir")?,
            managed: path("nginx_config_dir")?,
            nginx: text("nginx_bin").unwrap_or_else(|| find("nginx", "/usr/sbin/nginx")),
            nginx_conf: path("nginx_conf")?,
            systemctl: find("systemctl", "/usr/bin/systemctl"),
            more: ["log_file", "db_backup_path"].into_iter().filter_map(text).map(|path| parent(&path)).collect(),
            port: outlook.text("port").and_then(|port| port.parse().ok()).unwrap_or(8080),
        };
        layout.expect_plain()?;
        Ok(layout)
    }

    /// Whether program and units are those of a package.
    pub fn is_packaged(&self, image: &Image) -> bool {
        let unit = Path::new(PACKAGE_UNITS).join(format!("{UNIT}.service"));
        self.program == Path::new(PACKAGE_PROGRAM) && image.on_disk(&unit).exists()
    }

    /// The candidate main file.
    pub fn candidate(&self) -> PathBuf {
        candidate_of(&self.nginx_conf)
    }

    /// The files of a unit, of a rule of sudo and of a shell all give some characters a meaning of their own. None of
    /// them is in any of our paths, so that nothing is to be quoted anywhere.
    fn expect_plain(&self) -> Result<(), String> {
        let named =
            [&self.program, &self.env_file, &self.data, &self.gate, &self.managed, &self.nginx, &self.systemctl];
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+@".contains(&b));
        for path in named.into_iter().chain([&self.nginx_conf]).chain(&self.more) {
            if !path.is_absolute() || !path.to_str().is_some_and(plain) {
                return Err(format!(
                    "{}: a path that is installed must be absolute and made of letters, digits and / . _ - + @, since \
                     systemd and sudo read other characters as something else; nothing was changed",
                    path.display()
                ));
            }
        }
        Ok(())
    }
}

/// The settings that the machine has, of its file alone.
pub fn sources(image: &Image) -> Result<Sources, String> {
    let on_disk = image.on_disk(Path::new(PRODUCTION_FILE));
    let file = EnvFile::read(&on_disk.to_string_lossy()).map_err(|problem| problem.to_string())?;
    let production_file = file.map(|file| EnvFile { path: PRODUCTION_FILE.to_owned(), ..file });
    Ok(Sources { production_file, ..Sources::default() })
}

/// Where the service finds the program: where it is, if that is a place for programs; otherwise a copy of it, since the
/// service's user may not look into a home, nor another machine into this one.
fn place_of(image: &Image, program: &Path) -> (PathBuf, Option<PathBuf>) {
    let stays = ["/usr", "/opt", "/bin", "/sbin"].iter().any(|place| program.starts_with(place));
    if image.is_here() && stays {
        return (program.to_owned(), None);
    }
    let own = image.name_of(program);
    if !image.is_here() && own != program {
        return (own, None);
    }
    (COPY.into(), Some(program.to_owned()))
}

fn find(image: &Image, name: &str) -> Option<PathBuf> {
    let places = PROGRAMS.iter().map(|place| Path::new(place).join(name));
    places.into_iter().find(|path| image.on_disk(path).is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn image(env: &str) -> (tempfile::TempDir, Image) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("etc/nanio-orchestrator")).unwrap();
        fs::create_dir_all(directory.path().join("usr/local/sbin")).unwrap();
        fs::write(directory.path().join("usr/local/sbin/nginx"), "").unwrap();
        fs::write(directory.path().join("etc/nanio-orchestrator/config.env"), env).unwrap();
        let image = Image::at(directory.path()).unwrap();
        (directory, image)
    }

    #[test]
    fn the_settings_of_the_machine_say_where_things_are() {
        let env = "NANIO_ORCHESTRATOR_DB_PATH=/srv/db/o.db\nNANIO_ORCHESTRATOR_LOG_FILE=/srv/log/o.log\n\
                   NANIO_ORCHESTRATOR_PORT=443\nNANIO_ORCHESTRATOR_API_KEY=changeme\n";
        let (_directory, image) = image(env);
        let layout = Layout::of(&image, Path::new("/root/.local/bin/nanio-orchestrator")).unwrap();
        assert_eq!(layout.data, Path::new("/srv/db"));
        assert_eq!(layout.more, [PathBuf::from("/srv/log")]);
        assert_eq!(layout.nginx, Path::new("/usr/local/sbin/nginx"));
        assert_eq!(layout.candidate(), Path::new("/etc/nginx/nanio-candidate.conf"));
        assert_eq!(layout.port, 443);
        assert_eq!(layout.program, Path::new(COPY));
        assert_eq!(layout.copied_from.as_deref(), Some(Path::new("/root/.local/bin/nanio-orchestrator")));
    }

    #[test]
    fn a_program_in_a_place_for_programs_stays_where_it_is() {
        for (program, stays) in [
            ("/usr/bin/nanio-orchestrator", true),
            ("/opt/nanio-orchestrator/venv/bin/nanio-orchestrator", true),
            ("/root/.local/share/pipx/venvs/nanio-orchestrator/bin/nanio-orchestrator", false),
            ("/home/me/target/release/nanio-orchestrator", false),
        ] {
            assert_eq!(place_of(&Image::here(), Path::new(program)).1.is_none(), stays, "{program}");
        }
        let (directory, image) = image("");
        let inside = fs::canonicalize(directory.path()).unwrap().join("usr/bin/nanio-orchestrator");
        assert_eq!(place_of(&image, &inside), ("/usr/bin/nanio-orchestrator".into(), None));
        assert!(place_of(&image, Path::new("/usr/bin/nanio-orchestrator")).1.is_some(), "it is not in the image");
    }

    #[test]
    fn a_path_that_sudo_or_systemd_would_read_otherwise_is_refused() {
        for path in ["/srv/a b/o.db", "/srv/%h/o.db", "/srv/*/o.db", "/srv/a:b/o.db", "/srv/a\\\\b/o.db"] {
            let (_directory, image) = image(&format!("NANIO_ORCHESTRATOR_DB_PATH=\"{path}\"\n"));
            let told = Layout::of(&image, Path::new("/usr/bin/x")).unwrap_err();
            assert!(told.contains("/srv/") && told.contains("nothing was changed"), "{told}");
        }
    }
}
