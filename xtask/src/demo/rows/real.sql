-- The orders of the published file, or made-up ones of the same shape, as a restaurant of the old system would hold them.
-- They are in the table `published`: one line of an order per row.

INSERT INTO users (id, email, first_name, accepted_terms, created_at, updated_at)
VALUES ('user-published', 'published@demo.example', 'Published', true, '2025-01-01', '2025-01-01');

INSERT INTO restaurants (id, user_id, name, description, city, country, subscription_status, created_at)
VALUES (md5('restaurant published')::uuid::text, 'user-published', 'Cantina', 'Orders that were really placed', 'Denver',
        'United States', 'active', '2025-01-01');

INSERT INTO restaurant_tables (id, restaurant_id, table_number, created_at)
SELECT md5('table published ' || n)::uuid::text, md5('restaurant published')::uuid::text, n::text, '2025-01-01'
FROM generate_series(1, 20) AS n;

-- A dish is what was chosen how at which price of one.
CREATE TEMPORARY TABLE dishes ON COMMIT DROP AS
SELECT DISTINCT item_name AS name, coalesce(choice_description, '') AS choice,
       (replace(trim(item_price), '$', '')::numeric / quantity)::numeric(10, 2) AS price
FROM published;

INSERT INTO menu_items (id, restaurant_id, name, description, price, category, allergens, created_at)
SELECT md5(concat_ws('|', 'dish', name, choice, price))::uuid::text, md5('restaurant published')::uuid::text, name, choice, price,
       split_part(name, ' ', 1), CASE WHEN choice LIKE '%Cheese%' THEN ARRAY['milk'] END, '2025-01-01'
FROM dishes;

INSERT INTO orders (id, restaurant_id, table_id, payment_method, payment_status, subtotal, tax, tip, total, status, created_at, updated_at)
SELECT md5('published ' || order_id)::uuid::text, md5('restaurant published')::uuid::text,
       md5('table published ' || (1 + order_id % 20))::uuid::text, CASE order_id % 3 WHEN 0 THEN 'online' ELSE 'cash' END, 'completed',
       subtotal, tax, 0, subtotal + tax, 'completed', placed, placed
FROM (SELECT order_id, sum(price) AS subtotal, round(sum(price) * 0.10, 2) AS tax,
             timestamp '2025-01-02' + order_id * interval '5 minutes' AS placed
      FROM (SELECT order_id, replace(trim(item_price), '$', '')::numeric AS price FROM published) AS lines
      GROUP BY order_id) AS sums;

INSERT INTO order_items (id, order_id, menu_item_id, name, price, quantity)
SELECT md5('published line ' || line)::uuid::text, md5('published ' || order_id)::uuid::text,
       md5(concat_ws('|', 'dish', item_name, coalesce(choice_description, ''), price))::uuid::text, item_name, price, quantity
FROM (SELECT *, (replace(trim(item_price), '$', '')::numeric / quantity)::numeric(10, 2) AS price FROM published) AS lines;

DROP TABLE published;
