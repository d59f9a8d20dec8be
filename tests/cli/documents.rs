//! Completions, man pages and docs/cli.md are what the program says of itself.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{stderr, stdout};

fn program(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator")).args(arguments).env_clear().output().unwrap()
}

#[test]
fn docs_cli_is_what_the_program_says() {
    let committed = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md")).unwrap();
    let said = stdout(&program(&["cli-docs"]));
    assert!(committed == said, "docs/cli.md is not what the program says: run `make cli-docs`");
    for part in ["## nanio-orchestrator pool member add", "`-o, --output <FORM>`", "  3    no server answers"] {
        assert!(said.contains(part), "{part}");
    }
    assert!(!said.contains("openapi"), "what is hidden stays so");
    // Flags of a group are told with the group, those of a single command with it, and each once.
    let section = |name: &str| {
        said.split(&format!("\n## nanio-orchestrator{name}\n")).nth(1).unwrap().split("\n## ").next().unwrap()
    };
    for (name, has) in [("", false), (" pool", true), (" pool list", false), (" explain", true), (" history", true)] {
        assert_eq!(section(name).contains("`--server <URL>`"), has, "{name}");
    }
    assert_eq!(said.matches("`--reason <TEXT>`").count(), 1);
}

#[test]
fn every_shell_gets_completions_and_bash_takes_them() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = program(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}: {}", stderr(&output));
        assert!(stdout(&output).contains("credentials"), "{shell}");
    }
    let script = program(&["completions", "bash"]).stdout;
    let ask = "source /dev/stdin; COMP_WORDS=(nanio-orchestrator migration pre); COMP_CWORD=2; \
               _nanio_orchestrator nanio-orchestrator pre migration; echo \"${COMPREPLY[*]}\"; complete -p nanio-orchestrator";
    let mut bash = Command::new("bash");
    let mut bash = bash.args(["-c", ask]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut bash.stdin.take().unwrap(), &script).unwrap();
    let said = stdout(&bash.wait_with_output().unwrap());
    assert!(said.starts_with("preflight\n") && said.contains("-F _nanio_orchestrator nanio-orchestrator"), "{said}");
}

#[test]
fn every_command_has_a_man_page() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man");
    let output = program(&["man", pages.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = |name: &str| std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
    assert!(page("nanio-orchestrator").contains("Exit status"));
    assert!(page("nanio-orchestrator-pool-member-add").contains("fail\\-timeout\\-s"));
    assert!(!pages.join("nanio-orchestrator-openapi.1").exists());
}

#[test]
fn help_documents_the_exit_status() {
    for arguments in [&["--help"][..], &["-h"]] {
        let said = stdout(&program(arguments));
        for line in ["Exit status:", "  2    wrong usage", "  3    no server answers", "  130  watching was ended"] {
            assert!(said.contains(line), "{arguments:?}: {line}");
        }
    }
}
