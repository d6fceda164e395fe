//! The picture of a move: how many requests were answered and how long the slowest write waited, second by second, with the
//! steps of the move and what the old application was told below.

use std::fmt::Write as _;
use std::time::Duration;

use super::record::{Foreign, Seen};
use super::steps::Step;

const WIDTH: f64 = 1_200.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
/// Top and bottom of the two charts and of the strip.
const RATE: (f64, f64) = (60.0, 200.0);
const WAIT: (f64, f64) = (240.0, 400.0);
const STRIP: (f64, f64) = (430.0, 446.0);
const HEIGHT: f64 = 480.0;
/// The shortest wait that is drawn, in milliseconds; the chart counts in powers of ten from it.
const LEAST_MS: f64 = 1.0;
const DECADES: f64 = 4.0;

/// One second of the whole.
#[derive(Debug, Clone, Default)]
struct Second {
    answered: u32,
    failed: u32,
    longest_write: Duration,
}

fn seconds(seen: &Seen, length: Duration) -> Vec<Second> {
    let count = usize::try_from(length.as_secs()).unwrap_or_default() + 1;
    let mut seconds = vec![Second::default(); count];
    for request in &seen.requests {
        let at = usize::try_from(request.due.as_secs()).unwrap_or_default().min(count - 1);
        let second = &mut seconds[at];
        second.answered += u32::from(!request.failed);
        second.failed += u32::from(request.failed);
        if request.writes {
            second.longest_write = second.longest_write.max(request.waited);
        }
    }
    seconds
}

/// The picture as SVG.
pub(super) fn svg(seen: &Seen, steps: &[Step], length: Duration) -> String {
    let seconds = seconds(seen, length);
    let x = |at: Duration| LEFT + at.as_secs_f64() / length.as_secs_f64().max(1.0) * (WIDTH - LEFT - RIGHT);
    let most = seconds.iter().map(|second| second.answered).max().unwrap_or(1).max(1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    // Writing to a text cannot fail.
    for (nth, step) in steps.iter().enumerate() {
        let (from, to) = (x(step.began), x(step.ended));
        let colour = if step.is_flip() { "#d9480f" } else { "#868e96" };
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\" opacity=\"0.18\"/>\
             <text x=\"{from:.1}\" y=\"{}\" fill=\"{colour}\">{}</text>",
            RATE.0,
            (to - from).max(1.0),
            STRIP.1 - RATE.0,
            20 + 14 * (nth % 3),
            step.name
        );
    }
    let middle = |nth: usize| x(Duration::from_millis(u64::try_from(nth).unwrap_or_default() * 1_000 + 500));
    let mut line = |name: &str, colour: &str, (top, bottom): (f64, f64), heights: Vec<f64>| {
        let points: Vec<String> = heights
            .iter()
            .enumerate()
            .map(|(nth, height)| {
                format!("{:.1},{:.1}", middle(nth), bottom - height.clamp(0.0, 1.0) * (bottom - top))
            })
            .collect();
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\" fill=\"{colour}\">{name}</text>\
             <polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\
             <line x1=\"{LEFT}\" y1=\"{bottom}\" x2=\"{}\" y2=\"{bottom}\" stroke=\"black\"/>",
            top - 4.0,
            points.join(" "),
            WIDTH - RIGHT
        );
    };
    let of_most = |count: u32| f64::from(count) / f64::from(most);
    line("", "#1971c2", RATE, seconds.iter().map(|second| of_most(second.answered)).collect());
    line("", "#e03131", RATE, seconds.iter().map(|second| of_most(second.failed)).collect());
    let decades = |wait: Duration| (wait.as_secs_f64() * 1_000.0 / LEAST_MS).max(1.0).log10() / DECADES;
    line(
        "longest wait of a write, in ms (powers of ten)",
        "#5f3dc4",
        WAIT,
        seconds.iter().map(|second| decades(second.longest_write)).collect(),
    );
    let _ = writeln!(svg, "<text x=\"4\" y=\"{}\">{most}/s</text>", RATE.0 + 10.0);
    for power in 0..=4_i32 {
        let y = WAIT.1 - f64::from(power) / DECADES * (WAIT.1 - WAIT.0);
        let _ = writeln!(svg, "<text x=\"4\" y=\"{y:.1}\">{}</text>", 10_u32.pow(power.unsigned_abs()));
    }
    strip(&mut svg, seen, &x);
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\">requests answered per second: blue; failed: red. Below: writes of the old application, \
         accepted green, refused orange. The whole is {:.0} s.</text>\n</svg>",
        HEIGHT - 14.0,
        length.as_secs_f64()
    );
    svg
}

/// What the old application was told, with neighbours of one kind drawn as one.
fn strip(svg: &mut String, seen: &Seen, x: &dyn Fn(Duration) -> f64) {
    let mut begin = 0;
    while let Some((from, told)) = seen.foreign.get(begin) {
        let length = seen.foreign[begin..].iter().take_while(|(_, other)| other == told).count();
        let (to, _) = seen.foreign[begin + length - 1];
        let colour = match told {
            Foreign::Accepted => "#2f9e44",
            Foreign::Refused => "#f08c00",
        };
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>",
            x(*from),
            STRIP.0,
            (x(to) - x(*from)).max(1.0),
            STRIP.1 - STRIP.0
        );
        begin += length;
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Request, What};
    use super::*;

    #[test]
    fn each_second_knows_its_slowest_write_and_each_step_is_named() {
        let request = |ms: u64, waited, writes, failed| Request {
            what: What::Order,
            writes,
            due: Duration::from_millis(ms),
            waited: Duration::from_millis(waited),
            failed,
        };
        let seen = Seen {
            requests: vec![
                request(100, 5, true, false),
                request(900, 70, true, false),
                request(950, 900, false, false),
                request(1_200, 3, true, true),
            ],
            foreign: vec![(Duration::ZERO, Foreign::Accepted), (Duration::from_secs(1), Foreign::Refused)],
            ..Seen::default()
        };
        let all = seconds(&seen, Duration::from_secs(2));
        assert_eq!((all[0].answered, all[0].longest_write), (3, Duration::from_millis(70)));
        assert_eq!((all[1].answered, all[1].failed), (0, 1));
        let step = Step {
            name: "cutover",
            began: Duration::from_secs(1),
            ended: Duration::from_secs(2),
            said_pause_ms: None,
        };
        let picture = svg(&seen, &[step], Duration::from_secs(2));
        assert!(picture.contains(">cutover</text>") && picture.ends_with("</svg>\n"), "{picture}");
    }
}
