//! Writing the file.

use super::COLUMNS;
use super::cell::{encoded, guarded};
use crate::schema::MenuItem;

/// The menu as a file: a header even if it is empty, CRLF between rows and none at the end.
#[must_use]
pub fn export(items: &[MenuItem]) -> String {
    let mut file = COLUMNS.join(",");
    for item in items {
        file.push_str("\r\n");
        for (place, cell) in cells(item).iter().enumerate() {
            if place > 0 {
                file.push(',');
            }
            file.push_str(&encoded(cell));
        }
    }
    file
}

fn cells(item: &MenuItem) -> [String; 12] {
    let text = |text: &str| guarded(text).into_owned();
    let optional = |text: Option<&String>| text.map_or_else(String::new, |text| guarded(text).into_owned());
    [
        text(&item.name),
        text(&item.description),
        item.price.to_string(),
        text(&item.category),
        item.is_vegan.to_string(),
        item.is_vegetarian.to_string(),
        item.is_halal.to_string(),
        item.is_kosher.to_string(),
        optional(item.spice_level.as_ref()),
        item.allergens.as_ref().map_or_else(String::new, |allergens| text(&allergens.join(";"))),
        item.available.to_string(),
        optional(item.image_url.as_ref()),
    ]
}

/// The name of the file for a restaurant's name: whatever is no ASCII letter or digit becomes a hyphen, two for a
/// character outside the basic plane, as the client's own file names have it.
#[must_use]
pub fn file_name(restaurant: &str) -> String {
    let mut slug = String::with_capacity(restaurant.len());
    for c in restaurant.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else {
            slug.extend(std::iter::repeat_n('-', c.len_utf16()));
        }
    }
    format!("menu-items-{slug}.csv")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Amount;
    use crate::sample::row;

    #[test]
    fn d41_an_empty_menu_still_has_its_header() {
        assert_eq!(
            export(&[]),
            "name,description,price,category,isVegan,isVegetarian,isHalal,isKosher,spiceLevel,allergens,available,imageUrl"
        );
    }

    #[test]
    fn rows_are_written_as_the_contract_says() {
        let item = MenuItem {
            name: "Fish & \"Chips\"".to_owned(),
            description: "=cmd, hot".to_owned(),
            price: Amount::from_hundredths(1250).unwrap(),
            category: "Mains".to_owned(),
            spice_level: Some("2".to_owned()),
            allergens: Some(vec!["fish".to_owned(), "gluten".to_owned()]),
            available: true,
            is_halal: true,
            ..row("i")
        };
        let plain: MenuItem = MenuItem { name: "Tea".to_owned(), category: "Drinks".to_owned(), ..row("j") };
        let file = export(&[item, plain]);
        let lines: Vec<_> = file.split("\r\n").collect();
        assert_eq!(
            lines[1],
            "\"Fish & \"\"Chips\"\"\",\"'=cmd, hot\",12.50,Mains,false,false,true,false,2,fish;gluten,true,"
        );
        assert_eq!(lines[2], "Tea,,0.00,Drinks,false,false,false,false,,,false,");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn the_file_is_named_after_the_restaurant() {
        assert_eq!(file_name("Chez René & Co 2"), "menu-items-chez-ren----co-2.csv");
        assert_eq!(file_name("🍕"), "menu-items---.csv");
    }
}
