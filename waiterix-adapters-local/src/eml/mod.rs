//! Mail into a folder, for development and small installations: open the folder to read what was sent.
//!
//! ```text
//! <folder>/2025-01-31T09-05-07.123Z-<hash of the mail's id>.eml   the mails
//! <folder>/.ids/<hash>.json     what was taken under an id: digest of the content, message id, time
//! <folder>/.ids/<hash>.done     it is in the folder; it may be deleted and is not written again
//! <folder>/.suppressed/<hash>   an address on the suppression list
//! <folder>/.unfinished/         files being written
//! ```
//!
//! Files appear complete or not at all, and no file is ever replaced, so several mailers, also of different processes,
//! may share a folder. A process that dies between recording an id and writing the mail leaves a record from which
//! the next send of that id writes exactly this mail.

mod letter;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use waiterix_domain::Timestamp;
use waiterix_ports::mailer::{fault_of, is_address, normalised_address};
use waiterix_ports::{Clock, Error, ErrorKind, Mail, Mailer, Outcome, Result};

use crate::folder::blocking;
use crate::folder::scratch::{self, hex};

/// Mail into a folder. Cheap to clone; clones are the same mailer.
#[derive(Debug, Clone)]
pub struct EmlMailer {
    folder: Arc<Folder>,
    clock: Arc<dyn Clock>,
}

struct Folder {
    dir: PathBuf,
    from: String,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folder").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// What was taken under an id.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    content: String,
    message_id: String,
    date_us: i64,
}

impl EmlMailer {
    /// Opens a folder, which is made if it is not there, and removes what crashed processes left in it.
    ///
    /// `from` is the sender's address; `clock` dates the mails.
    ///
    /// # Errors
    /// `Invalid` for a malformed sender, `Denied` without permission, `Unavailable`.
    pub async fn open(
        dir: impl Into<PathBuf>,
        from: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        const OPERATION: &str = "eml.open";
        let folder = Arc::new(Folder { dir: dir.into(), from: from.into() });
        if !is_address(&folder.from) {
            return Err(
                Error::new(ErrorKind::Invalid, OPERATION).with("fault", "sender address is malformed")
            );
        }
        let opened = Arc::clone(&folder);
        blocking(OPERATION, move || opened.open()).await?;
        Ok(Self { folder, clock })
    }
}

impl Folder {
    fn ids(&self) -> PathBuf {
        self.dir.join(".ids")
    }

    fn suppressed(&self) -> PathBuf {
        self.dir.join(".suppressed")
    }

    fn unfinished(&self) -> PathBuf {
        self.dir.join(".unfinished")
    }

    fn open(&self) -> io::Result<()> {
        for dir in [&self.dir, &self.ids(), &self.suppressed(), &self.unfinished()] {
            scratch::make_dir(dir)?;
        }
        for file in fs::read_dir(self.unfinished())? {
            let path = file?.path();
            if let Some(_lock) = scratch::lock_left_over(&path)? {
                scratch::remove(&path)?;
            }
        }
        Ok(())
    }

    fn send(&self, mail: &Mail, now: Timestamp) -> io::Result<Outcome> {
        let id = hex(&Sha256::digest(mail.id.as_str()));
        let record = self.ids().join(format!("{id}.json"));
        let done = self.ids().join(format!("{id}.done"));
        let content = digest(mail);
        let before = read(&record)?;
        if let Some(taken) = &before {
            if taken.content != content {
                return Ok(Outcome::Conflict);
            }
            if fs::exists(&done)? {
                return Ok(Outcome::Duplicate { message_id: taken.message_id.clone() });
            }
        }
        if fs::exists(self.suppression(&mail.to))? {
            return Ok(Outcome::Suppressed);
        }
        let taken = match before {
            Some(taken) => taken,
            None => self.take(&id, &record, content.clone(), now)?,
        };
        if taken.content != content {
            return Ok(Outcome::Conflict);
        }
        self.deliver(mail, &id, taken, &done)
    }

    /// Records what an id stands for from now on. Of several at once one is first, and its record holds for all.
    fn take(&self, id: &str, record: &Path, content: String, now: Timestamp) -> io::Result<Taken> {
        // The address was checked, so there is a domain.
        let domain = self.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        let message_id = format!("{}@{domain}", &id[..32]);
        let taken = Taken { content, message_id, date_us: now.as_micros() };
        if self.place(&serde_json::to_vec(&taken)?, record)? {
            return Ok(taken);
        }
        read(record)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Writes the mail of a record. Of several at once one brings the file into the folder: that is the sending.
    fn deliver(&self, mail: &Mail, id: &str, taken: Taken, done: &Path) -> io::Result<Outcome> {
        let date = Timestamp::from_micros(taken.date_us)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let envelope = letter::Envelope { from: &self.from, message_id: &taken.message_id, date };
        let letter = letter::write(mail, &envelope)?;
        // Colons are not allowed in file names everywhere.
        let name = format!("{}-{}.eml", date.to_string().replace(':', "-"), &id[..32]);
        let is_first = self.place(&letter, &self.dir.join(&name))?;
        touch(done)?;
        scratch::sync_dir(&self.ids())?;
        let message_id = taken.message_id;
        if is_first {
            tracing::info!(kind = mail.kind.as_str(), file = name, "mail written");
            Ok(Outcome::Accepted { message_id })
        } else {
            Ok(Outcome::Duplicate { message_id })
        }
    }

    /// Brings a complete file into place; `false` when there is one already, which stays.
    fn place(&self, bytes: &[u8], path: &Path) -> io::Result<bool> {
        let mut file = scratch::create(&self.unfinished())?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => path.parent().map_or(Ok(()), scratch::sync_dir).map(|()| true),
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(refused) => Err(refused.error),
        }
    }

    /// Where an address stands on the suppression list; addresses are not written down.
    fn suppression(&self, address: &str) -> PathBuf {
        self.suppressed().join(hex(&Sha256::digest(normalised_address(address))))
    }
}

/// Makes an empty file for its owner alone, unless there is one.
fn touch(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)?.sync_all()
}

fn read(record: &Path) -> io::Result<Option<Taken>> {
    match fs::read(record) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A digest of all that the recipient sees. Lengths are part of it, so that no text can pass for another field.
fn digest(mail: &Mail) -> String {
    let mut hash = Sha256::new();
    let reply_to = mail.reply_to.as_deref().unwrap_or_default();
    for field in [mail.kind.as_str(), &mail.to, reply_to, &mail.subject, &mail.html, &mail.text] {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hex(&hash.finalize())
}

#[async_trait]
impl Mailer for EmlMailer {
    async fn send(&self, mail: &Mail) -> Result<Outcome> {
        if let Some(fault) = fault_of(mail) {
            return Ok(Outcome::Rejected { reason: fault.to_owned() });
        }
        let (folder, mail, now) = (Arc::clone(&self.folder), mail.clone(), self.clock.now());
        blocking("eml.send", move || folder.send(&mail, now)).await
    }

    async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()> {
        const OPERATION: &str = "eml.set_suppressed";
        if !is_address(address) {
            return Err(Error::new(ErrorKind::Invalid, OPERATION).with("fault", "address is malformed"));
        }
        let (folder, path) = (Arc::clone(&self.folder), self.folder.suppression(address));
        blocking(OPERATION, move || {
            if suppressed {
                touch(&path)?;
            } else {
                scratch::remove(&path)?;
            }
            scratch::sync_dir(&folder.suppressed())
        })
        .await
    }

    async fn is_suppressed(&self, address: &str) -> Result<bool> {
        let path = self.folder.suppression(address);
        blocking("eml.is_suppressed", move || fs::exists(path)).await
    }

    async fn check(&self) -> Result<()> {
        let folder = Arc::clone(&self.folder);
        blocking("eml.check", move || {
            [folder.dir.clone(), folder.ids(), folder.suppressed(), folder.unfinished()]
                .iter()
                .try_for_each(|dir| fs::read_dir(dir).map(|_| ()))
        })
        .await
    }
}

#[cfg(test)]
mod tests;
