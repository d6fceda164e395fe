//! What waits to be said to other processes, and who waits for their answers.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use waiterix_ports::{Error, ErrorKind, Retry};

use super::call::{Answer, Call};
use super::parts;
use super::token::Token;

/// The most calls that wait at a time; one more is not made.
const MAX_WAITING: usize = 1_024;
/// The most answers that wait to be said; of more the oldest are left out, and their askers see a silent process.
const MAX_ANSWERS: usize = 4_096;
/// The most that is said in one statement.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// The state of the connection that listens.
#[derive(Debug, Clone)]
enum State {
    /// It is being made, since then. Calls wait for it, because that mostly takes milliseconds.
    Joining(Instant),
    /// It is there.
    Joined,
    /// The last attempt failed like this. Nobody waits for the next one.
    Apart(Fault),
}

/// Why there is no connection.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) text: String,
}

/// What a call is said as.
type Payloads = Arc<[String]>;

/// Between callers, who are many, and the courier, who is one.
#[derive(Debug)]
pub(super) struct Board {
    own: Token,
    deadline: Duration,
    book: Mutex<Book>,
    /// Rung when there is something to say.
    pub(super) work: Notify,
}

#[derive(Debug)]
struct Book {
    state: State,
    next: u64,
    /// Calls to be said, by number.
    calls: BTreeMap<u64, Payloads>,
    /// Answers to be said.
    answers: VecDeque<(Token, String)>,
    /// Calls that wait for answers, by number.
    waiting: BTreeMap<u64, Waiting>,
    /// Processes that left a call without an answer and were not heard since. Nobody waits for them.
    silent: HashSet<u32>,
    /// How many other processes listen, as far as is known; nothing before a statement on this connection has said it.
    others: Option<u32>,
    unheard: u64,
}

#[derive(Debug)]
struct Waiting {
    payloads: Payloads,
    /// Whether answers are wanted at all.
    expects: bool,
    /// The processes that have not answered yet; nothing as long as nobody knows that it was said.
    expected: Option<HashSet<u32>>,
    /// Processes that are there but were silent before.
    silent: HashSet<u32>,
    answers: Vec<(Token, Answer)>,
    done: Option<oneshot::Sender<()>>,
}

/// Something to be said in one statement.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) calls: Vec<(u64, Payloads)>,
    pub(super) answers: Vec<(Token, String)>,
}

/// What came of a call.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The answers.
    pub(super) answers: Vec<Answer>,
    /// Processes that did not answer in time.
    pub(super) silent: u32,
    /// Whether nobody knows if it was said, so that there may be any number of others.
    pub(super) apart: bool,
}

/// A call that was made. Dropped, it is given up: whatever was not said by then is never said.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    board: &'a Board,
    /// Nothing for a call that could not be made.
    number: Option<u64>,
    /// Nothing for a call that nobody waits for.
    answers: Option<oneshot::Receiver<()>>,
    deadline: Duration,
}

/// The place of a call among those of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u64,
    /// Whether nobody else listens, so that no call of another process can have come before.
    pub(super) alone: bool,
}

impl Board {
    pub(super) fn new(own: Token, deadline: Duration) -> Self {
        let book = Book {
            state: State::Joining(Instant::now()),
            next: 1,
            calls: BTreeMap::new(),
            answers: VecDeque::new(),
            waiting: BTreeMap::new(),
            silent: HashSet::new(),
            others: None,
            unheard: 0,
        };
        Self { own, deadline, book: Mutex::new(book), work: Notify::new() }
    }

    /// Nothing that is done under the lock can panic half way.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a connection is being made.
    pub(super) fn begin(&self) {
        self.book().state = State::Joining(Instant::now());
    }

    /// Puts up a call for all other processes. The order of numbers is the order in which calls are heard. `noted` is
    /// told the place before anybody can hear it.
    ///
    /// A process that knows itself alone waits for nobody, not even for the database. That it is no longer alone it hears
    /// before anything can be registered elsewhere, since whoever registers asks first.
    pub(super) fn ask(&self, call: &Call, noted: impl FnOnce(Place)) -> Asked<'_> {
        // Texts and numbers can always be written.
        let text = serde_json::to_string(call).unwrap_or_default();
        self.put_up(Some(&text), self.deadline, noted)
    }

    /// Asks nobody; it is answered when the database was reached.
    pub(super) fn probe(&self, deadline: Duration) -> Asked<'_> {
        self.put_up(None, deadline, |_| {})
    }

    fn put_up(&self, text: Option<&str>, deadline: Duration, noted: impl FnOnce(Place)) -> Asked<'_> {
        let mut book = self.book();
        let hopeless = match &book.state {
            State::Joined => false,
            State::Joining(since) => since.elapsed() > deadline,
            State::Apart(_) => true,
        };
        let number = book.next;
        let payloads = match text {
            Some(text) => parts::split(self.own, number, text),
            None => Some(Vec::new()),
        };
        let is_full = book.waiting.len().max(book.calls.len()) >= MAX_WAITING;
        let (false, false, Some(payloads)) = (hopeless, is_full, payloads) else {
            return Asked { board: self, number: None, answers: None, deadline };
        };
        let alone = matches!(book.state, State::Joined) && book.others == Some(0) && text.is_some();
        noted(Place { number, alone });
        book.next += 1;
        let payloads: Payloads = payloads.into();
        book.calls.insert(number, Arc::clone(&payloads));
        let answers = (!alone).then(|| book.wait_for(number, payloads, text.is_some()));
        drop(book);
        self.work.notify_one();
        Asked { board: self, number: Some(number), answers, deadline }
    }

    /// Says something to all other processes that nobody waits for.
    pub(super) fn tell(&self, call: &Call) {
        let text = serde_json::to_string(call).unwrap_or_default();
        let mut book = self.book();
        let number = book.next;
        if book.calls.len() < MAX_WAITING
            && let Some(payloads) = parts::split(self.own, number, &text)
        {
            book.next += 1;
            book.calls.insert(number, payloads.into());
            drop(book);
            self.work.notify_one();
        }
    }

    /// Answers a call of another process.
    pub(super) fn answer(&self, to: Token, number: u64, answer: &Answer) {
        let text = serde_json::to_string(answer).unwrap_or_default();
        let mut book = self.book();
        if book.answers.len() >= MAX_ANSWERS {
            book.answers.pop_front();
        }
        book.answers.push_back((to, parts::answer(self.own, number, &text)));
        drop(book);
        self.work.notify_one();
    }

    /// Takes what is to be said next, in order.
    pub(super) fn batch(&self) -> Option<Batch> {
        let mut book = self.book();
        let mut batch = Batch::default();
        let mut bytes = 0;
        while bytes < MAX_BATCH_BYTES {
            if let Some((to, payload)) = book.answers.pop_front() {
                bytes += payload.len();
                batch.answers.push((to, payload));
            } else if let Some((number, payloads)) = book.calls.pop_first() {
                bytes += payloads.iter().map(String::len).sum::<usize>();
                batch.calls.push((number, payloads));
            } else {
                break;
            }
        }
        (!batch.answers.is_empty() || !batch.calls.is_empty()).then_some(batch)
    }

    /// Notes that a batch was said, and which other processes were listening.
    pub(super) fn said(&self, batch: &Batch, others: &HashSet<u32>) {
        let mut book = self.book();
        book.others = Some(u32::try_from(others.len()).unwrap_or(u32::MAX));
        book.silent.retain(|key| others.contains(key));
        let silent = book.silent.clone();
        for (number, _) in &batch.calls {
            if let Some(waiting) = book.waiting.get_mut(number) {
                waiting.said(others, &silent);
            }
        }
    }

    /// Notes that a process was heard.
    pub(super) fn heard(&self, from: Token) {
        let mut book = self.book();
        book.silent.remove(&from.key());
        book.others = book.others.map(|others| others.max(1));
    }

    /// Notes an answer; one that nobody waits for, or that was there already, changes nothing.
    pub(super) fn answered(&self, from: Token, number: u64, answer: Answer) {
        if let Some(waiting) = self.book().waiting.get_mut(&number) {
            waiting.answered(from, answer);
        }
    }

    /// The connection is there. What was under way when the last one broke is said again, in the old order and under the
    /// old numbers: who heard it answers once more, and does nothing twice.
    pub(super) fn joined(&self) {
        let mut book = self.book();
        book.state = State::Joined;
        book.silent.clear();
        let Book { waiting, calls, .. } = &mut *book;
        for (number, waiting) in waiting {
            if !calls.contains_key(number) {
                calls.insert(*number, Arc::clone(&waiting.payloads));
            }
        }
        drop(book);
        self.work.notify_one();
    }

    /// The connection broke, and what was being said with it may or may not have been. Calls that are waited for are said
    /// again once there is another one; so are answers, which do no harm when they come twice.
    pub(super) fn lost(&self, unsaid: Option<Batch>) {
        let mut book = self.book();
        book.state = State::Joining(Instant::now());
        book.others = None;
        for waiting in book.waiting.values_mut() {
            waiting.expected = None;
        }
        for answer in unsaid.into_iter().flat_map(|batch| batch.answers).rev() {
            book.answers.push_front(answer);
        }
    }

    /// There is no connection and none could be made.
    pub(super) fn apart(&self, fault: Fault) {
        let mut book = self.book();
        book.state = State::Apart(fault);
        book.calls.clear();
        book.answers.clear();
        for waiting in book.waiting.values_mut() {
            waiting.end();
        }
    }

    /// Why there is no connection, if there is none.
    pub(super) fn fault(&self, operation: &'static str) -> Error {
        let fault = match &self.book().state {
            State::Apart(fault) => fault.clone(),
            State::Joining(_) | State::Joined => {
                let text = "no answer on the connection that listens".to_owned();
                Fault { kind: ErrorKind::Unavailable, text }
            }
        };
        let retry = match fault.kind {
            ErrorKind::Unavailable | ErrorKind::Timeout => Retry::Safe,
            _ => Retry::No,
        };
        Error::new(fault.kind, operation).retry(retry).with("fault", fault.text)
    }

    /// Whether the connection is there, how many other processes listen, and how often one of them was not heard.
    pub(super) fn counts(&self) -> (bool, u32, u64) {
        let book = self.book();
        (matches!(book.state, State::Joined), book.others.unwrap_or_default(), book.unheard)
    }
}

impl Book {
    fn wait_for(&mut self, number: u64, payloads: Payloads, expects: bool) -> oneshot::Receiver<()> {
        let (done, answers) = oneshot::channel();
        let waiting = Waiting {
            payloads,
            expects,
            expected: None,
            silent: HashSet::new(),
            answers: Vec::new(),
            done: Some(done),
        };
        self.waiting.insert(number, waiting);
        answers
    }
}

impl Waiting {
    fn said(&mut self, others: &HashSet<u32>, silent: &HashSet<u32>) {
        let mut expected = if self.expects { others.clone() } else { HashSet::new() };
        self.silent = expected.intersection(silent).copied().collect();
        expected.retain(|key| !silent.contains(key));
        for (from, _) in &self.answers {
            expected.remove(&from.key());
            self.silent.remove(&from.key());
        }
        self.expected = Some(expected);
        self.end_if_complete();
    }

    fn answered(&mut self, from: Token, answer: Answer) {
        if self.answers.iter().any(|(known, _)| *known == from) {
            return;
        }
        self.answers.push((from, answer));
        self.silent.remove(&from.key());
        if let Some(expected) = &mut self.expected {
            expected.remove(&from.key());
        }
        self.end_if_complete();
    }

    fn end_if_complete(&mut self) {
        if self.expected.as_ref().is_some_and(HashSet::is_empty) {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(done) = self.done.take() {
            // Whoever gave up is not told.
            let _ = done.send(());
        }
    }
}

impl Asked<'_> {
    /// The number of the call, if it could be made.
    pub(super) const fn number(&self) -> Option<u64> {
        self.number
    }

    /// Waits until every process has answered that can be expected to, at most until the deadline.
    pub(super) async fn outcome(mut self) -> Outcome {
        let Some(number) = self.number else {
            self.board.book().unheard += 1;
            return Outcome { apart: true, ..Outcome::default() };
        };
        let Some(answers) = &mut self.answers else { return Outcome::default() };
        let in_time = tokio::time::timeout(self.deadline, answers).await.is_ok();
        let mut book = self.board.book();
        book.calls.remove(&number);
        let Some(waiting) = book.waiting.remove(&number) else { return Outcome::default() };
        let answers = waiting.answers.into_iter().map(|(_, answer)| answer).collect();
        let Some(expected) = waiting.expected else {
            book.unheard += 1;
            return Outcome { answers, silent: 0, apart: true };
        };
        if !in_time {
            book.silent.extend(&expected);
        }
        let silent = expected.len() + waiting.silent.len();
        book.unheard += silent as u64;
        Outcome { answers, silent: u32::try_from(silent).unwrap_or(u32::MAX), apart: false }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let (Some(number), Some(_)) = (self.number, &self.answers) {
            let mut book = self.board.book();
            book.calls.remove(&number);
            book.waiting.remove(&number);
        }
    }
}

impl Outcome {
    /// Processes that may have heard nothing; nobody knows how many there are if none could be asked, but not none.
    pub(super) fn unheard(&self) -> u32 {
        self.silent.max(u32::from(self.apart))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);
    const OTHER: Token = Token::new([9; 16]);

    fn joined(others: &[Token]) -> Board {
        let board = Board::new(Token::new([1; 16]), DEADLINE);
        board.joined();
        board.said(&Batch::default(), &keys(others));
        board
    }

    fn keys(tokens: &[Token]) -> HashSet<u32> {
        tokens.iter().map(|token| token.key()).collect()
    }

    /// Makes a call; where it stands.
    fn place_of(board: &Board) -> Place {
        let mut noted = None;
        let asked = board.ask(&Call::Hello, |place| noted = Some(place));
        assert_eq!(asked.number(), noted.map(|place| place.number));
        noted.unwrap()
    }

    #[tokio::test]
    async fn who_is_alone_is_answered_at_once_and_what_it_said_is_said_all_the_same() {
        let board = joined(&[]);
        let outcome = board.ask(&Call::Hello, |place| assert!(place.alone)).outcome().await;
        assert_eq!((outcome.answers.len(), outcome.unheard()), (0, 0));
        assert_eq!(board.batch().unwrap().calls.len(), 1);
    }

    #[test]
    fn nobody_is_alone_who_does_not_know_it() {
        let board = Board::new(Token::new([1; 16]), DEADLINE);
        assert!(!place_of(&board).alone, "there was no connection yet");
        board.joined();
        assert!(!place_of(&board).alone, "nobody has looked who else listens");
        board.said(&Batch::default(), &keys(&[]));
        assert!(place_of(&board).alone);
        board.heard(OTHER);
        assert!(!place_of(&board).alone, "somebody was heard since");
        board.said(&Batch::default(), &keys(&[]));
        assert!(place_of(&board).alone, "who has left again");
        board.lost(None);
        board.joined();
        assert!(!place_of(&board).alone, "who knows who came meanwhile");
    }

    #[tokio::test]
    async fn an_answer_counts_once_and_the_last_one_ends_the_wait() {
        let board = joined(&[OTHER]);
        let asked = board.ask(&Call::Hello, |place| assert!(!place.alone));
        let number = asked.number().unwrap();
        board.answered(OTHER, number + 1, Answer::Count(7));
        let batch = board.batch().unwrap();
        board.said(&batch, &keys(&[OTHER]));
        for _ in 0..2 {
            board.answered(OTHER, number, Answer::Count(1));
        }
        let outcome = asked.outcome().await;
        assert_eq!((outcome.answers, outcome.silent), (vec![Answer::Count(1)], 0));
    }

    #[test]
    fn what_was_given_up_is_not_said() {
        let board = joined(&[OTHER]);
        drop(board.ask(&Call::Hello, |_| {}));
        assert!(board.batch().is_none());
    }

    #[test]
    fn what_waits_is_bounded() {
        let board = joined(&[OTHER]);
        let asked: Vec<_> = (0..=MAX_WAITING).map(|_| board.ask(&Call::Hello, |_| {})).collect();
        assert_eq!(asked.iter().filter(|asked| asked.number().is_some()).count(), MAX_WAITING);
        for number in 0..MAX_ANSWERS as u64 + 10 {
            board.answer(OTHER, number, &Answer::Done);
        }
        assert_eq!(board.book().answers.len(), MAX_ANSWERS);
        let alone = joined(&[]);
        let told = (0..=MAX_WAITING).filter(|_| alone.ask(&Call::Hello, |_| {}).number().is_some()).count();
        assert_eq!(told, MAX_WAITING, "even if nobody waits for it");
    }
}
