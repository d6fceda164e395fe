//! The dishes of the demo restaurant.

/// A dish: category, name, description, price in hundredths, flags (`v` vegan, `g` vegetarian, `h` halal, `k` kosher),
/// spice level, allergens.
pub(super) struct Dish {
    pub(super) category: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) price: i64,
    pub(super) flags: &'static str,
    pub(super) spice: &'static str,
    pub(super) allergens: &'static [&'static str],
}

macro_rules! dishes {
    ($($category:literal { $($name:literal $price:literal $flags:literal $spice:literal [$($allergen:literal),*] $description:literal;)+ })+) => {
        /// The menu, in the order of a printed card.
        pub(super) const DISHES: &[Dish] = &[$($(Dish {
            category: $category,
            name: $name,
            description: $description,
            price: $price,
            flags: $flags,
            spice: $spice,
            allergens: &[$($allergen),*],
        },)+)+];
    };
}

dishes! {
    "Starters" {
        "Charred Leek Bruschetta" 790 "vg" "0" ["gluten"] "Grilled sourdough, sweet leeks, lemon oil and a little smoked salt.";
        "Burrata with Peaches" 1290 "g" "0" ["dairy"] "Creamy burrata, roasted peaches, basil and toasted hazelnut crumbs.";
        "Crispy Chickpea Bowl" 890 "vgh" "2" ["sesame"] "Spiced chickpeas on tahini with pickled onions and herbs.";
        "Prawns in Garlic Butter" 1390 "" "1" ["crustaceans", "dairy"] "Pan-fried prawns, slow garlic, parsley and bread to mop up.";
    }
    "Soups" {
        "Tomato and Fennel Soup" 750 "vghk" "0" [] "Oven tomatoes, fennel and orange peel, finished with olive oil.";
        "Chicken Broth with Dumplings" 850 "h" "0" ["gluten", "eggs", "celery"] "Clear broth cooked for six hours, semolina dumplings, chives.";
    }
    "Pasta" {
        "Tagliatelle al Ragù" 1590 "" "0" ["gluten", "eggs", "celery"] "Hand-cut tagliatelle with beef and pork simmered until tender.";
        "Orecchiette with Broccoli" 1390 "g" "1" ["gluten", "dairy"] "Little ears, broccoli, anchovy-free garlic sauce and pecorino.";
        "Spaghetti Aglio e Olio" 1190 "vg" "2" ["gluten"] "Garlic, chilli and good olive oil; nothing else is needed.";
        "Pumpkin Ravioli" 1490 "g" "0" ["gluten", "eggs", "dairy"] "Filled with roasted pumpkin, sage butter and amaretti.";
    }
    "Mains" {
        "Lemon Roast Chicken" 1890 "h" "0" [] "Half a chicken with preserved lemon, potatoes and pan juices.";
        "Sea Bass in Paper" 2290 "" "0" ["fish"] "Whole fillet baked with courgette, cherry tomatoes and thyme.";
        "Lamb Shoulder" 2390 "h" "1" [] "Braised overnight, on white beans with mint and lemon.";
        "Aubergine Parmigiana" 1690 "g" "0" ["dairy", "gluten"] "Layers of aubergine, tomato and mozzarella, baked until brown.";
        "Hot Harissa Cauliflower" 1590 "vgh" "4" ["nuts"] "A whole small cauliflower, harissa glaze, almond cream.";
        "Beef Tagliata" 2690 "" "0" ["dairy"] "Sliced sirloin, rocket, shaved parmesan and aged vinegar.";
    }
    "Sides" {
        "Rosemary Potatoes" 590 "vghk" "0" [] "Roasted with rosemary and coarse salt.";
        "Green Salad" 550 "vghk" "0" ["mustard"] "Leaves of the day with a mustard dressing.";
        "Grilled Vegetables" 690 "vghk" "0" [] "Courgette, peppers and aubergine with parsley oil.";
    }
    "Desserts" {
        "Tiramisù" 790 "g" "0" ["eggs", "dairy", "gluten"] "Made every morning; gone most evenings.";
        "Olive Oil Cake" 690 "g" "0" ["eggs", "gluten"] "Warm slice with orange and thick yoghurt.";
        "Lemon Sorbet" 590 "vghk" "0" [] "Two scoops, very lemony.";
    }
    "Drinks" {
        "House Lemonade" 490 "vghk" "0" [] "Lemon, mint and soda.";
        "Sparkling Water" 350 "vghk" "0" [] "Half a litre.";
        "Espresso" 280 "vghk" "0" [] "Dark roast, short.";
    }
}
