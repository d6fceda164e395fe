//! Texts of any size as notifications, which are small.
//!
//! PostgreSQL takes up to 7999 bytes. A call is cut into parts, which are said in one transaction: then nobody hears
//! only some of them, nothing comes in between, and nothing is left behind in a table.

use std::fmt::Write as _;

use super::token::Token;

/// The longest payload of a notification.
pub(super) const MAX_PAYLOAD_BYTES: usize = 7_999;
/// The most parts of a call: an event of 128 KiB takes 17 to 20, and one of nothing but characters that JSON writes in
/// six has 100.
pub(super) const MAX_PARTS: usize = 128;
/// The version of what is said. Others are ignored.
const VERSION: &str = "1";
/// Version, token, three numbers and what divides them.
const MAX_HEADER_BYTES: usize = 1 + 1 + 32 + 1 + 20 + 1 + 4 + 1 + 4 + 1;
/// What is left for the text.
pub(super) const MAX_PART_BYTES: usize = MAX_PAYLOAD_BYTES - MAX_HEADER_BYTES;

/// A part of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Who calls.
    pub(super) from: Token,
    /// The number of the call; those of a process grow.
    pub(super) number: u64,
    /// The place of the part, from 0.
    pub(super) place: usize,
    /// How many parts the call has.
    pub(super) count: usize,
    /// The text of the part.
    pub(super) text: &'a str,
}

/// The payloads of a call, or nothing if it would be too many.
pub(super) fn split(from: Token, number: u64, text: &str) -> Option<Vec<String>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.floor_char_boundary(MAX_PART_BYTES);
        let (piece, more) = rest.split_at(end);
        pieces.push(piece);
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    let count = pieces.len();
    let payload = |(place, piece): (usize, &&str)| {
        let mut payload = String::with_capacity(MAX_HEADER_BYTES + piece.len());
        // Writing to a text cannot fail.
        let _ = writeln!(payload, "{VERSION} {from} {number} {place} {count}");
        payload.push_str(piece);
        payload
    };
    (count <= MAX_PARTS).then(|| pieces.iter().enumerate().map(payload).collect())
}

/// Reads a payload; one that is not ours is nothing.
pub(super) fn read(payload: &str) -> Option<Part<'_>> {
    let (header, text) = payload.split_once('\n')?;
    let mut words = header.split(' ');
    if words.next()? != VERSION {
        return None;
    }
    let from = Token::parse(words.next()?)?;
    let number = words.next()?.parse().ok()?;
    let place = words.next()?.parse().ok()?;
    let count = words.next()?.parse().ok()?;
    let fits = words.next().is_none() && place < count && count <= MAX_PARTS;
    fits.then_some(Part { from, number, place, count, text })
}

/// The payload of an answer to a call, or of a probe.
pub(super) fn answer(from: Token, number: u64, text: &str) -> String {
    format!("{VERSION} {from} {number}\n{text}")
}

/// Reads the payload of an answer: who answers, which call, and what.
pub(super) fn read_answer(payload: &str) -> Option<(Token, u64, &str)> {
    let (header, text) = payload.split_once('\n')?;
    let mut words = header.split(' ');
    if words.next()? != VERSION {
        return None;
    }
    let from = Token::parse(words.next()?)?;
    let number = words.next()?.parse().ok()?;
    words.next().is_none().then_some((from, number, text))
}

/// Puts parts together. Those of a call arrive one after the other, so one call is open at most.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    from: Token,
    number: u64,
    next: usize,
    count: usize,
    text: String,
}

/// What came of a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Assembled {
    /// More parts will come.
    Open,
    /// This is the text of the call.
    Whole(String),
    /// The part belongs to nothing; it is ignored, and so is what was open.
    Stray,
}

impl Assembly {
    pub(super) fn add(&mut self, part: &Part<'_>) -> Assembled {
        let open = self.open.take();
        let mut open = match open {
            _ if part.place == 0 => {
                Open { from: part.from, number: part.number, next: 0, count: part.count, text: String::new() }
            }
            Some(open)
                if (open.from, open.number, open.next, open.count)
                    == (part.from, part.number, part.place, part.count) =>
            {
                open
            }
            _ => return Assembled::Stray,
        };
        open.text.push_str(part.text);
        open.next += 1;
        if open.next == open.count {
            return Assembled::Whole(open.text);
        }
        self.open = Some(open);
        Assembled::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Token = Token::new([7; 16]);

    fn assembled(payloads: &[String]) -> Option<String> {
        let mut assembly = Assembly::default();
        let mut whole = None;
        for payload in payloads {
            assert!(payload.len() <= MAX_PAYLOAD_BYTES);
            if let Assembled::Whole(text) = assembly.add(&read(payload).unwrap()) {
                assert_eq!(whole.replace(text), None);
            }
        }
        whole
    }

    #[test]
    fn a_text_that_fits_is_one_part_and_one_byte_more_makes_two() {
        for (bytes, parts) in [
            (0, 1),
            (1, 1),
            (MAX_PART_BYTES, 1),
            (MAX_PART_BYTES + 1, 2),
            (MAX_PART_BYTES * MAX_PARTS, MAX_PARTS),
        ] {
            let text = "x".repeat(bytes);
            let payloads = split(FROM, u64::MAX, &text).unwrap();
            assert_eq!(payloads.len(), parts, "{bytes} bytes");
            assert_eq!(assembled(&payloads), Some(text));
        }
        assert_eq!(split(FROM, 1, &"x".repeat(MAX_PART_BYTES * MAX_PARTS + 1)), None);
    }

    #[test]
    fn characters_are_not_cut() {
        for letter in ["ä", "€", "😀"] {
            let text = format!("x{}", letter.repeat(10_000));
            assert_eq!(assembled(&split(FROM, 3, &text).unwrap()), Some(text));
        }
    }

    #[test]
    fn the_largest_event_fits_however_it_is_written() {
        let json = "\u{1}".repeat(waiterix_ports::notifier::MAX_MESSAGE_BYTES);
        let text = serde_json::to_string(&json).unwrap();
        assert!(split(FROM, 1, &text).is_some_and(|parts| parts.len() == 100));
    }

    #[test]
    fn what_is_not_ours_is_nothing() {
        let token = FROM.to_string();
        for payload in [
            "",
            "hello",
            "\n",
            "1\n",
            &format!("1 {token} 1 0 1"),
            &format!("2 {token} 1 0 1\n{{}}"),
            &format!("1 {token} 1 0 1 x\n{{}}"),
            &format!("1 {token} 1 1 1\n{{}}"),
            &format!("1 {token} -1 0 1\n{{}}"),
            &format!("1 {token} 99999999999999999999 0 1\n{{}}"),
            &format!("1 {token} 1 0 129\n{{}}"),
            &format!("1 {token} 1 0 0\n{{}}"),
            &format!("1  {token} 1 0 1\n{{}}"),
        ] {
            assert_eq!(read(payload), None, "{payload}");
        }
        assert_eq!(read_answer(&format!("1 {token} 1 0 1\n{{}}")), None);
        assert_eq!(read_answer(&answer(FROM, 5, "{}")), Some((FROM, 5, "{}")));
    }

    #[test]
    fn parts_that_do_not_follow_each_other_make_no_call() {
        let text = "x".repeat(MAX_PART_BYTES * 3);
        let payloads = split(FROM, 1, &text).unwrap();
        let add = |assembly: &mut Assembly, place: usize| assembly.add(&read(&payloads[place]).unwrap());
        let mut assembly = Assembly::default();
        assert_eq!(add(&mut assembly, 1), Assembled::Stray);
        assert_eq!(add(&mut assembly, 0), Assembled::Open);
        assert_eq!(add(&mut assembly, 2), Assembled::Stray);
        assert_eq!(add(&mut assembly, 1), Assembled::Stray, "what was open is given up");
        let other = split(Token::new([8; 16]), 1, &text).unwrap();
        assert_eq!(add(&mut assembly, 0), Assembled::Open);
        assert_eq!(assembly.add(&read(&other[1]).unwrap()), Assembled::Stray);
        for place in 0..2 {
            assert_eq!(add(&mut assembly, place), Assembled::Open);
        }
        assert_eq!(add(&mut assembly, 2), Assembled::Whole(text.clone()));
    }
}
