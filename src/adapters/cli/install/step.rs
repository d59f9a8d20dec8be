//! What an installed machine has, as values: who reads them can tell, without a machine, what would be done.

use std::fmt;
use std::path::{Path, PathBuf};

use super::layout::{COPY, HOME, Layout, USER};
use super::{config_env, sudoers, unit};

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Root's.
    Root,
    /// The service's.
    Service,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Root { "root" } else { USER })
    }
}

/// User, group and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// The user.
    pub user: Who,
    /// The group.
    pub group: Who,
    /// The mode.
    pub mode: u32,
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {:04o}", self.user, self.group, self.mode)
    }
}

const fn of_root(mode: u32) -> Rights {
    Rights { user: Who::Root, group: Who::Root, mode }
}

const fn of_service(mode: u32) -> Rights {
    Rights { user: Who::Service, group: Who::Service, mode }
}

/// Root's, and the service may look at it or, where the mode says so, write it.
const fn shared(mode: u32) -> Rights {
    Rights { user: Who::Root, group: Who::Service, mode }
}

/// How a new text is tried before it takes the place of the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// It is not.
    None,
    /// `visudo -c`.
    Visudo,
    /// `nginx -t`.
    Nginx,
}

/// A file whose whole text is known.
#[derive(Clone, PartialEq, Eq)]
pub struct TextFile {
    /// Where.
    pub path: PathBuf,
    /// Whose; `None`: as those of the file that it replaces.
    pub rights: Option<Rights>,
    /// What it says.
    pub text: String,
    /// Whether one that is there stays, whatever it says.
    pub once: bool,
    /// Who has to accept it.
    pub trial: Trial,
}

impl fmt::Debug for TextFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// One thing that an installed machine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The service's user, and a group of the same name.
    Account,
    /// A copy of the program, where the service can run it.
    Program {
        /// The program.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
    },
    /// A directory.
    Directory {
        /// Where.
        path: PathBuf,
        /// Whose.
        rights: Rights,
        /// Whether everything in it is the service's too.
        whole: bool,
    },
    /// A file.
    File(TextFile),
    /// The file with which root's nginx tests candidates: as nginx.conf, but for where its includes lead.
    Candidate {
        /// nginx's main file.
        conf: PathBuf,
        /// The managed directory.
        managed: PathBuf,
    },
    /// A file of an earlier installation, which must not stay in its place.
    Aside {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        since: &'static str,
    },
    /// systemd has read the units.
    ManagerReload,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => write!(f, "system user and group {USER}"),
            Self::Program { to, .. } => write!(f, "program {}", to.display()),
            Self::Directory { path, rights, .. } => write!(f, "directory {} ({rights})", path.display()),
            Self::File(TextFile { path, rights: Some(rights), .. }) => write!(f, "file {} ({rights})", path.display()),
            Self::File(TextFile { path, .. }) => write!(f, "file {}", path.display()),
            Self::Candidate { conf, .. } => {
                write!(f, "file {} (root:root 0644)", crate::adapters::privileged::candidate_of(conf).display())
            }
            Self::Aside { path, .. } => write!(f, "no {}", path.display()),
            Self::ManagerReload => f.write_str("systemd knows the units"),
        }
    }
}

/// What is wanted beyond what the layout says.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Key and secret for a new config.env.
    pub api_key: String,
    /// See `api_key`.
    pub secret: String,
    /// Whether a package brings program and units.
    pub packaged: bool,
    /// The new text of nginx.conf, if it is to be changed.
    pub nginx_conf: Option<String>,
}

/// Everything that an installed machine has, in the order in which it is to be made.
///
/// # Errors
/// None; as [`Layout::usual`].
pub fn plan(layout: &Layout, wish: &Wish) -> Result<Vec<Step>, String> {
    let mut steps = vec![Step::Account, directory(Path::new(HOME), of_root(0o755))];
    if let Some(from) = &layout.copied_from {
        steps.push(directory(layout.program.parent().unwrap_or(Path::new(HOME)), of_root(0o755)));
        steps.push(Step::Program { from: from.clone(), to: layout.program.clone() });
    }
    let whole = |path: &Path, mode| Step::Directory { path: path.to_owned(), rights: of_service(mode), whole: true };
    steps.push(whole(&layout.data, 0o700));
    // nginx's workers look for names that they know, and nobody sees which there are.
    steps.push(whole(&layout.gate, 0o711));
    steps.push(directory(layout.env_file.parent().unwrap_or(Path::new("/etc")), shared(0o750)));
    steps.push(Step::File(TextFile {
        path: layout.env_file.clone(),
        // The service changes settings for clients of the API; whose place the file has, and whether it stays there, is
        // root's to say.
        rights: Some(shared(0o660)),
        text: config_env::text(&wish.api_key, &wish.secret),
        once: true,
        trial: Trial::None,
    }));
    steps.push(whole(&layout.managed, 0o755));
    steps.extend(["pools", "vhosts"].map(|kind| whole(&layout.managed.join(kind), 0o755)));
    steps.push(root_file(sudoers::PATH.into(), 0o440, sudoers::rule(layout), Trial::Visudo));
    if let Some(text) = &wish.nginx_conf {
        let (path, text) = (layout.nginx_conf.clone(), text.clone());
        steps.push(Step::File(TextFile { path, rights: None, text, once: false, trial: Trial::Nginx }));
    }
    steps.push(Step::Candidate { conf: layout.nginx_conf.clone(), managed: layout.managed.clone() });
    let brought = if wish.packaged { unit::units(&Layout::usual()?).to_vec() } else { Vec::new() };
    for (name, text) in unit::units(layout) {
        let path = Path::new(super::layout::UNITS).join(&name);
        // One of the package's that does not fit the settings of this machine gives way to one that does.
        let fits = brought.contains(&(name, text.clone()));
        let hidden = Step::Aside { path: path.clone(), since: "hides that of the package" };
        steps.push(if fits { hidden } else { root_file(path, 0o644, text, Trial::None) });
    }
    steps.push(Step::ManagerReload);
    // Only now does no unit run it any more.
    if layout.program != Path::new(COPY) {
        steps.push(Step::Aside { path: COPY.into(), since: "is a copy that no unit runs" });
    }
    Ok(steps)
}

/// The units, in a directory for units.
pub fn unit_files(layout: &Layout, directory: &Path) -> Vec<Step> {
    let units = unit::units(layout).into_iter();
    units.map(|(name, text)| root_file(directory.join(name), 0o644, text, Trial::None)).collect()
}

fn directory(path: &Path, rights: Rights) -> Step {
    Step::Directory { path: path.to_owned(), rights, whole: false }
}

fn root_file(path: PathBuf, mode: u32, text: String, trial: Trial) -> Step {
    Step::File(TextFile { path, rights: Some(of_root(mode)), text, once: false, trial })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(wish: &Wish) -> Vec<String> {
        plan(&Layout::usual().unwrap(), wish).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_plan_names_everything_with_its_rights() {
        assert_eq!(
            shown(&Wish::default()),
            [
                "system user and group nanio-orchestrator",
                "directory /opt/nanio-orchestrator (root:root 0755)",
                "directory /opt/nanio-orchestrator/data (nanio-orchestrator:nanio-orchestrator 0700)",
                "directory /opt/nanio-orchestrator/gate (nanio-orchestrator:nanio-orchestrator 0711)",
                "directory /etc/nanio-orchestrator (root:nanio-orchestrator 0750)",
                "file /etc/nanio-orchestrator/config.env (root:nanio-orchestrator 0660)",
                "directory /etc/nginx/nanio (nanio-orchestrator:nanio-orchestrator 0755)",
                "directory /etc/nginx/nanio/pools (nanio-orchestrator:nanio-orchestrator 0755)",
                "directory /etc/nginx/nanio/vhosts (nanio-orchestrator:nanio-orchestrator 0755)",
                "file /etc/sudoers.d/nanio-orchestrator (root:root 0440)",
                "file /etc/nginx/nanio-candidate.conf (root:root 0644)",
                "file /etc/systemd/system/nanio-orchestrator.service (root:root 0644)",
                "file /etc/systemd/system/nanio-orchestrator-deputy.socket (root:root 0644)",
                "file /etc/systemd/system/nanio-orchestrator-deputy@.service (root:root 0644)",
                "systemd knows the units",
                "no /opt/nanio-orchestrator/bin/nanio-orchestrator",
            ]
        );
    }

    #[test]
    fn a_package_brings_the_units_itself() {
        let shown = shown(&Wish { packaged: true, ..Wish::default() });
        assert!(shown.contains(&"no /etc/systemd/system/nanio-orchestrator.service".to_owned()), "{shown:?}");
        assert!(!shown.iter().any(|step| step.starts_with("file /etc/systemd")), "{shown:?}");
        let elsewhere = Layout { data: "/srv/nanio".into(), ..Layout::usual().unwrap() };
        let steps = plan(&elsewhere, &Wish { packaged: true, ..Wish::default() }).unwrap();
        let shown: Vec<String> = steps.iter().map(ToString::to_string).collect();
        let own: Vec<&String> = shown.iter().filter(|step| step.starts_with("file /etc/systemd")).collect();
        assert_eq!(
            own,
            ["file /etc/systemd/system/nanio-orchestrator.service (root:root 0644)"],
            "its data are elsewhere"
        );
    }

    #[test]
    fn the_copy_stays_as_long_as_units_run_it() {
        let layout = Layout { program: COPY.into(), ..Layout::usual().unwrap() };
        let steps = plan(&layout, &Wish::default()).unwrap();
        assert!(!steps.iter().any(|step| matches!(step, Step::Aside { .. })), "{steps:?}");
    }

    #[test]
    fn no_step_shows_a_secret() {
        let wish = Wish { api_key: "the-key".into(), secret: "the-secret".into(), ..Wish::default() };
        let told = format!("{:?} {:?}", plan(&Layout::usual().unwrap(), &wish), shown(&wish));
        assert!(!told.contains("the-key") && !told.contains("the-secret"), "{told}");
    }
}
