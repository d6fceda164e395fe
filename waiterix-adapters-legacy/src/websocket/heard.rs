//! Which calls of which process were heard already, and what was answered.

use std::collections::{HashMap, VecDeque};

use super::call::Answer;
use super::token::Token;

/// The most processes remembered; of more, the one that was silent for longest is forgotten.
const MAX_PROCESSES: usize = 256;
/// The most answers remembered for each. Calls are repeated after a connection broke, all that wait for an answer.
const MAX_ANSWERS: usize = 256;

/// The calls heard from other processes. The numbers of a process grow, so whatever is not above the highest was heard
/// or comes too late: a connection that was given up may still deliver what was overtaken since.
#[derive(Debug, Default)]
pub(super) struct Heard {
    processes: HashMap<Token, Process>,
    /// How often anything was heard, which tells who was silent for longest.
    clock: u64,
}

#[derive(Debug, Default)]
struct Process {
    highest: u64,
    answers: VecDeque<(u64, Answer)>,
    heard_at: u64,
}

/// What to do with a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is new.
    New,
    /// It was done; this was answered, if that is still known.
    Repeated(Option<Answer>),
}

impl Heard {
    /// Judges a call and takes note of it.
    pub(super) fn judge(&mut self, from: Token, number: u64) -> Verdict {
        self.clock += 1;
        if !self.processes.contains_key(&from) && self.processes.len() >= MAX_PROCESSES {
            let silent = self.processes.iter().min_by_key(|(_, process)| process.heard_at);
            if let Some(silent) = silent.map(|(token, _)| *token) {
                self.processes.remove(&silent);
            }
        }
        let process = self.processes.entry(from).or_default();
        process.heard_at = self.clock;
        if number > process.highest {
            process.highest = number;
            return Verdict::New;
        }
        let known = process.answers.iter().find(|(answered, _)| *answered == number);
        Verdict::Repeated(known.map(|(_, answer)| answer.clone()))
    }

    /// Remembers what was answered.
    pub(super) fn answered(&mut self, from: Token, number: u64, answer: Answer) {
        if let Some(process) = self.processes.get_mut(&from) {
            if process.answers.len() >= MAX_ANSWERS {
                process.answers.pop_front();
            }
            process.answers.push_back((number, answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u16) -> Token {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        Token::new(bytes)
    }

    #[test]
    fn a_call_is_new_once_and_what_was_overtaken_is_not_done_any_more() {
        let mut heard = Heard::default();
        assert_eq!(heard.judge(token(1), 5), Verdict::New);
        heard.answered(token(1), 5, Answer::Count(3));
        assert_eq!(heard.judge(token(1), 5), Verdict::Repeated(Some(Answer::Count(3))));
        assert_eq!(heard.judge(token(1), 4), Verdict::Repeated(None));
        assert_eq!(heard.judge(token(2), 4), Verdict::New, "another process counts for itself");
        assert_eq!(heard.judge(token(1), 9), Verdict::New, "numbers may be left out");
        assert_eq!(heard.judge(token(1), 5), Verdict::Repeated(Some(Answer::Count(3))));
    }

    #[test]
    fn memory_is_bounded() {
        let mut heard = Heard::default();
        for number in 0..2000 {
            heard.judge(token(number), 1);
            heard.judge(token(0), u64::from(number) + 2);
            heard.answered(token(0), u64::from(number) + 2, Answer::Done);
        }
        assert_eq!(heard.processes.len(), MAX_PROCESSES);
        assert_eq!(heard.processes[&token(0)].answers.len(), MAX_ANSWERS, "the talkative one is remembered");
        assert_eq!(heard.judge(token(1999), 1), Verdict::Repeated(None));
    }
}
