//! The contract of [`Mailer`](waiterix_ports::Mailer) over two memories, by the share of the new one, and under the ledger.

macro_rules! shares {
    ($($module:ident: $percent:literal, $ledger:literal, $name:literal;)+) => {$(
        mod $module {
            use waiterix_contract::mailer::MailFixture;

            #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
            async fn fresh() -> MailFixture {
                crate::mail::Mails::new($percent).fixture($ledger)
            }

            waiterix_contract::mailer_contract!($name, fresh);
        }
    )+};
}

shares! {
    none: 0, false, "two mailers, all mail by the old one";
    half: 50, false, "two mailers, half of the mail by each";
    all: 100, false, "two mailers, all mail by the new one";
    half_under_the_ledger: 50, true, "two mailers under the ledger, half of the mail by each";
}
