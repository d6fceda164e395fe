//! A restaurant as its owner sees it.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::restaurant::PLACEHOLDER_SUBSCRIPTION;
use waiterix_domain::schema;

use super::{time, time_or_null};

/// A restaurant as its owner sees it: everything but the hashes of passcode and answers and the providers' keys, which
/// never leave the server (D12, D13).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restaurant {
    id: String,
    user_id: String,
    name: String,
    description: Option<String>,
    address: Option<String>,
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
    phone: Option<String>,
    hours: Option<String>,
    cover_image_url: Option<String>,
    default_language: String,
    currency_code: String,
    security_question_1: Option<String>,
    security_question_2: Option<String>,
    ai_waiter_enabled: bool,
    auto_print_orders: bool,
    stripe_account_id: Option<String>,
    stripe_onboarding_complete: bool,
    stripe_customer_id: Option<String>,
    paystack_subaccount_code: Option<String>,
    paystack_bank_code: Option<String>,
    paystack_account_number: Option<String>,
    paystack_account_name: Option<String>,
    paystack_onboarding_complete: bool,
    telr_merchant_id: Option<String>,
    telr_onboarding_complete: bool,
    adyen_merchant_account: Option<String>,
    adyen_onboarding_complete: bool,
    subscription_status: String,
    subscription_id: Option<String>,
    trial_ends_at: Option<String>,
    current_period_end: Option<String>,
    ai_usage_count: i32,
    current_month_usage: i32,
    stripe_usage_item_id: Option<String>,
    last_usage_reported_at: Option<String>,
    created_at: String,
}

impl From<schema::Restaurant> for Restaurant {
    fn from(row: schema::Restaurant) -> Self {
        let subscription_id = row.subscription_id.filter(|id| !id.is_empty());
        Self {
            id: row.id.into_string(),
            user_id: row.user_id.into_string(),
            name: row.name,
            description: row.description,
            address: row.address,
            city: row.city,
            state: row.state,
            country: row.country,
            phone: row.phone,
            hours: row.hours,
            cover_image_url: row.cover_image_url,
            default_language: row.default_language,
            currency_code: row.currency_code,
            security_question_1: row.security_question_1,
            security_question_2: row.security_question_2,
            ai_waiter_enabled: row.ai_waiter_enabled,
            auto_print_orders: row.auto_print_orders,
            stripe_account_id: row.stripe_account_id,
            stripe_onboarding_complete: row.stripe_onboarding_complete,
            stripe_customer_id: row.stripe_customer_id,
            paystack_subaccount_code: row.paystack_subaccount_code,
            paystack_bank_code: row.paystack_bank_code,
            paystack_account_number: row.paystack_account_number.map(|number| number.reveal().to_owned()),
            paystack_account_name: row.paystack_account_name,
            paystack_onboarding_complete: row.paystack_onboarding_complete,
            telr_merchant_id: row.telr_merchant_id,
            telr_onboarding_complete: row.telr_onboarding_complete,
            adyen_merchant_account: row.adyen_merchant_account,
            adyen_onboarding_complete: row.adyen_onboarding_complete,
            subscription_status: row.subscription_status.to_string(),
            subscription_id: subscription_id.or_else(|| Some(PLACEHOLDER_SUBSCRIPTION.to_owned())),
            trial_ends_at: time_or_null(row.trial_ends_at),
            current_period_end: time_or_null(row.current_period_end),
            ai_usage_count: row.ai_usage_count,
            current_month_usage: row.current_month_usage,
            stripe_usage_item_id: row.stripe_usage_item_id,
            last_usage_reported_at: time_or_null(row.last_usage_reported_at),
            created_at: time(row.created_at),
        }
    }
}
