//! The contract, in both layouts.
//!
//! MiniStack is the judge, but for one case: it takes a signed URL from which the signature or the name of its algorithm
//! was removed (see [`crate::s3::emulator`]), so that case goes before the server that checks every signature.

use waiterix_backends::{Backend, given};
use waiterix_contract::Fixture;
use waiterix_ports::BlobStore;

use crate::s3::fixture;
use crate::s3::s3s_server::Server;

/// The case that MiniStack cannot judge.
const FOR_ANOTHER_JUDGE: &str = "b70_a_changed_url_is_refused";

async fn store_in(buckets: usize) -> Option<Fixture<dyn BlobStore>> {
    if waiterix_contract::case_now() == Some(FOR_ANOTHER_JUDGE) {
        let server = Server::start().await;
        return Some(fixture::fresh(&server.url, buckets).await.guarded(server));
    }
    Some(fixture::fresh(&given(Backend::Aws)?, buckets).await)
}

#[test]
fn the_case_for_another_judge_exists() {
    assert!(waiterix_contract::blob::CASES.iter().any(|case| case.name == FOR_ANOTHER_JUDGE));
}

mod one_bucket {
    use super::*;

    async fn fresh() -> Option<Fixture<dyn BlobStore>> {
        store_in(1).await
    }

    waiterix_contract::blob_contract!("S3", fresh);
}

mod two_buckets {
    use super::*;

    async fn fresh() -> Option<Fixture<dyn BlobStore>> {
        store_in(2).await
    }

    waiterix_contract::blob_contract!("S3, two buckets", fresh);
}
