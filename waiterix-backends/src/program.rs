//! Local programs, found or installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::Fault;
use crate::process::{is_root, run};

/// One installation at a time, within this process.
static INSTALLING: Mutex<()> = Mutex::new(());

/// A program of a Debian package: on the path, in one of the folders, or installed.
pub(crate) fn debian(program: &'static str, package: &str, folders: &[&str]) -> Result<PathBuf, Fault> {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = find(program, folders) {
        return Ok(found);
    }
    let missing = |why: String| Fault::Missing {
        program,
        why,
        remedy: format!(
            "install the package {package} (apt-get install {package}), or say where a server is"
        ),
    };
    if !is_root() {
        return Err(missing("only root may install Debian packages".to_owned()));
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-y", "-o", "DPkg::Lock::Timeout=120"]).args(arguments);
        // Whatever a package wants to start, it is not wanted: tests start servers of their own.
        command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        run(&mut command)
    };
    let installed = apt(&["update"]).and_then(|_| apt(&["install", "--no-install-recommends", package]));
    installed.map_err(|fault| missing(fault.to_string()))?;
    find(program, folders).ok_or_else(|| missing(format!("the package {package} does not hold it")))
}

fn find(program: &str, folders: &[&str]) -> Option<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "programs are looked for where the developer has them")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let elsewhere = folders.iter().flat_map(|pattern| expanded(pattern));
    // The folders say more exactly what is meant than the path does.
    elsewhere.chain(on_path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The folders of a pattern with at most one `*`, the last first: that is the newest version.
fn expanded(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![pattern.into()] };
    let Ok(entries) = fs::read_dir(before) else { return Vec::new() };
    let mut versions: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    versions.sort();
    versions.reverse();
    versions.iter().map(|version| version.join(after.trim_start_matches('/'))).collect()
}

/// A program of a Python package at a version, from a private environment.
pub(crate) fn python(program: &'static str, package: &str, version: &str) -> Result<PathBuf, Fault> {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let home = private_folder().join(format!("{package}-{version}"));
    let found = home.join("bin").join(program);
    if found.is_file() {
        return Ok(found);
    }
    let missing = |fault: Fault| Fault::Missing {
        program,
        why: fault.to_string(),
        remedy: "install Python 3.11 or newer with venv and pip, or say where a server is".to_owned(),
    };
    // It gets its name when it is complete; an environment cannot be moved, so it is made in its place and what is
    // unfinished is told by the program that is not there yet.
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    let install = || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        let wanted = format!("{package}=={version}");
        let pip = ["install", "--quiet", "--disable-pip-version-check", &wanted];
        run(Command::new(home.join("bin/pip")).args(pip))
    };
    install().map_err(missing)?;
    Ok(found)
}

/// The main file of an npm package at a version, from a private folder.
pub(crate) fn npm(program: &'static str, version: &str) -> Result<PathBuf, Fault> {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let home = private_folder().join(format!("{program}-{version}"));
    let found = home.join("node_modules/.bin").join(program);
    if found.is_file() {
        return Ok(found);
    }
    fs::create_dir_all(&home)?;
    let wanted = format!("{program}@{version}");
    let arguments = ["install", "--no-audit", "--no-fund", "--no-save", "--loglevel=error", "--prefix"];
    run(Command::new("npm").args(arguments).arg(&home).arg(wanted)).map_err(|fault| Fault::Missing {
        program,
        why: fault.to_string(),
        remedy: "install Node.js 20 with npm, or say where a server is".to_owned(),
    })?;
    Ok(found)
}

/// The folder of modules with npm packages at versions, kept under a name in a private folder. Tests run in many
/// processes, of which one installs.
pub(crate) fn npm_modules(name: &str, packages: &[(&str, &str)]) -> Result<PathBuf, Fault> {
    let folder = private_folder();
    fs::create_dir_all(&folder)?;
    let wanted: Vec<String> =
        packages.iter().map(|(package, version)| format!("{package}@{version}")).collect();
    let (home, complete) = (folder.join(name), folder.join(name).join("complete"));
    let lock = fs::File::create(folder.join(format!("{name}.lock")))?;
    lock.lock()?;
    // What is there may be unfinished, or of other versions.
    if fs::read_to_string(&complete).is_ok_and(|list| list == wanted.join(" ")) {
        return Ok(home.join("node_modules"));
    }
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    fs::create_dir_all(&home)?;
    let arguments = ["install", "--no-audit", "--no-fund", "--no-save", "--loglevel=error", "--prefix"];
    run(Command::new("npm").args(arguments).arg(&home).args(&wanted)).map_err(|fault| Fault::Missing {
        program: "npm",
        why: fault.to_string(),
        remedy: "install Node.js 20 with npm".to_owned(),
    })?;
    fs::write(&complete, wanted.join(" "))?;
    Ok(home.join("node_modules"))
}

/// Where programs that only tests need are kept.
fn private_folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    #[allow(clippy::disallowed_methods, reason = "they are kept where everything built is kept")]
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    own.parent().unwrap_or(own).join(target).join("backends")
}
