//! Faults of reads.

use waiterix_domain::value::Value;
use waiterix_domain::{Counter, Row, Table, Timestamp};
use waiterix_ports::{Answer, Error, ErrorKind, KeyRange, Query, Result};

use super::{BrokenStore, Fault};
use crate::broken::held;
use crate::store::catalogue::is_empty;
use crate::store::probe::set;

impl BrokenStore {
    pub(super) async fn read_badly(&self, query: &Query) -> Result<Answer> {
        if self.has(Fault::RefusesNulInQueries) && format!("{query:?}").contains("\\0") {
            return Err(Error::new(ErrorKind::Invalid, "store.read"));
        }
        if let (true, Query::Restaurant(id)) = (self.has(Fault::ReadingCounts), query) {
            let name = format!("read {}", self.next());
            // Unknown restaurants are not counted.
            self.sound.commit(&set(&name).add(Counter::RestaurantAiUsage, id, 1)).await.ok();
        }
        let answer = match self.fault {
            Some(Fault::CachesAnswers) => {
                let known = self.last_answer(query);
                if let Some(known) = known {
                    return Ok(known);
                }
                self.sound.read(query).await?
            }
            Some(Fault::IgnoresQueryLimits) => self.sound.read(&without_limit(query)).await?,
            _ => self.sound.read(query).await?,
        };
        let older = self.last_answer(query);
        self.keep_answer(query, &answer);
        match self.fault {
            Some(Fault::UnknownIsAnError) if is_empty(&answer) => {
                Err(Error::new(ErrorKind::NotFound, "store.read"))
            }
            Some(Fault::Reverses) => Ok(reversed(answer)),
            Some(Fault::TornAnswers) => Ok(torn(answer, older)),
            _ => Ok(self.spoil_answer(answer)),
        }
    }

    fn last_answer(&self, query: &Query) -> Option<Answer> {
        let memory = held(&self.memory);
        memory.answers.iter().find(|(known, _)| known == query).map(|(_, answer)| answer.clone())
    }

    fn keep_answer(&self, query: &Query, answer: &Answer) {
        let mut memory = held(&self.memory);
        memory.answers.retain(|(known, _)| known != query);
        memory.answers.push((query.clone(), answer.clone()));
    }

    fn spoil_answer(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Rows(rows) => Answer::Rows(rows.iter().map(|row| self.spoil(row)).collect()),
            Answer::Labelled(rows) => {
                Answer::Labelled(rows.iter().map(|(row, label)| (self.spoil(row), label.clone())).collect())
            }
            counts @ Answer::Counts(_) => counts,
        }
    }

    /// A row as a store with a poor memory gives it back.
    fn spoil(&self, row: &Row) -> Row {
        let columns = row.table().columns();
        let values =
            row.to_values().into_iter().enumerate().map(|(place, value)| match (self.fault, value) {
                (Some(Fault::CutsMicroseconds), Value::Timestamp(at)) => {
                    Value::Timestamp(Timestamp::from_millis(at.as_millis()).unwrap_or(at))
                }
                (Some(Fault::EmptyIsNull), Value::Text(text))
                    if text.is_empty() && columns[place].nullable =>
                {
                    Value::Null
                }
                (Some(Fault::SortsArrays), Value::TextArray(mut texts)) => {
                    texts.sort();
                    Value::TextArray(texts)
                }
                (Some(Fault::JsonNullIsNull), Value::Json(json)) if json.is_null() => Value::Null,
                (_, value) => value,
            });
        row.table().row_from_values(values.collect()).unwrap_or_else(|_| row.clone())
    }

    pub(super) async fn scan_badly(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        let mut page = match self.fault {
            Some(Fault::ClampsLimit) => self.sound.scan(table, range, limit.clamp(1, 10_000)).await?,
            Some(Fault::PagesByOffset) => self.scan_by_offset(table, range, limit).await?,
            _ => self.sound.scan(table, range, limit).await?,
        };
        match self.fault {
            Some(Fault::SkipsBoundary) if range.after.is_some() && !page.is_empty() => {
                page.remove(0);
            }
            Some(Fault::LocaleOrder) => page.sort_by_key(|row| row.key().to_lowercase()),
            Some(Fault::ExclusiveEnd) => page.retain(|row| range.up_to.as_deref() != Some(row.key())),
            _ => {}
        }
        Ok(page.iter().map(|row| self.spoil(row)).collect())
    }

    async fn scan_by_offset(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        let offset = range.after.as_ref().and_then(|after| {
            let memory = held(&self.memory);
            memory.offsets.iter().rev().find(|(of, key, _)| *of == table && key == after).map(|known| known.2)
        });
        let Some(offset) = offset.or_else(|| range.after.is_none().then_some(0)) else {
            return self.sound.scan(table, range, limit).await;
        };
        let whole = KeyRange { after: None, up_to: range.up_to.clone() };
        let rows = self.all(table, &whole).await?;
        let page: Vec<Row> = rows.into_iter().skip(offset).take(limit as usize).collect();
        if let Some(last) = page.last() {
            let place = (table, last.key().to_owned(), offset + page.len());
            held(&self.memory).offsets.push(place);
        }
        Ok(page)
    }
}

fn without_limit(query: &Query) -> Query {
    let mut query = query.clone();
    match &mut query {
        Query::OrdersLive { limit, .. }
        | Query::UploadsAbandoned { limit, .. }
        | Query::IdempotencyKeysBefore { limit, .. } => *limit = 1_000_000,
        _ => {}
    }
    query
}

fn reversed(answer: Answer) -> Answer {
    match answer {
        Answer::Rows(mut rows) => {
            rows.reverse();
            Answer::Rows(rows)
        }
        Answer::Labelled(mut rows) => {
            rows.reverse();
            Answer::Labelled(rows)
        }
        Answer::Counts(mut counts) => {
            counts.reverse();
            Answer::Counts(counts)
        }
    }
}

fn torn(answer: Answer, older: Option<Answer>) -> Answer {
    match (answer, older) {
        (Answer::Rows(mut rows), Some(Answer::Rows(older))) => {
            if let (Some(first), Some(older)) = (rows.first_mut(), older.into_iter().next()) {
                *first = older;
            }
            Answer::Rows(rows)
        }
        (answer, _) => answer,
    }
}

/// The row as if its last column were not there.
pub(super) fn without_last_column(row: &Row) -> Row {
    let mut values = row.to_values();
    if let (Some(last), Some(column)) = (values.last_mut(), row.table().columns().last())
        && column.nullable
    {
        *last = Value::Null;
    }
    row.table().row_from_values(values).unwrap_or_else(|_| row.clone())
}
