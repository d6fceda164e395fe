//! A change set in a transaction of several statements: the way that knows what it was that did not hold.

use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, SqlSafeStr as _};
use waiterix_domain::UniqueRule;
use waiterix_ports::{Error, ErrorKind, Violation};

use super::program::{Action, Group, Piece, Program};
use super::statement::{self, View};
use super::text::Texts;
use super::watch::Watch;
use super::{OPERATION, Trouble};
use crate::fault::{Effect, Failure};
use crate::layout::Layout;
use crate::session::{Mode, Session};

/// Takes a lock for each name, in an order that is the same for everybody. The names are many and the locks a server can
/// hold are few, so names share locks.
const NAMES: &str = "SELECT pg_advisory_xact_lock($1, n) FROM (SELECT DISTINCT hashtext(name) & 255 AS n \
    FROM unnest($2::text[]) AS name ORDER BY 1) AS names";
/// The first half of these locks' numbers, so that they are nobody else's.
const NAMES_CLASS: i32 = 0x5754_5258;

/// Performs a set in a transaction.
pub(super) async fn perform(
    mut session: Session,
    texts: &Texts,
    layout: Layout,
    program: &Program,
) -> Result<(), Trouble> {
    if let Err(failure) = session.begin(Mode::Write).await {
        session.recover(&failure);
        return Err(Trouble::Failed(failure, Effect::None));
    }
    let mut attempt = Attempt { session: &mut session, texts, layout };
    match attempt.run(program).await {
        Ok(Course::Perform) => match session.commit().await {
            Ok(()) => {
                session.release();
                Ok(())
            }
            Err(failure) => {
                session.recover(&failure);
                Err(Trouble::Failed(failure, Effect::Unknown))
            }
        },
        Ok(Course::Repeated) => {
            session.undo().await;
            Ok(())
        }
        Err(Trouble::Failed(failure, effect)) => {
            session.abandon(&failure).await;
            Err(Trouble::Failed(failure, effect))
        }
        Err(refused) => {
            session.undo().await;
            Err(refused)
        }
    }
}

/// Whether there is anything to commit.
enum Course {
    Perform,
    Repeated,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        // Before the end of the transaction nothing is lasting, whatever happened to it.
        Self::Failed(failure, Effect::None)
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Failure::from(error).into()
    }
}

struct Attempt<'a> {
    session: &'a mut Session,
    texts: &'a Texts,
    layout: Layout,
}

impl Attempt<'_> {
    async fn run(&mut self, program: &Program) -> Result<Course, Trouble> {
        if let Some(watch) = &program.watch {
            self.hold_names(watch).await?;
        }
        if let Some(opening) = statement::opening(self.texts, self.layout, program) {
            let row = self.one(opening).await?;
            if row.try_get_unchecked::<i64, _>(0)? == 0 {
                return Ok(Course::Repeated);
            }
        }
        for piece in program.pieces.iter().filter(|piece| !piece.groups.is_empty()) {
            self.piece(piece).await?;
        }
        if let Some(watch) = &program.watch {
            self.look_again(watch).await?;
        }
        Ok(Course::Perform)
    }

    /// Holds the names of what is not there, and cannot be locked itself, against other sets that rely on the same.
    async fn hold_names(&mut self, watch: &Watch) -> Result<(), Trouble> {
        let mut arguments = PgArguments::default();
        let added = arguments.add(NAMES_CLASS).and_then(|()| arguments.add(watch.names.as_slice()));
        added.map_err(too_long)?;
        self.session.each(NAMES.into_sql_str(), arguments, |_| true).await?;
        Ok(())
    }

    /// What others inserted without regard to the names held here shows now, if they were first; if they were not, they
    /// come after this set in every respect.
    async fn look_again(&mut self, watch: &Watch) -> Result<(), Trouble> {
        if !watch.absent.is_empty() {
            let views: Vec<_> = watch.absent.iter().map(Group::view).collect();
            let row = self.trial(&views).await?;
            for (column, group) in watch.absent.iter().enumerate() {
                if let Some(missing) = first_missing(&row, column, group)? {
                    return Err(requirement(group.places[missing]));
                }
            }
        }
        for keys in watch.unique.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((rule, _)) = keys.first() else { continue };
            let row = self.one(statement::clashes(*rule, keys)).await?;
            if row.try_get_unchecked::<i64, _>(0)? > 0 {
                return Err(Trouble::Refused(conflict(Violation::Unique(*rule))));
            }
        }
        Ok(())
    }

    /// Performs a piece, or tells the first of its changes that is impossible.
    async fn piece(&mut self, piece: &Piece) -> Result<(), Trouble> {
        let views: Vec<_> = piece.groups.iter().map(Group::view).collect();
        let row = self.trial(&views).await?;
        let mut impossible: Option<(usize, &Group, usize)> = None;
        for (column, group) in piece.groups.iter().enumerate() {
            let missing = match group.action {
                Action::Delete => None,
                Action::Insert => {
                    let inserted: i64 = row.try_get_unchecked(column)?;
                    if usize::try_from(inserted) == Ok(group.rows.len()) {
                        None
                    } else {
                        self.other_than_found(group).await?
                    }
                }
                _ => first_missing(&row, column, group)?,
            };
            if let Some(missing) = missing {
                let place = group.places[missing];
                if impossible.is_none_or(|(first, ..)| place < first) {
                    impossible = Some((place, group, missing));
                }
            }
        }
        match impossible {
            None => Ok(()),
            Some((place, group, missing)) => Err(match group.action {
                Action::Insert => {
                    let rule = Violation::Unique(UniqueRule::PrimaryKey(group.table));
                    Trouble::Refused(conflict(rule).with("change", place))
                }
                Action::Add(_) => self.uncountable(group, missing).await?,
                _ => requirement(place),
            }),
        }
    }

    /// Some keys were there. The very same row counts as done; answers the first that is another.
    async fn other_than_found(&mut self, group: &Group) -> Result<Option<usize>, Trouble> {
        let row = self.trial(&[group.view_as(Action::Unchanged)]).await?;
        first_missing(&row, 0, group)
    }

    /// Why a counter could not be counted up.
    async fn uncountable(&mut self, group: &Group, missing: usize) -> Result<Trouble, Trouble> {
        let rows = std::slice::from_ref(&group.rows[missing]);
        let row = self.trial(&[View { action: Action::Present, table: group.table, rows }]).await?;
        let found: Vec<i64> = row.try_get_unchecked(0)?;
        let place = group.places[missing];
        if found.is_empty() {
            return Ok(requirement(place));
        }
        Ok(Trouble::Refused(
            Error::new(ErrorKind::Invalid, OPERATION)
                .with("change", place)
                .with("fault", "the count would leave 32 bits"),
        ))
    }

    async fn trial(&mut self, views: &[View<'_>]) -> Result<PgRow, Trouble> {
        self.one(statement::trial(self.texts, self.layout, views)).await
    }

    async fn one(
        &mut self,
        statement: Result<(sqlx::SqlStr, PgArguments), sqlx::error::BoxDynError>,
    ) -> Result<PgRow, Trouble> {
        let (sql, arguments) = statement.map_err(too_long)?;
        Ok(self.session.one(sql, arguments).await?)
    }
}

/// The first row of a group, from 0, that is not among those an action was possible for.
fn first_missing(row: &PgRow, column: usize, group: &Group) -> Result<Option<usize>, Trouble> {
    let found: Vec<i64> = row.try_get_unchecked(column)?;
    if found.len() == group.rows.len() {
        return Ok(None);
    }
    let mut is_found = vec![false; group.rows.len()];
    for number in found {
        if let Some(place) = usize::try_from(number - 1).ok().and_then(|place| is_found.get_mut(place)) {
            *place = true;
        }
    }
    Ok(is_found.iter().position(|found| !found))
}

fn conflict(violation: Violation) -> Error {
    Error::new(ErrorKind::Conflict, OPERATION).violating(violation)
}

fn requirement(place: usize) -> Trouble {
    Trouble::Refused(conflict(Violation::Requirement { place }))
}

fn too_long(_: sqlx::error::BoxDynError) -> Trouble {
    Trouble::Refused(crate::reading::too_long(OPERATION))
}
