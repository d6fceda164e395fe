//! What previewing a file promises.

use proptest::prelude::*;

use super::*;
use crate::menu_csv::export;
use crate::sample::row;
use crate::schema::MenuItem;

fn fine(csv: &str) -> Preview {
    preview(csv).unwrap()
}

fn format_faults_of(csv: &str) -> Vec<String> {
    match preview(csv) {
        Err(CsvFault::Format(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

fn row_error(header: &str, row: &str) -> String {
    let preview = fine(&format!("{header}\n{row}"));
    assert_eq!((preview.items.len(), preview.errors.len(), preview.total_rows), (0, 1, 1), "{row}");
    preview.errors[0].clone()
}

#[test]
fn a_file_is_read_whatever_its_delimiter_mark_and_line_breaks() {
    for delimiter in [",", ";", "\t", "|"] {
        let lines =
            [["name", "price", "category"], ["Soup", "5", "Starters"]].map(|cells| cells.join(delimiter));
        for text in [lines.join("\n"), lines.join("\r\n\r\n"), format!("\u{feff}{}\r\n", lines.join("\r\n"))]
        {
            let preview = fine(&text);
            assert_eq!((preview.items.len(), preview.total_rows), (1, 1), "{text:?}");
            let item = &preview.items[0];
            assert_eq!((item.name.as_str(), item.price.to_string().as_str()), ("Soup", "5.00"));
            assert!(item.available && item.allergens.is_empty() && item.description.is_empty());
        }
    }
}

#[test]
fn rows_are_checked_in_order_and_only_the_first_fault_is_told() {
    let header = "name,price,category,spiceLevel";
    assert_eq!(row_error(header, " ,x,,9"), "Row 2: Name is required");
    for price in ["", "x", "5abc", "1,5", "1e3", "NaN", "100000000"] {
        let cell = format!("\"{price}\"");
        assert_eq!(
            row_error(header, &format!("Soup,{cell},,9")),
            "Row 2: Valid price is required",
            "{price}"
        );
    }
    assert_eq!(row_error(header, "Soup,-1,,9"), "Row 2: Price cannot be negative");
    assert_eq!(row_error(header, "Soup,1,  ,9"), "Row 2: Category is required");
    assert_eq!(row_error(header, "Soup,1,Mains,9"), "Row 2: Spice level must be 0 to 5");
    let preview = fine(&format!("{header}\nSoup,1,Mains,\n\n,2,Mains,\nTea,3,Drinks,0\n"));
    assert_eq!(preview.errors, ["Row 3: Name is required"]);
    assert_eq!((preview.items.len(), preview.total_rows), (2, 3));
}

#[test]
fn header_names_are_exact() {
    assert_eq!(row_error("Name,price,category", "Soup,1,Mains"), "Row 2: Name is required");
}

#[test]
fn d39_prices_are_rounded_half_up_and_an_empty_available_cell_means_true() {
    let preview = fine(
        "name,price,category,available,isVegan\nA,1.555,M,,TRUE\nB,1.554,M,false,yes\nC,2,M,tRuE,\nD,3,M,no,1",
    );
    let prices: Vec<_> = preview.items.iter().map(|item| item.price.to_string()).collect();
    assert_eq!(prices, ["1.56", "1.55", "2.00", "3.00"]);
    let available: Vec<_> = preview.items.iter().map(|item| item.available).collect();
    assert_eq!(available, [true, false, true, false]);
    let vegan: Vec<_> = preview.items.iter().map(|item| item.is_vegan).collect();
    assert_eq!(vegan, [true, false, false, false]);
}

#[test]
fn texts_are_trimmed_and_blank_cells_become_null() {
    let preview =
        fine("name,price,category,allergens,spiceLevel,imageUrl\n Soup , 5 , M , nuts; ;milk ; , , ");
    let item = &preview.items[0];
    assert_eq!((item.name.as_str(), item.category.as_str()), ("Soup", "M"));
    assert_eq!(item.allergens, ["nuts", "milk"]);
    assert_eq!((&item.spice_level, &item.image_url), (&None, &None));
}

#[test]
fn one_broken_row_refuses_the_whole_file() {
    assert_eq!(
        format_faults_of("name,price,category\nSoup,1,M\nTea,2\nPie,3,M,x"),
        [
            "Row 3: Too few fields: expected 3 fields but parsed 2",
            "Row 4: Too many fields: expected 3 fields but parsed 4"
        ]
    );
    assert!(format_faults_of("name,price\n\"Soup,1")[0].starts_with("Row 2: Quoted field unterminated"));
    assert_eq!(
        format_faults_of("name,price\n\"Soup\"x,1"),
        ["Row 2: Trailing quote on quoted field is malformed"]
    );
    for one_column in ["name\nSoup", "  ", "name"] {
        assert_eq!(format_faults_of(one_column), ["Unable to auto-detect delimiting character"]);
    }
}

#[test]
fn d39_files_above_two_megabytes_or_two_thousand_rows_are_refused() {
    let refused = |csv: &str| match preview(csv) {
        Err(CsvFault::Refused(rejection)) => rejection.message,
        other => panic!("{other:?}"),
    };
    let rows = |count: usize| format!("name,price,category{}", "\nSoup,1,M".repeat(count));
    assert_eq!(fine(&rows(2_000)).items.len(), 2_000);
    assert_eq!(refused(&rows(2_001)), "CSV file too large");
    assert_eq!(refused(&"x".repeat(MAX_CSV_BYTES + 1)), "CSV file too large");
}

#[test]
fn d41_an_empty_menu_can_be_read_again() {
    assert_eq!(fine(&export(&[])), Preview::default());
}

#[test]
fn u0000_is_refused_by_row() {
    assert_eq!(row_error("name,price,category", "So\0up,1,M"), "Row 2: Text must not contain U+0000");
}

prop_compose! {
    fn text(min: usize)(text in prop::collection::vec(
        prop::sample::select(vec!["a", "Ä", "'", "=", "+", "-", "@", ",", "\"", "\n", "\r\n", ";", "|", " ", "\t", "🍕"]),
        min..8,
    )) -> String {
        text.concat().trim().to_owned()
    }
}

prop_compose! {
    fn dish()(
        name in text(1), description in text(0), category in text(1),
        cents in 0_i64..10_000_000_000, spice in prop::option::of(0..=5_u8), flags in any::<[bool; 5]>(),
        allergens in prop::collection::vec("[a-z=+']{1,5}", 0..4), image in prop::option::of("[a-z]{1,5}\\.jpg"),
    ) -> MenuItem {
        MenuItem {
            name: format!("n{name}"),
            description,
            category: format!("=c{category}"),
            price: Amount::from_hundredths(cents).unwrap(),
            spice_level: spice.map(|level| level.to_string()),
            is_vegan: flags[0], is_vegetarian: flags[1], is_halal: flags[2], is_kosher: flags[3],
            available: flags[4],
            allergens: Some(allergens),
            image_url: image,
            ..row("i")
        }
    }
}

proptest! {
    #[test]
    fn an_exported_menu_is_read_back_as_it_was(menu in prop::collection::vec(dish(), 0..6)) {
        let preview = preview(&export(&menu)).unwrap();
        prop_assert_eq!(&preview.errors, &Vec::<String>::new());
        let want: Vec<PreviewItem> = menu.into_iter().map(|item| PreviewItem {
            name: item.name, description: item.description, price: item.price, category: item.category,
            is_vegan: item.is_vegan, is_vegetarian: item.is_vegetarian, is_halal: item.is_halal,
            is_kosher: item.is_kosher, spice_level: item.spice_level,
            allergens: item.allergens.unwrap_or_default(), available: item.available, image_url: item.image_url,
        }).collect();
        prop_assert_eq!(preview.items, want);
    }

    #[test]
    fn no_text_makes_the_reader_fail_in_an_unknown_way(text in "[a-c,;\"\r\n\t| ]{0,40}") {
        let _ = preview(&text);
        let _ = preview(&format!("name,price,category\n{text}"));
    }
}
