//! What was proven, for the table of adapters and clauses: one small file per case in the folder that the test command
//! names.

use std::fs;
use std::path::PathBuf;

/// The variable that names the folder; without it nothing is recorded.
const FOLDER: &str = "WAITERIX_CONTRACT_RECORD";

/// The record of one case.
pub(crate) struct Record(Option<PathBuf>);

impl Record {
    /// Notes that a case has begun; what does not get further than this has failed.
    pub(crate) fn begin(port: &str, adapter: &str, case: &str) -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "the test command speaks to its tests through the environment"
        )]
        let folder = std::env::var_os(FOLDER).map(PathBuf::from);
        let record = Self(folder.map(|folder| folder.join(port).join(adapter).join(case)));
        record.write("failed");
        record
    }

    /// Notes how it ended.
    pub(crate) fn end(&self, passed: bool) {
        self.write(if passed { "passed" } else { "left out" });
    }

    #[allow(clippy::expect_used, reason = "a record that cannot be written would be a gap without a reason")]
    fn write(&self, what: &str) {
        if let Some(file) = &self.0 {
            fs::create_dir_all(file.parent().expect("a folder per adapter"))
                .expect("a folder for the record");
            fs::write(file, what).expect("a record of the case");
        }
    }
}
