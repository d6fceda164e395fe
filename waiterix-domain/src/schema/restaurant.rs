//! Restaurants, their tables and what the assistant knows about them.

use super::{SubscriptionStatus, entity};
use crate::id::{KnowledgeId, RestaurantId, TableId, UserId};
use crate::{Secret, Timestamp};

entity! {
    /// A restaurant: the tenant that owns everything else. A user owns at most one.
    Restaurant in Restaurants {
        /// The restaurant.
        id: RestaurantId,
        /// Its owner.
        user_id: UserId => Users Cascade,
        /// Name shown to guests.
        name: String,
        /// Free text.
        description: Option<String>,
        /// Street address.
        address: Option<String>,
        /// City.
        city: Option<String>,
        /// US state code.
        state: Option<String>,
        /// English country name, free text.
        country: Option<String>,
        /// Phone number, free text.
        phone: Option<String>,
        /// Opening hours, free text.
        hours: Option<String>,
        /// Picture reference.
        cover_image_url: Option<String>,
        /// Language code.
        default_language: String,
        /// ISO 4217 code.
        currency_code: String,
        /// bcrypt hash of the admin passcode.
        admin_password: Option<Secret>,
        /// First security question, in clear.
        security_question_1: Option<String>,
        /// bcrypt hash of the lower-cased, trimmed answer.
        security_answer_1: Option<Secret>,
        /// Second security question, in clear.
        security_question_2: Option<String>,
        /// bcrypt hash of the lower-cased, trimmed answer.
        security_answer_2: Option<Secret>,
        /// Whether guests may talk to the assistant.
        ai_waiter_enabled: bool,
        /// Whether the dashboard prints new orders by itself.
        auto_print_orders: bool,
        /// Stripe connected account.
        stripe_account_id: Option<String>,
        /// Whether Stripe's onboarding is done.
        stripe_onboarding_complete: bool,
        /// Stripe customer, for the subscription.
        stripe_customer_id: Option<String>,
        /// Paystack subaccount.
        paystack_subaccount_code: Option<String>,
        /// Bank of the subaccount.
        paystack_bank_code: Option<String>,
        /// Bank account: sensitive.
        paystack_account_number: Option<Secret>,
        /// Holder of the bank account.
        paystack_account_name: Option<String>,
        /// Whether Paystack's onboarding is done.
        paystack_onboarding_complete: bool,
        /// Telr merchant.
        telr_merchant_id: Option<String>,
        /// Telr credential, stored in clear by the old system.
        telr_api_key: Option<Secret>,
        /// Whether Telr's onboarding is done.
        telr_onboarding_complete: bool,
        /// Adyen merchant.
        adyen_merchant_account: Option<String>,
        /// Whether Adyen's onboarding is done.
        adyen_onboarding_complete: bool,
        /// State of the subscription.
        subscription_status: SubscriptionStatus,
        /// Subscription at the payment provider.
        subscription_id: Option<String>,
        /// End of the trial.
        trial_ends_at: Option<Timestamp>,
        /// End of the paid period.
        current_period_end: Option<Timestamp>,
        /// AI calls of all time.
        ai_usage_count: i32,
        /// AI calls of the period.
        current_month_usage: i32,
        /// Metered item at the payment provider.
        stripe_usage_item_id: Option<String>,
        /// Last report to the payment provider.
        last_usage_reported_at: Option<Timestamp>,
        /// Creation.
        created_at: Timestamp,
    }
}

entity! {
    /// A table with a QR code.
    RestaurantTable in RestaurantTables {
        /// The table.
        id: TableId,
        /// Its restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// Free label such as `1`, `10`, `VIP`; unique within the restaurant, whatever the case.
        table_number: String,
        /// Never written.
        qr_code_url: Option<String>,
        /// Creation.
        created_at: Timestamp,
    }
}

entity! {
    /// What the assistant knows about one restaurant.
    RestaurantKnowledge in RestaurantKnowledge {
        /// The row.
        id: KnowledgeId,
        /// The restaurant; at most one row each.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// Story of the house.
        story: Option<String>,
        /// Philosophy.
        philosophy: Option<String>,
        /// Where ingredients come from.
        sourcing_practices: Option<String>,
        /// Techniques.
        special_techniques: Option<String>,
        /// Awards.
        awards: Option<String>,
        /// Sustainability.
        sustainability_practices: Option<String>,
        /// Creation.
        created_at: Timestamp,
        /// Last change.
        updated_at: Timestamp,
    }
}
