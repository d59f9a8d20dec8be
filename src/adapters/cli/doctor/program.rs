//! Which program the unit runs, and whether it is this one: after a package beside a wheel, or an upgrade of one of them,
//! an operator may type one and have the other serve.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::gather::said;
use super::survey::{Seen, UnitProgram};
use crate::adapters::image::Image;
use crate::adapters::privileged::UNIT;

/// Where systemd looks for units; the first that has one wins.
const PLACES: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system"];
/// What `--version` prints before the number.
const NAME: &str = "nanio-orchestrator ";

/// The program of the service's unit, if there is a unit that names one; `own` is this program.
pub fn of_unit(image: &Image, own: &Path) -> Option<UnitProgram> {
    let path = image.on_disk(&named(image)?);
    let path = fs::canonicalize(&path).unwrap_or(path);
    let is_this = path == own || is_copy(&path, own);
    let version = if is_this { Ok(env!("CARGO_PKG_VERSION").to_owned()) } else { version(&path) };
    Some(UnitProgram { path: image.name_of(&path), is_this, version })
}

/// What `ExecStart=` names, in the unit and in what operators added to it (`systemctl edit`).
fn named(image: &Image) -> Option<PathBuf> {
    let unit = format!("{UNIT}.service");
    let texts = PLACES.iter().map(|place| fs::read_to_string(image.on_disk(&Path::new(place).join(&unit))));
    let mut texts = vec![texts.flatten().next()?];
    // By name, whatever place they are in; the first place wins here, too.
    let mut additions = BTreeMap::new();
    for place in PLACES.iter().rev() {
        let directory = image.on_disk(&Path::new(place).join(format!("{unit}.d")));
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end == "conf") {
                additions.insert(entry.file_name(), entry.path());
            }
        }
    }
    texts.extend(additions.values().filter_map(|path| fs::read_to_string(path).ok()));
    let lines = texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.trim().strip_prefix("ExecStart="));
    let mut words =
        lines.filter_map(|line| line.trim_start_matches(['@', '-', ':', '+', '!', '|']).split_whitespace().next());
    words.next_back().map(|word| PathBuf::from(word.trim_matches('"')))
}

fn is_copy(path: &Path, own: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).map(|metadata| metadata.len()).ok();
    length(path) == length(own) && fs::read(path).ok() == fs::read(own).ok()
}

/// The version of another program of ours. Nothing is called that could be something else.
fn version(path: &Path) -> Seen<String> {
    let mut start = [0; 4];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).map_err(|error| error.to_string())?;
    if start != *b"\x7fELF" || !path.ends_with(NAME.trim_end()) {
        return Err("it is another program".to_owned());
    }
    let told = said(Command::new(path).arg("--version"))?;
    told.strip_prefix(NAME).map(str::to_owned).ok_or_else(|| "it does not tell its version".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn put(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
            let place = self.0.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, bytes).unwrap();
            fs::canonicalize(place).unwrap()
        }

        fn image(&self) -> Image {
            Image::at(self.0.path()).unwrap()
        }
    }

    #[test]
    fn the_unit_of_the_operator_hides_that_of_the_package_and_what_is_added_to_it_counts_last() {
        let machine = Machine::new();
        assert_eq!(named(&machine.image()), None, "there is no unit");
        let unit = |program: &str| format!("[Service]\nExecStartPre=+-/bin/pre\nExecStart={program} serve\n");
        let file = "nanio-orchestrator.service";
        machine.put(&format!("/lib/systemd/system/{file}"), unit("/usr/bin/nanio-orchestrator"));
        assert_eq!(named(&machine.image()), Some("/usr/bin/nanio-orchestrator".into()));
        machine.put(&format!("/etc/systemd/system/{file}"), unit("/opt/one"));
        assert_eq!(named(&machine.image()), Some("/opt/one".into()));
        machine.put(&format!("/lib/systemd/system/{file}.d/20.conf"), "[Service]\nExecStart=\nExecStart=-/opt/two x\n");
        machine.put(&format!("/etc/systemd/system/{file}.d/10.conf"), "[Service]\nExecStart=\nExecStart=/opt/three\n");
        assert_eq!(named(&machine.image()), Some("/opt/two".into()));
        machine.put(&format!("/etc/systemd/system/{file}.d/20.conf"), "[Service]\nNice=5\n");
        assert_eq!(named(&machine.image()), Some("/opt/three".into()));
    }

    #[test]
    fn a_copy_is_this_program_and_anything_else_is_not_called() {
        let machine = Machine::new();
        let unit = "[Service]\nExecStart=/opt/nanio-orchestrator/bin/nanio-orchestrator serve\n";
        machine.put("/etc/systemd/system/nanio-orchestrator.service", unit);
        let own = machine.put("/root/nanio-orchestrator", "\x7fELF, and so on");
        let seen = || of_unit(&machine.image(), &own).unwrap();
        assert!(!seen().is_this && seen().version.unwrap_err().contains("No such file"));
        let copy = machine.put("/opt/nanio-orchestrator/bin/nanio-orchestrator", "\x7fELF, and so on");
        assert!(seen().is_this);
        fs::write(&copy, "#!/usr/bin/python3\n").unwrap();
        assert_eq!(seen().version, Err("it is another program".to_owned()));
        assert_eq!(seen().path, Path::new("/opt/nanio-orchestrator/bin/nanio-orchestrator"));
    }
}
