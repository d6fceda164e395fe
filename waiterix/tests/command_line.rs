//! The command line itself; the running service is tested in the workspace's `tests`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test is a panic")]

use std::process::Command;

#[test]
fn help_names_every_command_and_its_options() {
    let help = Command::new(env!("CARGO_BIN_EXE_waiterix")).arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    for command in ["serve", "demo", "openapi"] {
        assert!(text.contains(command), "{command} in {text}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_waiterix")).args(["serve", "--help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("--listen") && text.contains("--data"), "{text}");
}

#[test]
fn an_unknown_command_is_refused_with_a_hint() {
    let output = Command::new(env!("CARGO_BIN_EXE_waiterix")).arg("sevre").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("--help"));
}
