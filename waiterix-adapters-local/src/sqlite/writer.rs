//! One writer for all, which commits in groups.
//!
//! SQLite lets one transaction write at a time, and a durable commit waits for the disk. So all writes go through one
//! task: it takes what has queued up, performs each piece of work under a savepoint of one transaction, commits once,
//! and then answers all. Work that is refused is rolled back to its savepoint and touches nobody else.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use super::{connect, fault};

/// How much work may wait; whoever comes then waits for a place.
const QUEUE_LENGTH: usize = 256;
/// How many pieces of work share one commit at most.
const GROUP_SIZE: usize = 64;
/// Every piece of work begins with this: it keeps what the piece before it did and marks where its own changes begin.
pub(super) const NEXT: &str = "RELEASE work; SAVEPOINT work;";
/// Undoes what the current piece of work did.
const UNDO: &str = "ROLLBACK TO work";

/// Why work did not succeed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Because of itself; others are not concerned.
    Refused(Error),
    /// The connection or the disk fails, and with it the whole group.
    Broken(sqlx::Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Broken(error)
    }
}

/// A piece of work.
pub(super) trait Work: Send + 'static {
    /// What the caller gets.
    type Answer: Send + 'static;

    /// The operation of the port, for errors.
    fn operation(&self) -> &'static str;

    /// Does it. The first statement must be [`NEXT`].
    fn perform(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Self::Answer, Trouble>> + Send;
}

struct Job<W: Work> {
    work: W,
    answer: oneshot::Sender<Result<W::Answer>>,
}

enum Message<W: Work> {
    Job(Job<W>),
    Stop,
}

/// The way to the writing task. The task ends, having done what was queued, when this is dropped or closed.
pub(super) struct Writer<W: Work> {
    queue: mpsc::Sender<Message<W>>,
    done: watch::Receiver<()>,
}

impl<W: Work> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("free", &self.queue.capacity()).finish_non_exhaustive()
    }
}

impl<W: Work> Writer<W> {
    /// Starts the writing task with a connection to the file.
    pub(super) fn start(path: &Path, connection: SqliteConnection) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_LENGTH);
        let (running, done) = watch::channel(());
        let task = Task { path: path.to_owned(), connection: Some(connection), waiting };
        tokio::spawn(async move {
            task.run().await;
            drop(running);
        });
        Self { queue, done }
    }

    /// Hands over work and waits until it is committed.
    pub(super) async fn submit(&self, work: W) -> Result<W::Answer> {
        let operation = work.operation();
        let (answer, answered) = oneshot::channel();
        let job = Message::Job(Job { work, answer });
        self.queue.send(job).await.map_err(|_| fault::closed(operation))?;
        answered.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unavailable, operation)
                .retry(Retry::Ambiguous)
                .with("fault", "the writer ended before it answered"))
        })
    }

    /// Finishes what was queued and closes the connection; later work is refused.
    pub(super) async fn close(&self) {
        // An error means that it was closed before.
        let _ = self.queue.send(Message::Stop).await;
        let mut done = self.done.clone();
        while done.changed().await.is_ok() {}
    }
}

struct Task<W: Work> {
    path: PathBuf,
    connection: Option<SqliteConnection>,
    waiting: mpsc::Receiver<Message<W>>,
}

impl<W: Work> Task<W> {
    async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP_SIZE);
        while self.waiting.recv_many(&mut group, GROUP_SIZE).await > 0 {
            let mut jobs = Vec::with_capacity(group.len());
            for message in group.drain(..) {
                match message {
                    Message::Job(job) => jobs.push(job),
                    // What is queued behind is still done; nothing new is let in.
                    Message::Stop => self.waiting.close(),
                }
            }
            if !jobs.is_empty() {
                self.commit(jobs).await;
            }
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the writing connection did not close properly");
        }
    }

    /// Performs a group in one transaction and answers every caller.
    async fn commit(&mut self, mut jobs: Vec<Job<W>>) {
        let mut outcomes = Vec::with_capacity(jobs.len());
        // Before the commit nothing is lasting, so all of it may be sent again.
        let mut retry = Retry::Safe;
        match self.transact(&mut jobs, &mut outcomes, &mut retry).await {
            Ok(()) => {
                for (job, outcome) in jobs.into_iter().zip(outcomes) {
                    // A caller that has gone needs no answer.
                    let _ = job.answer.send(outcome);
                }
            }
            Err(error) => {
                // Dropping the connection rolls back whatever is open; the next group gets a new one.
                self.connection = None;
                tracing::error!(%error, jobs = jobs.len(), "a group of writes failed");
                for job in jobs {
                    let _ = job.answer.send(Err(fault::of(&error, job.work.operation(), retry)));
                }
            }
        }
    }

    async fn transact(
        &mut self,
        jobs: &mut [Job<W>],
        outcomes: &mut Vec<Result<W::Answer>>,
        retry: &mut Retry,
    ) -> sqlx::Result<()> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect::writer(&self.path).await?),
        };
        run(connection, "BEGIN IMMEDIATE; SAVEPOINT work").await?;
        for job in jobs {
            outcomes.push(match job.work.perform(connection).await {
                Ok(answer) => Ok(answer),
                Err(Trouble::Refused(error)) => {
                    undo(connection).await?;
                    Err(error)
                }
                Err(Trouble::Broken(error)) => return Err(error),
            });
        }
        *retry = Retry::Ambiguous;
        run(connection, "COMMIT").await
    }
}

/// Runs fixed statements without arguments, keeping them prepared.
async fn run(connection: &mut SqliteConnection, sql: &'static str) -> sqlx::Result<()> {
    sqlx::query(sql).execute(connection).await.map(drop)
}

/// Undoes what the current piece of work did, for another attempt or because it was refused.
pub(super) async fn undo(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    run(connection, UNDO).await
}
