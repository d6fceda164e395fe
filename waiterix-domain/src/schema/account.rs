//! Accounts and what they upload.

use super::entity;
use crate::Timestamp;
use crate::id::{UploadKey, UserId};

entity! {
    /// The account of a restaurant owner.
    User in Users {
        /// The identity provider's subject: opaque text of up to 128 characters.
        id: UserId,
        /// Unique when present; a user without e-mail has null, never the empty text.
        email: Option<String>,
        /// Given name.
        first_name: Option<String>,
        /// Family name.
        last_name: Option<String>,
        /// Picture at the identity provider, an external URL.
        profile_image_url: Option<String>,
        /// Whether the terms were accepted.
        accepted_terms: bool,
        /// When they were accepted last.
        accepted_terms_at: Option<Timestamp>,
        /// Creation; null in some old rows.
        created_at: Option<Timestamp>,
        /// Last change; null in some old rows.
        updated_at: Option<Timestamp>,
    }
}

entity! {
    /// The permission of one user to upload one object, and whether the object is in use.
    ///
    /// Without a foreign key on purpose: the row must outlive its user until the object is deleted.
    Upload in Uploads {
        /// The object key, e.g. `public/uploads/<uuid>`.
        id: UploadKey,
        /// Who may upload and attach it.
        user_id: UserId,
        /// The content type bound into the upload URL, if the client named one.
        content_type: Option<String>,
        /// When the grant was given.
        created_at: Timestamp,
        /// When a row began to show the object; null while nothing refers to it.
        attached_at: Option<Timestamp>,
    }
}
