//! The cases of [`BlobStore`].
//!
//! The cases about signed URLs send real HTTP requests to them, so something must serve those URLs as long as the
//! fixture lives: the store's own server, or [`SignedUrls`].

pub mod copy;
pub mod differential;
pub mod list;
pub mod presign;
pub mod put;
pub mod read;
mod signed_urls;

use futures_util::TryStreamExt as _;
use waiterix_domain::id::UserId;
use waiterix_ports::{BlobMeta, BlobStore, ByteStream, Bytes, ErrorKind, PutBlob, Result, Visibility};

use crate::Fixture;

pub use signed_urls::{Served, SignedUrls};

/// A fresh store of objects.
type Fresh = Fixture<dyn BlobStore>;

/// Texts that are no keys.
fn malformed_keys() -> Vec<String> {
    let mut bad: Vec<String> = [
        "",
        "/",
        "/a",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "./a",
        "a/./b",
        "a\nb",
        "a\r\nX: y",
        "nul\u{0}",
        "a\u{7f}",
        "\u{85}",
    ]
    .map(str::to_owned)
    .to_vec();
    bad.extend(["k".repeat(1025), format!("{}ä", "k/".repeat(511) + "k")]);
    bad
}

/// A stream of these pieces.
fn pieces(pieces: Vec<Result<Bytes>>) -> ByteStream {
    Box::pin(futures_util::stream::iter(pieces))
}

/// Stores bytes and nothing else that matters.
#[allow(clippy::unwrap_used, reason = "a failed case is a panic")]
async fn store(fixture: &Fresh, key: &str, bytes: impl Into<Bytes> + Send) -> BlobMeta {
    fixture.port.put(key, PutBlob::new(bytes)).await.unwrap()
}

/// The bytes of an object.
async fn bytes_of(fixture: &Fresh, key: &str) -> Result<Vec<u8>> {
    collect(fixture.port.get(key, None).await?.body).await
}

async fn collect(body: ByteStream) -> Result<Vec<u8>> {
    let parts: Vec<Bytes> = body.try_collect().await?;
    Ok(parts.concat())
}

async fn is_missing(fixture: &Fresh, key: &str) -> bool {
    let (head, get) = (fixture.port.head(key).await, fixture.port.get(key, None).await);
    matches!((head, get), (Err(head), Err(get))
        if head.kind() == ErrorKind::NotFound && get.kind() == ErrorKind::NotFound)
}

/// All keys with a prefix, by pages of a size.
#[allow(clippy::unwrap_used, reason = "a failed case is a panic")]
async fn keys_with(fixture: &Fresh, prefix: &str, limit: u32) -> Vec<String> {
    let (mut keys, mut from) = (Vec::new(), None);
    for _ in 0..1000 {
        let page = fixture.port.list(prefix, from.as_deref(), limit).await.unwrap();
        assert!(page.keys.len() <= limit as usize, "{} keys on a page of {limit}", page.keys.len());
        keys.extend(page.keys.into_iter().map(|(key, _)| key));
        from = page.next;
        if from.is_none() {
            return keys;
        }
    }
    unreachable!("a listing of {} keys has no last page", keys.len())
}

/// An object with everything about it said.
fn described(bytes: &'static str) -> PutBlob {
    let mut blob = PutBlob::new(bytes);
    blob.content_type = Some("image/webp".to_owned());
    blob.cache_control = Some("public, max-age=604800".to_owned());
    blob.owner = Some(UserId::from("auth0|anna ü"));
    blob.visibility = Visibility::Public;
    blob
}

crate::cases! {
    ($)
    /// Expands to one test per clause of [`waiterix_ports::BlobStore`]; takes the path of an
    /// `async fn() -> Fixture<dyn BlobStore>`.
    blob_contract, blob, dyn BlobStore;
    put::b1_everything_is_read_back_as_it_was_stored,
    put::b1_what_nobody_said_is_private_and_unowned,
    put::b1_an_overwrite_keeps_nothing_of_the_old_object,
    put::b1_any_bytes_in_any_pieces_survive,
    put::b2_a_failed_put_leaves_the_old_object,
    put::b2_readers_see_the_old_object_or_the_new_one,
    put::b3_create_and_if_match_say_when_to_replace,
    put::b3_of_several_creates_exactly_one_succeeds,
    put::b3_of_several_replacements_of_one_etag_exactly_one_succeeds,
    put::b4_a_body_at_the_limit_is_fine_and_above_it_invalid,
    put::b4_a_body_of_another_length_than_announced_is_invalid,
    put::b5_content_types_are_told_by_the_bytes,
    put::b5_a_content_type_that_is_said_stays,
    put::b6_malformed_keys_are_invalid_and_nothing_is_stored,
    put::b6_odd_keys_are_kept_apart,
    put::b7_memory_stays_bounded,
    read::b10_a_missing_object_is_not_found,
    read::b11_ranges_are_exact,
    read::b11_a_range_that_names_no_byte_is_invalid,
    read::b12_the_body_arrives_in_pieces,
    read::b12_a_reader_may_stop_early,
    read::b20_head_says_the_same_as_get,
    read::b20_an_etag_changes_with_the_bytes,
    list::b30_a_deleted_object_is_gone,
    list::b30_a_key_is_free_after_a_delete,
    list::b40_pages_name_every_object_once_in_order,
    list::b40_deleting_what_was_named_skips_nothing,
    list::b40_sizes_are_told,
    list::b40_limits_outside_one_to_a_thousand_are_invalid,
    list::b41_only_keys_with_the_prefix_are_named,
    copy::b50_a_copy_equals_its_source,
    copy::b50_a_copy_is_never_more_visible,
    copy::b50_a_copy_onto_itself_changes_nothing,
    copy::b50_a_copy_lives_on_without_its_source,
    copy::b50_a_malformed_target_is_invalid,
    copy::b51_a_missing_source_leaves_the_target,
    copy::b60_access_changes_and_nothing_else,
    copy::b60_a_missing_object_is_not_found,
    presign::b70_the_signed_upload_is_taken,
    presign::b70_another_type_is_refused,
    presign::b70_another_length_is_refused,
    presign::b70_a_changed_url_is_refused,
    presign::b70_a_url_past_its_end_is_refused,
    presign::b70_a_request_without_type_and_length_is_taken,
    presign::b70_odd_keys_can_be_signed,
    presign::b70_a_malformed_key_cannot_be_signed,
    presign::b71_without_the_query_nothing_is_allowed,
    presign::b72_a_second_put_does_not_replace_the_object,
    presign::b72_an_object_that_was_there_before_is_not_replaced,
    presign::b80_a_signed_download_works_for_a_private_object,
    presign::b80_not_for_another_key_or_another_method,
    presign::b80_not_past_its_end,
    presign::b90_a_working_store_is_proven_and_unchanged,
}
