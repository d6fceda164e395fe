-- Made-up restaurants with everything the old system keeps about them. :orders is how many orders there are, :sessions how many
-- sessions. The same numbers make the same rows. Texts hold what is easily damaged on the way: quotation marks, backslashes, line
-- ends, accents written in two ways, other scripts, the empty text beside NULL, empty arrays beside NULL, NULL within arrays.

CREATE TEMPORARY TABLE houses ON COMMIT DROP AS
SELECT n, 'user-' || n AS user_id, md5('restaurant ' || n)::uuid::text AS id FROM generate_series(1, 50) AS n;

INSERT INTO users (id, email, first_name, last_name, profile_image_url, accepted_terms, accepted_terms_at, created_at, updated_at)
SELECT user_id, 'owner-' || n || '@demo.example', (ARRAY['Zoë', E'Zoe\u0308', 'O''Hara', '李', ''])[1 + n % 5], CASE WHEN n % 3 > 0 THEN 'Núñez' END,
       CASE WHEN n % 4 = 0 THEN 'https://pictures.example/' || n END, n % 2 = 0, CASE WHEN n % 2 = 0 THEN timestamp '2025-01-01 10:00:00.123456' END,
       '2025-01-01', '2025-01-01'
FROM houses;

INSERT INTO restaurants (id, user_id, name, description, address, city, country, hours, default_language, currency_code, admin_password,
                         subscription_status, current_period_end, ai_usage_count, created_at, state)
SELECT id, user_id, 'House ' || n || ' \ "quoted"', CASE WHEN n % 2 = 0 THEN E'line one\nline two\ttab' END, n || ' Main Street', 'Denver', 'United States',
       CASE WHEN n % 3 = 0 THEN '' END, 'en', (ARRAY['USD', 'EUR', 'JPY'])[1 + n % 3], CASE WHEN n % 2 = 0 THEN '$2b$10$' || repeat('x', 53) END,
       'active', timestamp '2027-01-01', n, timestamp '2025-01-01' + n * interval '1 second', CASE WHEN n % 2 = 0 THEN 'CO' END
FROM houses;

INSERT INTO restaurant_tables (id, restaurant_id, table_number, qr_code_url, created_at)
SELECT md5(concat_ws('|', 'table', n, t))::uuid::text, id, t::text, CASE WHEN t = 1 THEN '' END, '2025-01-01'
FROM houses, generate_series(1, 20) AS t;

INSERT INTO menu_items (id, restaurant_id, name, description, price, category, image_url, spice_level, is_vegan, allergens, available, created_at)
SELECT md5(concat_ws('|', 'dish', n, d))::uuid::text, id, 'Dish ' || d, CASE WHEN d % 5 = 0 THEN '' ELSE 'crème brûlée №' || d END, (4.95 + d * 1.37)::numeric(10, 2),
       (ARRAY['Starters', 'Bowls', 'Grill'])[1 + d % 3], CASE WHEN d % 7 = 0 THEN 'salad.jpg' END, CASE WHEN d % 2 = 0 THEN (d % 6)::text END, d % 2 = 0,
       CASE d % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}'::text[] WHEN 2 THEN ARRAY['nuts', 'milk'] ELSE ARRAY['"', NULL, 'a,b', '\'] END, d % 11 > 0, '2025-01-01'
FROM houses, generate_series(1, 40) AS d;

INSERT INTO menu_item_translations (id, menu_item_id, language, name, description, created_at, updated_at)
SELECT md5(concat_ws('|', 'translation', n, d, language))::uuid::text, md5(concat_ws('|', 'dish', n, d))::uuid::text, language, name, '', '2025-01-01', '2025-01-01'
FROM houses, generate_series(1, 40, 4) AS d, (VALUES ('de', 'Gericht'), ('ja', '料理'), ('ar', 'طبق')) AS words (language, name);

INSERT INTO extended_menu_details (id, menu_item_id, chef_notes, created_at, updated_at)
SELECT md5(concat_ws('|', 'details', n, d))::uuid::text, md5(concat_ws('|', 'dish', n, d))::uuid::text, 'slowly', '2025-01-01', '2025-01-01'
FROM houses, generate_series(1, 40, 2) AS d;

INSERT INTO restaurant_knowledge (id, restaurant_id, story, created_at, updated_at)
SELECT md5('knowledge ' || n)::uuid::text, id, repeat('Once upon a time. ', 200), '2025-01-01', '2025-01-01' FROM houses;

-- Money that must come out to the cent: the sum of an order is that of its lines.
CREATE TEMPORARY TABLE lines ON COMMIT DROP AS
SELECT o, line, 1 + o % 50 AS house, 1 + (o * 7 + line * 11) % 40 AS dish, 1 + (o + line) % 3 AS quantity,
       (4.95 + (1 + (o * 7 + line * 11) % 40) * 1.37)::numeric(10, 2) AS price
FROM generate_series(1, :orders) AS o, generate_series(1, 3) AS line
WHERE line <= 1 + o % 3;

INSERT INTO orders (id, restaurant_id, table_id, customer_note, payment_method, payment_status, subtotal, tax, tip, total, status, created_at, updated_at, allergies)
SELECT md5('order ' || o)::uuid::text, houses.id, md5(concat_ws('|', 'table', houses.n, 1 + o % 20))::uuid::text,
       CASE o % 9 WHEN 0 THEN 'no onions, "please"' WHEN 1 THEN '' END, CASE o % 3 WHEN 0 THEN 'online' ELSE 'cash' END, 'completed', subtotal, tax, tip,
       subtotal + tax + tip, (ARRAY['completed', 'completed', 'ready', 'cancelled'])[1 + o % 4], placed, placed + interval '20 minutes 0.000001 seconds',
       CASE WHEN o % 13 = 0 THEN 'nuts' END
FROM (SELECT o, house, sum(price * quantity) AS subtotal, round(sum(price * quantity) * 0.10, 2) AS tax, (o % 4)::numeric(10, 2) AS tip,
             timestamp '2025-02-01' + o * interval '3.000007 seconds' AS placed
      FROM lines GROUP BY o, house) AS sums
JOIN houses ON houses.n = house;

INSERT INTO order_items (id, order_id, menu_item_id, name, price, quantity, customer_note, allergies)
SELECT md5(concat_ws('|', 'line', o, line))::uuid::text, md5('order ' || o)::uuid::text, md5(concat_ws('|', 'dish', house, dish))::uuid::text, 'Dish ' || dish, price, quantity,
       CASE WHEN o % 17 = 0 THEN 'well done' END, NULL
FROM lines;

INSERT INTO ratings (id, order_id, restaurant_id, menu_item_id, item_rating, service_ratings, comment, created_at)
SELECT md5('rating ' || o)::uuid::text, md5('order ' || o)::uuid::text, houses.id, NULL, CASE WHEN o % 20 = 0 THEN 1 + o % 5 END,
       jsonb_build_object('foodQuality', 1 + o % 5, 'serviceSpeed', 1.50, 'note', E'Zoe\u0308', 'nothing', NULL), 'ok', '2025-03-01'
FROM generate_series(1, :orders, 10) AS o JOIN houses ON houses.n = 1 + o % 50;

INSERT INTO assistance_requests (id, restaurant_id, table_id, order_id, customer_message, created_at, updated_at)
SELECT md5('request ' || o)::uuid::text, houses.id, md5(concat_ws('|', 'table', houses.n, 1 + o % 20))::uuid::text, md5('order ' || o)::uuid::text, 'the bill', '2025-03-01', '2025-03-01'
FROM generate_series(1, :orders, 50) AS o JOIN houses ON houses.n = 1 + o % 50;

INSERT INTO pending_questions (id, restaurant_id, customer_session_id, question, status, created_at, table_number)
SELECT md5(concat_ws('|', 'question', n, q))::uuid::text, id, 'guest-' || q, 'Is it hot?', 'answered', '2025-03-01', '7' FROM houses, generate_series(1, 10) AS q;

INSERT INTO chef_answers (id, pending_question_id, restaurant_id, answer, answered_by, created_at)
SELECT md5(concat_ws('|', 'answer', n, q))::uuid::text, md5(concat_ws('|', 'question', n, q))::uuid::text, id, 'Yes', user_id, '2025-03-01' FROM houses, generate_series(1, 10) AS q;

INSERT INTO faq_knowledge_base (id, restaurant_id, question, answer, keywords, usage_count, created_at, updated_at)
SELECT md5(concat_ws('|', 'faq', n, q))::uuid::text, id, 'Is it hot?', 'Yes', CASE WHEN q % 2 = 0 THEN ARRAY['hot', 'spice'] END, q, '2025-03-01', '2025-03-01' FROM houses, generate_series(1, 10) AS q;

INSERT INTO table_scan_events (id, restaurant_id, table_id, table_number, scanned_at)
SELECT md5('scan ' || o)::uuid::text, houses.id, md5(concat_ws('|', 'table', houses.n, 1 + o % 20))::uuid::text, (1 + o % 20)::text, timestamp '2025-02-01' + o * interval '1 second'
FROM generate_series(1, :orders, 2) AS o JOIN houses ON houses.n = 1 + o % 50;

INSERT INTO ai_api_call_events (id, restaurant_id, call_type, token_count, called_at)
SELECT md5('call ' || o)::uuid::text, houses.id, 'chat', o % 1000, '2025-03-01' FROM generate_series(1, :orders, 20) AS o JOIN houses ON houses.n = 1 + o % 50;

-- Sessions of both generations, in the form of the old session library; they live for seven days from now.
INSERT INTO sessions (sid, sess, expire)
SELECT left(translate(encode(sha256(('session ' || s)::bytea), 'base64'), '+/', '-_'), 32),
       jsonb_build_object('cookie', jsonb_build_object('originalMaxAge', 604800000, 'expires', to_char(ends, 'YYYY-MM-DD"T"HH24:MI:SS.000"Z"'), 'secure', true,
                                                       'httpOnly', true, 'path', '/', 'sameSite', 'none'))
       || CASE WHEN s % 5 = 0 THEN jsonb_build_object('passport', jsonb_build_object('user', jsonb_build_object('claims', jsonb_build_object('sub', 'user-' || 1 + s % 50, 'email', 'owner-' || 1 + s % 50 || '@demo.example'), 'expires_at', extract(epoch FROM ends)::bigint)))
               ELSE jsonb_build_object('userId', 'user-' || 1 + s % 50) END,
       ends
FROM generate_series(1, :sessions) AS s, (SELECT date_trunc('second', now() AT TIME ZONE 'UTC') + interval '7 days' AS ends) AS life;

ANALYZE;
