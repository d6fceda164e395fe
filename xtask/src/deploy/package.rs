//! Calls of osls.

use std::path::Path;
use std::process::Command;

use crate::command::{Failure, output_of, root};

/// The region of examples.
pub(super) const REGION: &str = "eu-central-1";
/// The names of a stage that is nobody's.
const EXAMPLE: [(&str, &str); 9] = [
    ("AWS_REGION", REGION),
    ("FRONTEND_URL", "https://menu.example.com,https://kitchen.example.com"),
    ("MAIL_DOMAIN", "mail.example.com"),
    ("SES_FROM_EMAIL", "orders@mail.example.com"),
    ("SUPPORT_EMAIL", "support@example.com"),
    ("ALARM_EMAIL", "oncall@example.com"),
    ("FIREBASE_PROJECT_ID", ""),
    ("COOKIE_SAME_SITE", "none"),
    ("API_BASE_URL", ""),
];
/// Domains of its own, all of which a stage may do without.
const DOMAINS: [(&str, &str); 3] = [
    ("API_DOMAIN", "api.example.com"),
    ("WEBSOCKET_DOMAIN", "live.example.com"),
    (
        "CERTIFICATE_ARN",
        "arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef",
    ),
];

/// osls in the folder of the stack, telling nobody about it.
pub(super) fn osls(program: &Path, archives: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(root().join("deploy"))
        .env("WAITERIX_ARCHIVES", archives)
        .env("SLS_TELEMETRY_DISABLED", "1")
        .env("SLS_NOTIFICATIONS_MODE", "off");
    command
}

/// Packages a stage with the names of an example, into a folder of its own. Whatever credentials there are, it gets none.
pub(super) fn example(program: &Path, stage: &str, archives: &Path, folder: &Path) -> Result<(), Failure> {
    package(osls(program, archives).envs(DOMAINS), stage, folder)?;
    println!("    the stage {stage} is packaged");
    Ok(())
}

/// The same without domains of its own, as the file of names is before anybody has filled them in.
pub(super) fn without_domains(
    program: &Path,
    stage: &str,
    archives: &Path,
    folder: &Path,
) -> Result<(), Failure> {
    package(osls(program, archives).envs(DOMAINS.map(|(name, _)| (name, ""))), stage, folder)?;
    println!("    the stage {stage} is packaged without domains of its own");
    Ok(())
}

fn package(command: &mut Command, stage: &str, folder: &Path) -> Result<(), Failure> {
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    command.envs(EXAMPLE).args(["package", "--stage", stage, "--package"]).arg(folder.join(stage));
    output_of(command).map(drop)
}
