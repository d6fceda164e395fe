//! The period a report is about.

use crate::{Rejection, Timestamp};

const DAY_MILLIS: i64 = 86_400_000;

/// A period, half-open in UTC: from the start to the end of the day the end falls on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRange {
    start: String,
    end: String,
    from: Timestamp,
    to: Timestamp,
}

impl ReportRange {
    /// Reads a period from what the caller sent: dates `YYYY-MM-DD` or ISO times. A date means midnight UTC at its
    /// start; the end always reaches to the end of its day in UTC.
    ///
    /// # Errors
    /// `Invalid` when either is missing or empty, cannot be read, or when the start comes after the end.
    pub fn parse(start: Option<&str>, end: Option<&str>) -> Result<Self, Rejection> {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let (Some(start), Some(end)) = (given(start), given(end)) else {
            return Err(Rejection::invalid("Start date and end date are required"));
        };
        let bounds = Timestamp::parse_loose(&start).zip(Timestamp::parse_loose(&end));
        let Some((from, last)) = bounds else {
            return Err(Rejection::invalid("Invalid date range"));
        };
        let to = last.start_of_day().plus_millis(DAY_MILLIS);
        // A plain end date means its whole day, so only an end with a time of its own can precede the start there.
        let in_order = if Timestamp::parse_date(&end).is_some() { from < to } else { from <= last };
        if !in_order {
            return Err(Rejection::invalid("Invalid date range"));
        }
        Ok(Self { start, end, from, to })
    }

    /// The start as it was sent.
    #[must_use]
    pub fn start(&self) -> &str {
        &self.start
    }

    /// The end as it was sent.
    #[must_use]
    pub fn end(&self) -> &str {
        &self.end
    }

    /// The first instant of the period.
    #[must_use]
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// The first instant after the period.
    #[must_use]
    pub const fn to(&self) -> Timestamp {
        self.to
    }

    /// The name of the report's file. Only texts that were read as dates are in it (D90).
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("financial_report_{}_to_{}.csv", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(start: &str, end: &str) -> Option<(String, String)> {
        let range = ReportRange::parse(Some(start), Some(end)).ok()?;
        Some((range.from().to_string(), range.to().to_string()))
    }

    #[test]
    fn a_period_ends_with_the_end_of_its_last_day_in_utc() {
        for (start, end, from, to) in [
            ("2025-01-31", "2025-01-31", "2025-01-31T00:00:00.000Z", "2025-02-01T00:00:00.000Z"),
            ("2024-02-01", "2024-02-29", "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
            (
                "2025-01-31T23:30:00-02:00",
                "2025-02-01T02:00:00Z",
                "2025-02-01T01:30:00.000Z",
                "2025-02-02T00:00:00.000Z",
            ),
            (
                "2025-01-01T12:00:00.000Z",
                "2025-01-01",
                "2025-01-01T12:00:00.000Z",
                "2025-01-02T00:00:00.000Z",
            ),
        ] {
            assert_eq!(bounds(start, end), Some((from.to_owned(), to.to_owned())), "{start} {end}");
        }
    }

    #[test]
    fn missing_dates_are_told_apart_from_bad_ones() {
        for (start, end) in [(None, None), (Some("2025-01-01"), None), (Some(""), Some("2025-01-01"))] {
            let refusal = ReportRange::parse(start, end).unwrap_err();
            assert_eq!(refusal, Rejection::invalid("Start date and end date are required"));
        }
    }

    #[test]
    fn d89_unreadable_or_reversed_dates_are_refused() {
        for (start, end) in [
            ("yesterday", "2025-01-01"),
            ("2025-01-01", "2025-02-30"),
            ("2025-1-1", "2025-01-02"),
            ("01/02/2025", "2025-01-02"),
            ("2025-01-02", "2025-01-01"),
            ("2025-01-01T15:00:00Z", "2025-01-01T10:00:00Z"),
            ("2025-01-01\"; x=\"", "2025-01-01"),
            ("2025-01-01\n10:00:00Z", "2025-01-01"),
            ("2025-01-01 10:00:00Z", "2025-01-01"),
            (" 2025-01-01", "2025-01-01"),
        ] {
            let refusal = ReportRange::parse(Some(start), Some(end)).unwrap_err();
            assert_eq!(refusal, Rejection::invalid("Invalid date range"), "{start:?} {end:?}");
        }
    }

    #[test]
    fn d90_the_file_name_holds_nothing_but_dates() {
        let range = ReportRange::parse(Some("2025-01-01"), Some("2025-01-31T10:00:00.000Z")).unwrap();
        assert_eq!(range.file_name(), "financial_report_2025-01-01_to_2025-01-31T10:00:00.000Z.csv");
        assert!(range.file_name().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+".contains(&b)));
    }

    #[test]
    fn the_last_writable_day_still_has_an_end() {
        let range = ReportRange::parse(Some("0001-01-01"), Some("9999-12-31")).unwrap();
        assert!(range.from() < range.to());
    }
}
