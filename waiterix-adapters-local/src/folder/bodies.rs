//! The files that hold the bytes of objects. A body is written once, under a random name, and never changes.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use futures_util::stream::try_unfold;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use waiterix_ports::{ByteStream, Bytes, Error, ErrorKind, Result, Retry};

use super::failure::io_failure;
use super::scratch::{self, hex};

/// How many bytes are moved at a time. Nothing bigger is ever held, but for a bigger piece that a caller made.
pub(super) const PIECE_BYTES: usize = 256 * 1024;

/// Runs file operations where they may block.
pub(crate) async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| io_failure(operation, &error)),
        Err(_) => Err(Error::new(ErrorKind::Unavailable, operation).retry(Retry::Ambiguous)),
    }
}

/// The folder of bodies, divided into 256 so that none grows too large to be read.
#[derive(Debug, Clone)]
pub(super) struct Bodies {
    dir: PathBuf,
}

impl Bodies {
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        for shard in 0..=u8::MAX {
            scratch::make_dir(&dir.join(hex(&[shard])))?;
        }
        scratch::sync_dir(&dir)?;
        Ok(Self { dir })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new body; its shard is chosen by the key, its name by chance.
    pub(super) fn draft(&self, key: &str) -> io::Result<Draft> {
        let shard = hex(&Sha256::digest(key.as_bytes())[..1]);
        let file = scratch::create(&self.dir.join(&shard))?;
        Ok(Draft { shard, file, hash: Sha256::new(), size: 0, head: Vec::with_capacity(HEAD_BYTES) })
    }

    /// Opens a body for reading from a place; `None` when it is not there.
    pub(super) fn read(&self, body: &str, start: u64) -> io::Result<Option<(File, u64)>> {
        let mut file = match File::open(self.path(body)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result?,
        };
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(start))?;
        Ok(Some((file, size)))
    }

    pub(super) fn remove(&self, body: &str) -> io::Result<()> {
        scratch::remove(&self.path(body)?)
    }

    /// The names of all bodies, stored or not.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for shard in 0..=u8::MAX {
            let shard = hex(&[shard]);
            for file in fs::read_dir(self.dir.join(&shard))? {
                // A name that is not text is none of ours and is left alone.
                if let Ok(name) = file?.file_name().into_string() {
                    names.push(format!("{shard}/{name}"));
                }
            }
        }
        Ok(names.into_iter().filter(|name| self.path(name).is_ok()).collect())
    }

    /// Locks a body for removal unless it is being written.
    pub(super) fn lock_left_over(&self, body: &str) -> io::Result<Option<File>> {
        scratch::lock_left_over(&self.path(body)?)
    }

    /// Where a body is. Names come from the index, and even a forged one does not lead out of the folder.
    fn path(&self, body: &str) -> io::Result<PathBuf> {
        let is_name = |(shard, name): (&str, &str)| {
            shard.len() == 2
                && shard.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
                && name.len() == 24
                && name.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        match body.split_once('/').filter(|parts| is_name(*parts)) {
            Some((shard, name)) => Ok(self.dir.join(shard).join(name)),
            None => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    }
}

/// How many first bytes are kept for telling the content type.
const HEAD_BYTES: usize = 64;

/// A body that is being written. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Draft {
    shard: String,
    file: NamedTempFile,
    hash: Sha256,
    size: u64,
    head: Vec<u8>,
}

impl Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let missing = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..missing.min(bytes.len())]);
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.file.as_file_mut().write_all(bytes)
    }

    /// Makes the bytes and the name survive a power failure.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.path().parent().map_or(Ok(()), scratch::sync_dir)
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The digest of all bytes, quoted: equal bytes have equal tags, whenever and under whatever key they were stored.
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", hex(&self.hash.clone().finalize()))
    }

    /// The name under which the index is to know it.
    pub(super) fn name(&self) -> String {
        let name = self.file.path().file_name().unwrap_or_default().to_string_lossy();
        format!("{}/{name}", self.shard)
    }

    /// Lets it stay when it is dropped.
    pub(super) fn keep(mut self) {
        self.file.disable_cleanup(true);
    }
}

/// Writes a stream into a body, `limit` bytes at most; a longer stream is `Invalid`.
pub(super) async fn receive(
    operation: &'static str,
    mut draft: Draft,
    mut stream: ByteStream,
    limit: u64,
) -> Result<Draft> {
    let mut taken: u64 = 0;
    let mut buffer = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        taken = taken.saturating_add(piece.len() as u64);
        if taken > limit {
            return Err(Error::new(ErrorKind::Invalid, operation).with("fault", "body is too long"));
        }
        if buffer.len() + piece.len() < PIECE_BYTES {
            buffer.extend_from_slice(&piece);
            continue;
        }
        let before = std::mem::take(&mut buffer);
        draft = blocking(operation, move || {
            draft.write(&before)?;
            draft.write(&piece)?;
            Ok(draft)
        })
        .await?;
    }
    blocking(operation, move || {
        draft.write(&buffer)?;
        Ok(draft)
    })
    .await
}

/// Streams a range of a body that is open at its start.
pub(super) fn stream(operation: &'static str, file: File, range: Range<u64>) -> ByteStream {
    let left = range.end.saturating_sub(range.start);
    Box::pin(try_unfold((file, left), move |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let want = left.min(PIECE_BYTES as u64);
        let (file, piece) = blocking(operation, move || {
            let mut piece = Vec::with_capacity(want as usize);
            (&mut file).take(want).read_to_end(&mut piece)?;
            Ok((file, piece))
        })
        .await?;
        if piece.len() as u64 != want {
            return Err(Error::new(ErrorKind::Corrupt, operation).with("fault", "body was cut off"));
        }
        Ok(Some((Bytes::from(piece), (file, left - want))))
    }))
}
