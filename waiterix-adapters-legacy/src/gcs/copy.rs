//! Copying inside the storage, where the bytes do not come here; and changing the policy.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::json;
use waiterix_domain::blob_ref::LegacyObject;
use waiterix_domain::id::UserId;
use waiterix_ports::{Error, ErrorKind, Result, Visibility};

use super::link::{Ask, encoded};
use super::policy::{self, Policy};
use super::read::Found;
use super::resource::Resource;
use super::{Shared, check_key, invalid};

const OPERATION: &str = "gcs.copy";
/// How often an object may be replaced while it is being copied or changed. A round is only lost to a write that succeeded.
const TRIES: u32 = 32;
/// In how many steps a copy may be done. A step moves a gigabyte or more, and no object has more than five.
const STEPS: u32 = 1000;

/// How far a copy is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    #[serde(default)]
    done: bool,
    rewrite_token: Option<String>,
}

impl Shared {
    pub(super) async fn duplicate(&self, from: &str, to: &str) -> Result<()> {
        check_key(OPERATION, to)?;
        let mut tries = TRIES;
        loop {
            let found = self.look(OPERATION, from).await?;
            let target = self.layout.places(to).into_iter().next();
            let target = target.ok_or_else(|| invalid(OPERATION, "no folder for this key"))?;
            if from == to {
                return Ok(());
            }
            tries -= 1;
            match self.rewrite(&found, &target).await {
                // The source is another by now, or gone; then looking at it once more says so.
                Err(error)
                    if tries > 0 && matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
                result => return result,
            }
        }
    }

    /// Copies an object as it was found, with everything that is known about it.
    async fn rewrite(&self, found: &Found, target: &LegacyObject) -> Result<()> {
        let generation = found.resource.generation(OPERATION)?;
        let url = format!(
            "{}/rewriteTo/b/{}/o/{}",
            self.link.object(&found.place),
            encoded(&target.bucket),
            encoded(&target.object)
        );
        let mut token: Option<String> = None;
        for _ in 0..STEPS {
            let mut ask = Ask::new(OPERATION, Method::POST, url.clone())
                .with("sourceGeneration", generation)
                .with("ifSourceGenerationMatch", generation);
            if let Some(token) = &token {
                ask = ask.with("rewriteToken", token);
            }
            let step: Step = self.link.json(&ask).await?;
            if step.done {
                return Ok(());
            }
            token = step.rewrite_token;
            if token.is_none() {
                break;
            }
        }
        Err(Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "a copy without an end"))
    }

    /// Only the very state that was looked at is changed, so that neither a rule that somebody adds meanwhile is lost, nor is
    /// a new object given the access meant for the one before.
    pub(super) async fn change_access(
        &self,
        key: &str,
        owner: Option<&UserId>,
        visibility: Visibility,
    ) -> Result<()> {
        const OPERATION: &str = "gcs.set_access";
        let mut tries = TRIES;
        loop {
            let found = self.look(OPERATION, key).await?;
            if (found.meta.owner.as_ref(), found.meta.visibility) == (owner, visibility) {
                return Ok(());
            }
            let policy = Policy::write(OPERATION, found.resource.policy(), owner, visibility)?;
            // Other names stay as they are, and `null` removes one.
            let change = json!({ "metadata": { policy::NAME: policy } });
            let ask = Ask::new(OPERATION, Method::PATCH, self.link.object(&found.place))
                .with("ifGenerationMatch", found.resource.generation(OPERATION)?)
                .with("ifMetagenerationMatch", found.resource.metageneration(OPERATION)?)
                .header(CONTENT_TYPE, "application/json; charset=UTF-8")?
                .body(change.to_string());
            tries -= 1;
            match self.link.json::<Resource>(&ask).await {
                Err(error)
                    if tries > 0 && matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
                result => return result.map(|_| ()),
            }
        }
    }
}
