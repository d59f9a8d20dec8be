//! Copiers that a crash left.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nanio_orchestrator::adapters::processes::birth;
use rustix::process::Signal;

use super::place::Place;

/// A process that is on record beside the database of a place.
fn left_at(place: &Place) -> Child {
    let process = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let name = format!("{}.{}.{}", process.id(), birth(process.id()).unwrap(), boot.trim());
    fs::create_dir_all(place.beside(".copiers")).unwrap();
    fs::write(place.beside(".copiers").join(name), "").unwrap();
    process
}

#[test]
fn f45_a_start_ends_the_copiers_of_its_own_earlier_life_and_no_others() {
    let (place, other) = (Place::new(), Place::new());
    let (mut own, mut foreign) = (left_at(&place), left_at(&other));
    let mut server = place.start(place.serve());
    // It has answered: everything that a start does is done.
    place.make_pool("a");
    assert!(own.try_wait().unwrap().is_some_and(|status| !status.success()));
    assert!(foreign.try_wait().unwrap().is_none());
    assert_eq!(fs::read_dir(place.beside(".copiers")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(other.beside(".copiers")).unwrap().count(), 1);
    assert_eq!(server.end(Signal::TERM).code(), Some(0));
    foreign.kill().unwrap();
    foreign.wait().unwrap();
}
