//! Restaurants: opening one, changing what guests see of it, closing it.

use crate::account::detach_all;
use crate::country::currency_of;
use crate::facts::Account;
use crate::picture::Gallery;
use crate::question::DEFAULT_LANGUAGE;
use crate::schema::{Restaurant, RestaurantTable, SubscriptionStatus, Table, Upload};
use crate::text::{Faults, fault_of};
use crate::{Decision, Effect, Env, Rejection, Secret, Timestamp, admin};

/// The subscription id an owner sees as long as there is no billing. Without one, the client leaves the dashboard.
pub const PLACEHOLDER_SUBSCRIPTION: &str = "local";

/// The tables a new restaurant starts with.
const FIRST_TABLES: [&str; 3] = ["1", "2", "3"];
/// How many days after today a trial ends.
const TRIAL_DAYS: i64 = 30;
/// The longest name in characters.
const MAX_NAME_CHARS: usize = 200;

/// Opens a restaurant. Texts are kept as sent; an absent one is null.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenRestaurant {
    /// 1 to 200 characters, not only blanks.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Street address.
    pub address: Option<String>,
    /// City.
    pub city: Option<String>,
    /// US state code.
    pub state: Option<String>,
    /// English country name; decides the currency when none is named.
    pub country: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Opening hours.
    pub hours: Option<String>,
    /// Picture, see [`crate::picture`].
    pub cover_image_url: Option<String>,
    /// Language code; `en` when absent.
    pub default_language: Option<String>,
    /// ISO 4217 code; by country when absent or empty.
    pub currency_code: Option<String>,
    /// Admin passcode in clear, 6 to 72 bytes.
    pub admin_passcode: Option<Secret>,
    /// First security question; it comes with its answer.
    pub security_question_1: Option<String>,
    /// Its answer in clear.
    pub security_answer_1: Option<Secret>,
    /// Second security question; it comes with its answer.
    pub security_question_2: Option<String>,
    /// Its answer in clear.
    pub security_answer_2: Option<Secret>,
}

/// The bcrypt hashes of what an [`OpenRestaurant`] holds in clear, computed outside because that is slow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hashes {
    /// Of the passcode.
    pub admin_passcode: Option<Secret>,
    /// Of the first answer, lower-cased and trimmed.
    pub security_answer_1: Option<Secret>,
    /// Of the second answer, lower-cased and trimmed.
    pub security_answer_2: Option<Secret>,
}

/// Refuses a second restaurant of a user.
///
/// # Errors
/// `Invalid` when there is one already.
pub fn must_be_first(account: &Account) -> Result<(), Rejection> {
    match &account.restaurant {
        Some(_) => Err(Rejection::invalid("Restaurant already exists")),
        None => Ok(()),
    }
}

impl OpenRestaurant {
    /// Checks everything but the picture; call it before hashing anything.
    ///
    /// # Errors
    /// `Invalid` with every field that breaks a rule.
    pub fn check(&self) -> Result<(), Rejection> {
        let mut faults = Faults::default();
        check_name(&mut faults, &self.name);
        for (field, text) in [
            ("description", &self.description),
            ("address", &self.address),
            ("city", &self.city),
            ("state", &self.state),
            ("country", &self.country),
            ("phone", &self.phone),
            ("hours", &self.hours),
            ("defaultLanguage", &self.default_language),
        ] {
            faults.free_text(field, text.as_deref());
        }
        if let Some(code) = self.named_currency() {
            check_currency(&mut faults, code);
        }
        if let Some(fault) = self.admin_passcode.as_ref().and_then(|code| passcode_fault(code.reveal())) {
            faults.add("adminPasscode", fault);
        }
        let pairs = [
            ("securityQuestion1", &self.security_question_1, "securityAnswer1", &self.security_answer_1),
            ("securityQuestion2", &self.security_question_2, "securityAnswer2", &self.security_answer_2),
        ];
        for (question_field, question, answer_field, answer) in pairs {
            check_pair(&mut faults, (question_field, question.as_deref()), (answer_field, answer.as_ref()));
        }
        faults.refuse("Invalid restaurant data")
    }

    fn named_currency(&self) -> Option<&str> {
        self.currency_code.as_deref().filter(|code| !code.is_empty())
    }
}

fn check_name(faults: &mut Faults, name: &str) {
    faults.text("name", if name.trim().is_empty() { "" } else { name }, 1..=MAX_NAME_CHARS);
}

fn check_currency(faults: &mut Faults, code: &str) {
    let known = iso_currency::Currency::from_code(code).is_some();
    if !(known && code.bytes().all(|byte| byte.is_ascii_uppercase())) {
        faults.add("currencyCode", "must be a currency code such as EUR");
    }
}

fn passcode_fault(passcode: &str) -> Option<String> {
    let fits = (admin::MIN_PASSWORD_CHARS..=admin::MAX_SECRET_BYTES).contains(&passcode.len());
    if fits { fault_of(passcode, 0..=usize::MAX) } else { Some("must have 6 to 72 bytes".to_owned()) }
}

/// A question without an answer, or an answer without a question, would later lock the owner out of the recovery (D81).
fn check_pair(faults: &mut Faults, question: (&str, Option<&str>), answer: (&str, Option<&Secret>)) {
    match (question.1, answer.1) {
        (None, None) => {}
        (Some(text), Some(secret)) => {
            let text = if text.trim().is_empty() { "" } else { text };
            faults.text(question.0, text, 1..=admin::MAX_QUESTION_CHARS);
            if let Some(fault) = admin::answer_fault(secret) {
                faults.add(answer.0, fault);
            }
        }
        (Some(_), None) => faults.add(answer.0, "must come with its question"),
        (None, Some(_)) => faults.add(question.0, "must come with its answer"),
    }
}

/// The end of the day so many days after today, in UTC.
fn trial_end(now: Timestamp) -> Timestamp {
    now.start_of_day().plus_seconds((TRIAL_DAYS + 1) * 86_400).plus_millis(-1)
}

/// Opens a restaurant with its first three tables, in one transaction (D22), and with the end of its trial (D20). Nothing
/// but the named fields can be set (D17).
///
/// # Errors
/// `Invalid` when the user has a restaurant already (D23) or the input breaks a rule (D19).
pub fn open(
    account: &Account,
    mut gallery: Gallery<'_>,
    command: &OpenRestaurant,
    hashes: &Hashes,
    env: &mut Env<'_>,
) -> Result<Decision<Restaurant>, Rejection> {
    must_be_first(account)?;
    command.check()?;
    let cover_image_url = gallery.replace(None, command.cover_image_url.as_deref())?;
    let currency = match command.named_currency() {
        Some(code) => code,
        None => currency_of(command.country.as_deref().unwrap_or_default()),
    };
    let restaurant = Restaurant {
        id: env.id(),
        user_id: account.user.id.clone(),
        name: command.name.clone(),
        description: command.description.clone(),
        address: command.address.clone(),
        city: command.city.clone(),
        state: command.state.clone(),
        country: command.country.clone(),
        phone: command.phone.clone(),
        hours: command.hours.clone(),
        cover_image_url,
        default_language: command.default_language.clone().unwrap_or_else(|| DEFAULT_LANGUAGE.to_owned()),
        currency_code: currency.to_owned(),
        admin_password: hashes.admin_passcode.clone(),
        security_question_1: command.security_question_1.clone(),
        security_answer_1: hashes.security_answer_1.clone(),
        security_question_2: command.security_question_2.clone(),
        security_answer_2: hashes.security_answer_2.clone(),
        ai_waiter_enabled: true,
        auto_print_orders: false,
        stripe_account_id: None,
        stripe_onboarding_complete: false,
        stripe_customer_id: None,
        paystack_subaccount_code: None,
        paystack_bank_code: None,
        paystack_account_number: None,
        paystack_account_name: None,
        paystack_onboarding_complete: false,
        telr_merchant_id: None,
        telr_api_key: None,
        telr_onboarding_complete: false,
        adyen_merchant_account: None,
        adyen_onboarding_complete: false,
        subscription_status: SubscriptionStatus::Trialing,
        subscription_id: None,
        trial_ends_at: Some(trial_end(env.now)),
        current_period_end: None,
        ai_usage_count: 0,
        current_month_usage: 0,
        stripe_usage_item_id: None,
        last_usage_reported_at: None,
        created_at: env.now,
    };
    let tables: Vec<RestaurantTable> =
        FIRST_TABLES.iter().map(|label| crate::table::new_table(&restaurant.id, label, env)).collect();
    let changes = env.changes().insert(restaurant.clone()).insert_all(tables);
    let (changes, effects) = gallery.finish(changes, env.now);
    Ok(Decision { changes, reply: restaurant, effects })
}

/// What an owner may change. The outer `None` leaves a field as it is, the inner one makes it null.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestaurantPatch {
    /// 1 to 200 characters, not only blanks.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<Option<String>>,
    /// Street address.
    pub address: Option<Option<String>>,
    /// City; only while there is none.
    pub city: Option<Option<String>>,
    /// US state code.
    pub state: Option<Option<String>>,
    /// Country; only while there is none.
    pub country: Option<Option<String>>,
    /// Phone number.
    pub phone: Option<Option<String>>,
    /// Opening hours.
    pub hours: Option<Option<String>>,
    /// Picture, see [`crate::picture`].
    pub cover_image_url: Option<Option<String>>,
    /// Language code.
    pub default_language: Option<String>,
    /// ISO 4217 code.
    pub currency_code: Option<String>,
    /// Whether the dashboard prints new orders by itself.
    pub auto_print_orders: Option<bool>,
    /// Whether guests may talk to the assistant.
    pub ai_waiter_enabled: Option<bool>,
}

impl RestaurantPatch {
    fn check(&self, now: &Restaurant) -> Result<(), Rejection> {
        let mut faults = Faults::default();
        if let Some(name) = &self.name {
            check_name(&mut faults, name);
        }
        for (field, text) in [
            ("description", &self.description),
            ("address", &self.address),
            ("city", &self.city),
            ("state", &self.state),
            ("country", &self.country),
            ("phone", &self.phone),
            ("hours", &self.hours),
        ] {
            faults.free_text(field, text.as_ref().and_then(Option::as_deref));
        }
        faults.free_text("defaultLanguage", self.default_language.as_deref());
        // An old row may hold any text, and the client sends it back unchanged.
        if let Some(code) = self.currency_code.as_deref().filter(|code| *code != now.currency_code) {
            check_currency(&mut faults, code);
        }
        faults.refuse("Invalid restaurant data")?;
        if changes_once_set(now.city.as_deref(), self.city.as_ref()) {
            return Err(Rejection::invalid("City cannot be changed once set"));
        }
        if changes_once_set(now.country.as_deref(), self.country.as_ref()) {
            return Err(Rejection::invalid("Country cannot be changed once set"));
        }
        Ok(())
    }
}

fn is_set(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

fn changes_once_set(now: Option<&str>, wanted: Option<&Option<String>>) -> bool {
    is_set(now) && wanted.is_some_and(|wanted| wanted.as_deref() != now)
}

fn put<T: Clone>(field: &mut T, wanted: Option<&T>) {
    if let Some(wanted) = wanted {
        *field = wanted.clone();
    }
}

/// Changes what an owner may change and nothing else (D18). City and country stay once they are set; the first country
/// sets the currency, unless one is named.
///
/// # Errors
/// `Invalid` when the input breaks a rule.
pub fn change(
    restaurant: &Restaurant,
    mut gallery: Gallery<'_>,
    patch: &RestaurantPatch,
    env: &mut Env<'_>,
) -> Result<Decision<Restaurant>, Rejection> {
    patch.check(restaurant)?;
    let mut after = restaurant.clone();
    put(&mut after.name, patch.name.as_ref());
    put(&mut after.description, patch.description.as_ref());
    put(&mut after.address, patch.address.as_ref());
    put(&mut after.city, patch.city.as_ref());
    put(&mut after.state, patch.state.as_ref());
    put(&mut after.country, patch.country.as_ref());
    put(&mut after.phone, patch.phone.as_ref());
    put(&mut after.hours, patch.hours.as_ref());
    put(&mut after.default_language, patch.default_language.as_ref());
    put(&mut after.auto_print_orders, patch.auto_print_orders.as_ref());
    put(&mut after.ai_waiter_enabled, patch.ai_waiter_enabled.as_ref());
    if is_set(after.country.as_deref()) && !is_set(restaurant.country.as_deref()) {
        currency_of(after.country.as_deref().unwrap_or_default()).clone_into(&mut after.currency_code);
    }
    put(&mut after.currency_code, patch.currency_code.as_ref());
    if let Some(wanted) = &patch.cover_image_url {
        after.cover_image_url = gallery.replace(restaurant.cover_image_url.as_deref(), wanted.as_deref())?;
    }
    let (changes, effects) = gallery.finish(env.changes().update(restaurant.clone(), after.clone()), env.now);
    Ok(Decision { changes, reply: after, effects })
}

/// Closes a restaurant for good: its row and all that hangs on it, and afterwards the pictures it showed (D27).
pub fn close(restaurant: &Restaurant, uploads: &[Upload], env: &mut Env<'_>) -> Decision<()> {
    let shown: Vec<Upload> = uploads.iter().filter(|upload| upload.attached_at.is_some()).cloned().collect();
    let changes = detach_all(env.changes(), &shown).delete(Table::Restaurants, &restaurant.id);
    shown.iter().fold(Decision::new(changes, ()), |decision, upload| {
        decision.then(Effect::DeleteBlob { key: upload.id.to_string() })
    })
}

#[cfg(test)]
#[path = "restaurant_tests.rs"]
mod tests;
