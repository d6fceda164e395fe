//! The operations of [`waiterix_ports::BlobStore`].

use super::{Operation, Port};

const PORT: Port = Port::Blob;

/// [`waiterix_ports::BlobStore::put`].
pub static PUT: Operation = Operation::writes(
    PORT,
    "blob.put",
    "a body can be read once; and a second `Create`, or `IfMatch`, would conflict with the first (B3)",
)
.transfer()
.harmful();
/// [`waiterix_ports::BlobStore::get`], up to the answer that holds the body.
pub static GET: Operation = Operation::reads(PORT, "blob.get", "reading changes nothing").transfer();
/// The body that [`waiterix_ports::BlobStore::get`] answers with. It is not sent again: what was read is with the
/// caller already.
pub static GET_BODY: Operation =
    Operation::reads(PORT, "blob.get_body", "its first bytes are with the caller already")
        .transfer()
        .harmful();
/// [`waiterix_ports::BlobStore::head`].
pub static HEAD: Operation = Operation::reads(PORT, "blob.head", "reading changes nothing");
/// [`waiterix_ports::BlobStore::delete`].
pub static DELETE: Operation = Operation::writes(PORT, "blob.delete", "an absent object is fine (B30)");
/// [`waiterix_ports::BlobStore::list`].
pub static LIST: Operation = Operation::reads(PORT, "blob.list", "reading changes nothing").walk();
/// [`waiterix_ports::BlobStore::copy`].
pub static COPY: Operation = Operation::writes(
    PORT,
    "blob.copy",
    "the source stays (B50), so the second copy makes what the first made",
)
.transfer();
/// [`waiterix_ports::BlobStore::set_access`].
pub static SET_ACCESS: Operation =
    Operation::writes(PORT, "blob.set_access", "says what is to be, not what is to change (B60)");
/// [`waiterix_ports::BlobStore::presign_upload`].
pub static PRESIGN_UPLOAD: Operation = Operation::reads(
    PORT,
    "blob.presign_upload",
    "signing stores nothing; of two URLs for one key one PUT is taken (B72)",
);
/// [`waiterix_ports::BlobStore::presign_download`].
pub static PRESIGN_DOWNLOAD: Operation =
    Operation::reads(PORT, "blob.presign_download", "signing stores nothing");
/// [`waiterix_ports::BlobStore::check`].
pub static CHECK: Operation = Operation::reads(PORT, "blob.check", "changes nothing (B90)");

/// All of them.
pub static ALL: &[&Operation] = &[
    &PUT,
    &GET,
    &GET_BODY,
    &HEAD,
    &DELETE,
    &LIST,
    &COPY,
    &SET_ACCESS,
    &PRESIGN_UPLOAD,
    &PRESIGN_DOWNLOAD,
    &CHECK,
];
