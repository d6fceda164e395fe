//! Mails as they are rendered, compared with the files in `golden/`. With `WAITERIX_UPDATE_GOLDEN=1` these are written
//! anew instead, for looking at the difference.

use std::path::{Path, PathBuf};
use std::time::Duration;

use waiterix_app::mail;
use waiterix_domain::facts::OrderView;
use waiterix_domain::receipt::Receipt;
use waiterix_domain::schema::{Entity, Order, OrderItem, Restaurant, RestaurantTable};
use waiterix_domain::support::SupportRequest;
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Amount, Timestamp};
use waiterix_ports::mailer::fault_of;
use waiterix_ports::{Mail, MailId, MailKind};

/// A row in which only the key says something.
fn row<R: Entity>(id: &str) -> R {
    let blank = |kind: Kind| match kind {
        Kind::Text => Value::Text(String::new()),
        Kind::Bool => Value::Bool(false),
        Kind::Int => Value::Int(0),
        Kind::Amount => Value::Amount(Amount::ZERO),
        Kind::Timestamp => Value::Timestamp(Timestamp::EPOCH),
        Kind::TextArray => Value::TextArray(Vec::new()),
        Kind::Json => Value::Json(serde_json::Value::Null),
    };
    let columns = R::COLUMNS.iter();
    let mut values: Vec<Value> =
        columns.map(|column| if column.nullable { Value::Null } else { blank(column.kind) }).collect();
    values[0] = Value::Text(id.to_owned());
    R::from_values(values).unwrap()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn line(name: &str, price: &str, quantity: i32) -> OrderItem {
    OrderItem { name: name.to_owned(), price: amount(price), quantity, ..row(name) }
}

fn view(currency: &str, items: Vec<OrderItem>, sums: [&str; 4]) -> OrderView {
    let [subtotal, tax, tip, total] = sums.map(amount);
    OrderView {
        order: Order {
            payment_method: "cash".to_owned().into(),
            subtotal,
            tax,
            tip,
            total,
            created_at: Timestamp::parse("2025-01-31T09:05:07.123Z").unwrap(),
            ..row("0b5e3a1c-1f2d-4c3b-8a49-5f6e7d8c9b0a")
        },
        restaurant: Restaurant {
            name: "Bella Vista".to_owned(),
            currency_code: currency.to_owned(),
            ..row("restaurant-1")
        },
        table: Some(RestaurantTable { table_number: "5".to_owned(), ..row("table-1") }),
        items,
        has_been_rated: false,
    }
}

fn plain(currency: &str) -> OrderView {
    let items = vec![line("Grilled Salmon", "24.99", 1), line("Sparkling Water", "3.50", 2)];
    view(currency, items, ["31.99", "3.20", "4.80", "39.99"])
}

fn mail_of(view: &OrderView) -> Mail {
    let id = MailId::new("receipt/0b5e3a1c/digest/1").unwrap();
    mail::receipt(id, "guest@example.org", &Receipt::of(view)).unwrap()
}

/// Whether the golden files shall be written instead of compared.
fn updates() -> bool {
    std::env::var_os("WAITERIX_UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

/// Compares a mail with its golden files. What was rendered is kept beside the build for looking at.
#[track_caller]
fn check(name: &str, mail: &Mail) {
    assert_eq!(fault_of(mail), None, "every mailer takes it");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let rendered = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let parts = [("html", mail.html.clone()), ("txt", format!("Subject: {}\n\n{}", mail.subject, mail.text))];
    for (ending, part) in &parts {
        let folder = if updates() { &golden } else { &rendered };
        std::fs::write(folder.join(format!("{name}.{ending}")), part).unwrap();
    }
    for (ending, part) in &parts {
        let file = format!("{name}.{ending}");
        let want = std::fs::read_to_string(golden.join(&file)).unwrap_or_default();
        assert_eq!(part, &want, "{file} differs; rendered: {}", rendered.join(&file).display());
    }
}

#[test]
fn m3_a_receipt_in_dollars() {
    check("receipt_usd", &mail_of(&plain("USD")));
}

#[test]
fn m3_a_receipt_in_a_currency_without_smaller_unit() {
    let items = vec![line("味噌ラーメン", "1200.00", 2), line("緑茶", "300.00", 1)];
    check("receipt_jpy", &mail_of(&view("JPY", items, ["2700.00", "270.00", "0.00", "2970.00"])));
}

#[test]
fn m3_a_receipt_in_a_currency_with_three_decimals() {
    check("receipt_kwd", &mail_of(&plain("KWD")));
}

#[test]
fn m3_a_receipt_in_a_currency_whose_symbol_runs_from_right_to_left() {
    check("receipt_aed", &mail_of(&plain("AED")));
}

#[test]
fn m3_a_receipt_in_a_currency_without_known_symbol_and_without_table() {
    let mut view = plain("MXN");
    view.table = None;
    view.order.payment_method = "card".to_owned().into();
    check("receipt_mxn_without_table", &mail_of(&view));
}

/// A receipt of a restaurant that writes in another language, in its currency.
struct Abroad {
    name: &'static str,
    currency: &'static str,
    restaurant: &'static str,
    table: &'static str,
    items: [(&'static str, &'static str, i32); 3],
    sums: [&'static str; 4],
}

/// The languages and currencies of the restaurants the service has. The words of the receipt are English, see decision
/// 17; what the restaurant wrote is its own, and some of it tries to be more than text.
const ABROAD: [Abroad; 9] = [
    Abroad {
        name: "receipt_eur_german",
        currency: "EUR",
        restaurant: "Gasthaus \"Zur Sonne\" & Söhne",
        table: "Terrasse 3",
        items: [("Maultaschen <groß>", "12.90", 2), ("Grüne Soße", "9.50", 1), ("Weißbier 0,5 l", "4.80", 3)],
        sums: ["49.70", "4.97", "0.00", "54.67"],
    },
    Abroad {
        name: "receipt_chf_french",
        currency: "CHF",
        restaurant: "L'Écu d'Or",
        table: "12 bis",
        items: [
            ("Crème brûlée", "11.00", 1),
            ("Café & croissant", "7.50", 2),
            ("Bœuf <b>maison</b>", "38.05", 1),
        ],
        sums: ["64.05", "6.41", "5.00", "75.46"],
    },
    Abroad {
        name: "receipt_eur_spanish",
        currency: "EUR",
        restaurant: "¿Qué Tal? Tapas",
        table: "Barra",
        items: [
            ("Piñones", "3.20", 1),
            ("Jamón ibérico", "18.00", 1),
            ("Agua\r\nBcc: spy@example.net", "1.50", 2),
        ],
        sums: ["24.20", "2.42", "0.00", "26.62"],
    },
    Abroad {
        name: "receipt_brl_portuguese",
        currency: "BRL",
        restaurant: "Pão & Feijão",
        table: "7",
        items: [("Feijoada", "54.90", 1), ("Caipirinha", "22.00", 2), ("Açaí", "19.90", 1)],
        sums: ["118.80", "11.88", "10.00", "140.68"],
    },
    Abroad {
        name: "receipt_cny_chinese",
        currency: "CNY",
        restaurant: "四川小馆",
        table: "八号桌",
        items: [("麻婆豆腐", "38.00", 1), ("宫保鸡丁", "52.00", 1), ("米饭 <script>", "3.00", 4)],
        sums: ["102.00", "10.20", "0.00", "112.20"],
    },
    Abroad {
        name: "receipt_sar_arabic",
        currency: "SAR",
        restaurant: "مطعم الواحة",
        table: "٥",
        items: [("شوربة عدس", "15.00", 2), ("كبسة \u{202e}<b>", "45.50", 1), ("قهوة 100%", "8.00", 1)],
        sums: ["83.50", "12.53", "0.00", "96.03"],
    },
    Abroad {
        name: "receipt_rub_russian",
        currency: "RUB",
        restaurant: "Трактир «Берёза»",
        table: "Веранда",
        items: [("Борщ", "350.00", 1), ("Пельмени", "420.00", 2), ("Квас", "120.00", 2)],
        sums: ["1430.00", "143.00", "70.00", "1643.00"],
    },
    Abroad {
        name: "receipt_gbp_italian",
        currency: "GBP",
        restaurant: "Caffè Perché No",
        table: "A1",
        items: [("Gnocchi \u{1f600}", "13.50", 1), ("Tiramisù", "6.75", 2), ("'; DROP TABLE--", "0.00", 1)],
        sums: ["27.00", "2.70", "3.00", "32.70"],
    },
    Abroad {
        name: "receipt_xof_french",
        currency: "XOF",
        restaurant: "Chez Awa",
        table: "2",
        items: [("Thiéboudienne", "3500.00", 1), ("Bissap", "500.00", 2), ("Un demi", "250.50", 1)],
        sums: ["4750.50", "475.05", "0.00", "5225.55"],
    },
];

#[test]
fn g034_receipts_of_restaurants_in_many_languages_and_currencies() {
    for abroad in ABROAD {
        let items = abroad.items.iter().map(|(name, price, quantity)| line(name, price, *quantity)).collect();
        let mut view = view(abroad.currency, items, abroad.sums);
        view.restaurant.name = abroad.restaurant.to_owned();
        view.table = Some(RestaurantTable { table_number: abroad.table.to_owned(), ..row("table-1") });
        let mail = mail_of(&view);
        check(abroad.name, &mail);
        assert!(!mail.html.contains("<b>") && !mail.html.contains("<script"), "{}", abroad.name);
        assert!(mail.text.lines().all(|line| !line.starts_with("Bcc")), "{}", abroad.name);
    }
}

/// Markup, quotes, line breaks and direction marks: what a value must not get away with.
const HOSTILE: &str = "<script>alert('x')</script>\" onload=\"y\r\nBcc: spy@example.net\u{202e}&amp;";

fn hostile() -> OrderView {
    let mut view = view(HOSTILE, vec![line(HOSTILE, "1.00", 1)], ["1.00", "0.10", "0.00", "1.10"]);
    view.order.id = "<b>&\"'xyz".into();
    view.order.payment_method = HOSTILE.to_owned().into();
    view.restaurant.name = HOSTILE.to_owned();
    view.table = Some(RestaurantTable { table_number: HOSTILE.to_owned(), ..row("table-1") });
    view
}

/// The tags of an HTML text, without what is written between them.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default()).collect()
}

#[test]
fn m1_markup_in_every_field_of_a_receipt_stays_text() {
    let mail = mail_of(&hostile());
    check("receipt_hostile", &mail);
    assert!(!mail.html.contains("<script") && !mail.html.contains("\" onload"));
    let mut harmless = hostile();
    harmless.order.id = "abcdefgh".into();
    harmless.order.payment_method = "cash".to_owned().into();
    harmless.restaurant.name = "x".to_owned();
    harmless.restaurant.currency_code = "USD".to_owned();
    harmless.items[0].name = "x".to_owned();
    assert_eq!(tags(&mail.html), tags(&mail_of(&harmless).html), "values add no tags and change none");
}

#[test]
fn m2_no_value_of_a_receipt_begins_a_line_of_its_own() {
    let mail = mail_of(&hostile());
    assert!(!mail.subject.contains(['\r', '\n']));
    assert!(mail.text.lines().all(|line| !line.starts_with("Bcc")));
    assert!(!mail.text.contains('\u{202e}') && !mail.html.contains('\u{202e}'));
}

fn request(value: &str) -> SupportRequest {
    SupportRequest {
        user_id: "user-1".into(),
        restaurant_id: "restaurant-1".into(),
        restaurant_name: value.to_owned(),
        email: "ada+desk@example.org".to_owned(),
        subject: value.to_owned(),
        message: format!("First line {value}\n\nThird line"),
    }
}

fn support_mail(request: &SupportRequest) -> Mail {
    mail::support(MailId::new("support/restaurant-1/digest/1").unwrap(), "desk@example.org", request).unwrap()
}

#[test]
fn m12_a_support_request_goes_to_the_desk_and_is_answered_to_the_owner() {
    let mail = support_mail(&request("Printer"));
    check("support", &mail);
    assert_eq!(
        (mail.to.as_str(), mail.reply_to.as_deref()),
        ("desk@example.org", Some("ada+desk@example.org"))
    );
    assert_eq!(mail.subject, "[Waiterix Support] Printer - Printer");
    assert_eq!(mail.kind, MailKind::Support);
}

#[test]
fn m1_markup_in_every_field_of_a_support_request_stays_text() {
    let mail = support_mail(&request(HOSTILE));
    check("support_hostile", &mail);
    assert_eq!(tags(&mail.html).iter().filter(|tag| tag.starts_with("script")).count(), 0);
    // A valid address may still hold characters that mean something in HTML and in links.
    let odd = SupportRequest { email: "a&b'%?c=d@example.org".to_owned(), ..request("x") };
    let html = support_mail(&odd).html;
    assert!(html.contains("href=\"mailto:a%26b%27%25%3Fc%3Dd@example.org\""), "{html}");
    assert!(!html.contains("a&b'"));
}

#[test]
fn m2_long_subjects_are_cut_on_a_character_boundary() {
    let subject = support_mail(&request(&"ü".repeat(200))).subject;
    assert_eq!(subject.chars().count(), 200);
    assert!(subject.ends_with('…'));
}

#[test]
fn m18_the_largest_order_is_far_below_the_size_a_mailer_takes() {
    let items = (0..5_000).map(|_| line(&"&💶".repeat(500), "99999999.99", i32::MAX)).collect();
    let mail = mail_of(&view("KWD", items, ["99999999.99"; 4]));
    assert_eq!(fault_of(&mail), None);
    assert!(mail.html.len() + mail.text.len() < 700_000, "{}", mail.html.len() + mail.text.len());
    assert!(mail.text.contains("and 4700 more items") && mail.html.contains("and 4700 more items"));
}

#[test]
fn m16_both_parts_say_the_same() {
    let mail = mail_of(&plain("EUR"));
    for said in [
        "0B5E3A1C",
        "Bella Vista",
        "Table 5",
        "January 31, 2025 at 9:05 AM UTC",
        "Cash",
        "Grilled Salmon x1",
        "€24.99",
        "Sparkling Water x2",
        "€7.00",
        "€31.99",
        "€3.20",
        "€4.80",
        "€39.99",
    ] {
        assert!(mail.html.contains(said) && mail.text.contains(said), "{said}");
    }
    assert_eq!(mail.subject, "Order Receipt #0B5E3A1C - Bella Vista");
    assert_eq!((mail.to.as_str(), mail.reply_to), ("guest@example.org", None));
}

#[test]
fn one_is_singular_and_everything_else_is_not() {
    let minutes = |seconds| {
        let id = MailId::new("sign-in/digest/1").unwrap();
        mail::sign_in_code(id, "ada@example.org", "048151", Duration::from_secs(seconds)).unwrap()
    };
    let more = |count: usize| {
        let items = (0..300 + count).map(|_| line("Soup", "1.00", 1)).collect();
        mail_of(&view("USD", items, ["1.00"; 4]))
    };
    for (mail, words) in [
        (minutes(60), "valid for 1 minute and"),
        (minutes(61), "valid for 2 minutes and"),
        (more(1), "and 1 more item"),
        (more(2), "and 2 more items"),
    ] {
        for part in [mail.html, mail.text] {
            assert!(part.contains(words), "{words}");
            assert!(!part.contains("1 minutes") && !part.contains("1 more items"));
        }
    }
}

#[test]
fn a_sign_in_code_is_in_the_parts_and_not_in_the_subject() {
    let id = MailId::new("sign-in/digest/1").unwrap();
    let mail = mail::sign_in_code(id, "ada@example.org", "048151", Duration::from_secs(600)).unwrap();
    check("sign_in_code", &mail);
    assert!(!mail.subject.contains("048151"));
}
