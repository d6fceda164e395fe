//! What was learnt from chefs: questions with their answers, found again by keywords.

mod edit;
mod keywords;
mod search;

pub use edit::{EditFaq, MAX_KEYWORDS, delete, edit};
pub use keywords::{STOP_WORDS, of_answer, of_message};
pub use search::{Hit, MAX_HITS, MIN_KEYWORD_CHARS, Search, count_usage, search};
