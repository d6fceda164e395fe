//! The old providers beside the database, for `cargo xtask demo-migration`: a bucket of the emulator of Google Cloud Storage behind
//! what checks as Google does, and a mail provider that speaks as Resend does. Says on standard output by which variables the
//! service finds them, one `NAME=value` per line and an empty line at the end, and ends when standard input does.

use std::io::{Read as _, Write as _};

use waiterix_tests::gcs::Bucket;
use waiterix_tests::resend::{self, Resend};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bucket = Bucket::make().await.ok_or("WAITERIX_TEST_GCS_URL does not say where the emulator is")?;
    let resend = Resend::start().await;
    let mut lines = String::new();
    for (name, value) in bucket.variables() {
        lines += &format!("{name}={value}\n");
    }
    // Not for the service, but for whoever looks into the bucket past it.
    lines += &format!("STORAGE_TOKEN={}\n", bucket.token());
    lines += &format!("RESEND_API_KEY={}\n", resend::KEY);
    lines += &format!("RESEND_BASE_URL={}\n\n", resend.url.as_str().trim_end_matches('/'));
    std::io::stdout().write_all(lines.as_bytes())?;
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
