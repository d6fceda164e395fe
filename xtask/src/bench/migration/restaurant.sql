-- What the statements of an order name.
INSERT INTO users (id, email) VALUES ('measured', 'measured@demo.example');
INSERT INTO restaurants (id, user_id, name) VALUES ('restaurant', 'measured', 'Measured');
INSERT INTO restaurant_tables (id, restaurant_id, table_number) VALUES ('table', 'restaurant', 'table');
INSERT INTO menu_items (id, restaurant_id, name, description, price, category, image_url, spice_level, is_vegan, is_vegetarian, is_halal, is_kosher, allergens, available, created_at)
SELECT id, 'restaurant', 'name of ' || id, repeat('Roasted slowly, served with what the garden gives.', 2), 12.50, 'category of ' || id, 'public/uploads/' || id,
       'spice_level of ' || id, true, true, true, true, ARRAY['nuts', 'milk'], true, timestamp '2023-11-14 22:13:20'
FROM (SELECT 'dish-' || lpad(n::text, 2, '0') AS id FROM generate_series(0, 49) AS n) AS dishes;
