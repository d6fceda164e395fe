//! Rows in two databases, of which one leads.
//!
//! Everything here speaks to both through [`RowSide`](waiterix_ports::moving::RowSide) and follows the pure functions of
//! [`protocol`](crate::protocol). Decision 29 tells why it is as it is.
//!
//! | what | does |
//! |---|---|
//! | [`Sides`], [`Lead`] | who leads, and how long that may be remembered |
//! | [`DualStore`] | the port of rows for the service, while they move |
//! | [`Converger`], [`Relay`] | makes keys of the journal equal on the side that follows |
//! | [`Backfill`] | copies all tables in ranges |
//! | [`Verifier`] | finds and names differences, and repairs them |
//! | [`ShadowStore`] | asks the other side what the leader was asked, and compares |
//! | [`Cutover`] | gives the lead to the other side, and back |

mod acts;
mod backfill;
mod converge;
mod cutover;
mod differ;
mod gates;
mod lead;
mod progress;
mod relay;
mod shadow;
mod sides;
mod store;
mod stretches;
mod throttle;
mod verify;

pub use backfill::{Backfill, BackfillSettings, Copied};
pub use converge::{Batch, Converger};
pub use cutover::{Cutover, CutoverSettings, Ended};
pub use differ::{Difference, Found};
pub use gates::{GateSettings, Gates};
pub use lead::{Lead, REFRESH, SILENCE};
pub use progress::{Event, NoLedger, Progress, Quiet, Signal, Stop};
pub use relay::{Relay, RelaySettings};
pub use shadow::{Mismatch, ShadowSettings, ShadowStore, Shadowing};
pub use sides::{Direction, Seen, Sides};
pub use store::{DualSettings, DualStore};
pub use throttle::{Latency, Load, Throttle, ThrottleSettings};
pub use verify::{Report, TableReport, Verifier, VerifySettings};
