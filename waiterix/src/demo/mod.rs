//! `waiterix demo`: a restaurant that looks like one in use.

mod code;
mod menu;
mod orders;

use url::Url;
use waiterix_app::App;
use waiterix_app::plate::plate;
use waiterix_domain::account::{self, Identity, SignInFacts};
use waiterix_domain::facts::Account;
use waiterix_domain::id::{RestaurantId, UploadKey};
use waiterix_domain::picture::{Gallery, PictureFacts};
use waiterix_domain::restaurant::{self, Hashes, OpenRestaurant};
use waiterix_domain::schema::{Faq, MenuItem, Restaurant, RestaurantTable, Upload, User};
use waiterix_domain::{Amount, Timestamp};
use waiterix_ports::{ErrorKind, PutBlob, PutMode, Visibility};

use crate::banner;
use crate::command::Demo;
use crate::serve::{opened, runtime};

/// Who owns the demo restaurant. Mail to this address lands in the data folder.
const OWNER: &str = "owner@demo.example";
/// Labels of the tables besides the three every restaurant starts with.
const MORE_TABLES: [&str; 7] = ["4", "5", "6", "7", "8", "Bar", "Terrace"];

pub(crate) fn run(options: &Demo) -> Result<(), String> {
    let site = options.site.clone();
    runtime()?.block_on(async {
        let service = opened(&options.data, &site).await?;
        let outcome = seed(&service.app, &site).await;
        service.close().await;
        outcome.map_err(|fault| format!("the demo restaurant could not be loaded: {fault}"))
    })
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Loads the restaurant, unless its owner has one already, and says where everything is.
async fn seed(app: &App, site: &Url) -> Result<(), Fault> {
    let owner = owner(app).await?;
    let account = app.reads().account(&owner.id).await?.ok_or("the owner vanished")?;
    let restaurant = match account.restaurant.clone() {
        Some(there) => {
            banner::say("The demo restaurant is there already; nothing was added.\n");
            there
        }
        None => build(app, &account).await?,
    };
    let tables = app.reads().tables(&restaurant.id).await?;
    let tables = waiterix_domain::table::sorted(tables);
    print_codes(app, site, &restaurant, &tables).await
}

async fn owner(app: &App) -> Result<User, Fault> {
    let identity = Identity {
        subject: "demo-owner".into(),
        email: Some(OWNER.to_owned()),
        email_verified: true,
        name: Some("Demo Owner".to_owned()),
        picture: None,
    };
    let facts = SignInFacts {
        by_subject: app.reads().account(&identity.subject).await?.map(|account| account.user),
        by_email: app.reads().user_by_email(OWNER).await?,
    };
    let decision = app.with_env(|env| account::sign_in(&facts, &identity, env))?;
    app.commit(&decision.changes).await?;
    Ok(decision.reply)
}

async fn build(app: &App, account: &Account) -> Result<Restaurant, Fault> {
    let command = OpenRestaurant {
        name: "Casa Limone".to_owned(),
        description: Some("Lemon trees in the yard, pasta by hand, fish from the morning market.".to_owned()),
        address: Some("12 Orchard Lane".to_owned()),
        city: Some("Portland".to_owned()),
        state: Some("OR".to_owned()),
        country: Some("United States".to_owned()),
        phone: Some("(555) 010-2044".to_owned()),
        hours: Some("Tue-Sun 11:30-22:00".to_owned()),
        ..OpenRestaurant::default()
    };
    let facts = PictureFacts::default();
    let gallery = Gallery::new(&facts, &app.settings.locations);
    let opened = app.with_env(|env| restaurant::open(account, gallery, &command, &Hashes::default(), env))?;
    let restaurant = opened.reply;
    let menu = pictured_menu(app, account, &restaurant.id).await?;
    let more: Vec<RestaurantTable> = app.with_env(|env| {
        MORE_TABLES
            .iter()
            .map(|label| RestaurantTable {
                id: env.id(),
                restaurant_id: restaurant.id.clone(),
                table_number: (*label).to_owned(),
                qr_code_url: None,
                created_at: env.now,
            })
            .collect()
    });
    let faqs = faqs(app, &restaurant.id);
    let uploads = menu.iter().map(|(_, upload)| upload.clone());
    let changes = opened.changes.insert_all(more).insert_all(menu.iter().map(|(dish, _)| dish.clone()));
    app.commit(&changes.insert_all(faqs).insert_all(uploads)).await?;
    let tables = app.reads().tables(&restaurant.id).await?;
    let dishes: Vec<MenuItem> = menu.into_iter().map(|(dish, _)| dish).collect();
    let days = app.with_env(|env| orders::past(&restaurant, &tables, &dishes, env));
    for day in days {
        app.commit(&day).await?;
    }
    Ok(restaurant)
}

/// The dishes with their pictures, which are stored first: a row never shows a picture that is not there.
async fn pictured_menu(
    app: &App,
    account: &Account,
    restaurant: &RestaurantId,
) -> Result<Vec<(MenuItem, Upload)>, Fault> {
    let begun = app.clock.now();
    let mut menu = Vec::with_capacity(menu::DISHES.len());
    for (nth, dish) in (0_u32..).zip(menu::DISHES) {
        let key = format!("public/uploads/{}", app.fresh_id());
        let mut blob = PutBlob::new(plate(dish.category, nth + 1)?);
        blob.content_type = Some("image/png".to_owned());
        blob.owner = Some(account.user.id.clone());
        blob.visibility = Visibility::Public;
        app.ports.blobs.put(&key, blob).await?;
        // A millisecond apart: the menu is shown in the order of creation.
        let at = begun.plus_millis(i64::from(nth));
        menu.push(app.with_env(|env| (row(dish, &key, restaurant, at, env.id()), grant(&key, account, at))));
    }
    Ok(menu)
}

fn row(
    dish: &menu::Dish,
    key: &str,
    restaurant: &RestaurantId,
    at: Timestamp,
    id: waiterix_domain::id::MenuItemId,
) -> MenuItem {
    MenuItem {
        id,
        restaurant_id: restaurant.clone(),
        name: dish.name.to_owned(),
        description: dish.description.to_owned(),
        price: Amount::from_hundredths(dish.price).unwrap_or(Amount::ZERO),
        category: dish.category.to_owned(),
        image_url: Some(format!("/api/objects/{key}")),
        spice_level: Some(dish.spice.to_owned()),
        is_vegan: dish.flags.contains('v'),
        is_vegetarian: dish.flags.contains('g'),
        is_halal: dish.flags.contains('h'),
        is_kosher: dish.flags.contains('k'),
        allergens: Some(dish.allergens.iter().map(ToString::to_string).collect()),
        available: true,
        created_at: at,
    }
}

fn grant(key: &str, account: &Account, at: Timestamp) -> Upload {
    Upload {
        id: UploadKey::new(key),
        user_id: account.user.id.clone(),
        content_type: Some("image/png".to_owned()),
        created_at: at,
        attached_at: Some(at),
    }
}

fn faqs(app: &App, restaurant: &RestaurantId) -> Vec<Faq> {
    let learnt = [
        ("Is there a high chair?", "Yes, three of them; just ask us at the door.", ["chair", "children"]),
        (
            "Can I get the pasta gluten-free?",
            "Tagliatelle and spaghetti, yes; allow ten minutes more.",
            ["gluten-free", "pasta"],
        ),
        (
            "Where does the fish come from?",
            "From the morning market at the harbour, every day but Monday.",
            ["fish", "market"],
        ),
    ];
    app.with_env(|env| {
        learnt
            .into_iter()
            .map(|(question, answer, keywords)| Faq {
                id: env.id(),
                restaurant_id: restaurant.clone(),
                question: question.to_owned(),
                answer: answer.to_owned(),
                keywords: Some(keywords.map(str::to_owned).to_vec()),
                related_menu_item_ids: None,
                usage_count: 0,
                created_at: env.now,
                updated_at: env.now,
            })
            .collect()
    })
}

/// Stores the codes of the tables as public objects and prints where everything is.
async fn print_codes(
    app: &App,
    site: &Url,
    restaurant: &Restaurant,
    tables: &[RestaurantTable],
) -> Result<(), Fault> {
    let at = |path: &str| site.join(path).map_or_else(|_| path.to_owned(), String::from);
    banner::say(&format!(
        "{name}\n\n  Restaurant  {restaurant}\n  Menu        {menu}\n  Owner       {OWNER} (sign in with a mailed code)\n\n  Tables, with the QR code a guest scans:",
        name = restaurant.name,
        restaurant = at(&format!("/api/public/restaurant/{}", restaurant.id)),
        menu = at(&format!("/api/menu-items?restaurantId={}", restaurant.id)),
    ));
    for table in tables {
        let page = code::page(site, restaurant.id.as_str(), &table.table_number);
        let key = format!("public/qr/{}/{}", restaurant.id, table.id);
        put_code(app, &format!("{key}.svg"), "image/svg+xml", code::as_svg(page.as_str())?.into_bytes())
            .await?;
        put_code(app, &format!("{key}.png"), "image/png", code::as_png(page.as_str())?).await?;
        banner::say(&format!(
            "    {label:<8} {png}\n             {svg}",
            label = table.table_number,
            png = at(&format!("/api/objects/{key}.png")),
            svg = at(&format!("/api/objects/{key}.svg")),
        ));
    }
    banner::say("\nStart it with: waiterix serve");
    Ok(())
}

async fn put_code(app: &App, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), Fault> {
    let mut blob = PutBlob::new(bytes);
    blob.content_type = Some(content_type.to_owned());
    blob.visibility = Visibility::Public;
    blob.mode = PutMode::Create;
    match app.ports.blobs.put(key, blob).await {
        Ok(_) => Ok(()),
        // Loaded before: the same table has the same code.
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        Err(error) => Err(error.into()),
    }
}
