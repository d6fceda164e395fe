-- A row of every table of the old system, and a few that are awkward.
INSERT INTO users (id, email, accepted_terms, accepted_terms_at, created_at) VALUES
    ('u1', 'owner@example.org', true, '2024-05-06 07:08:09.123456', NULL), ('u2', NULL, false, NULL, now()), ('u3', NULL, false, NULL, now());
INSERT INTO restaurants (id, user_id, name, country, admin_password) VALUES ('r1', 'u1', 'Chez A', 'France', '$2b$10$x'), ('r2', 'u2', '', NULL, NULL);
INSERT INTO restaurant_tables (id, restaurant_id, table_number) VALUES ('t1', 'r1', '1'), ('t2', 'r1', 'VIP'), ('t3', 'r2', 'vip');
INSERT INTO menu_items (id, restaurant_id, name, description, price, category, allergens) VALUES
    ('m1', 'r1', 'Soup', '', 12.50, 'Starters', '{}'), ('m2', 'r1', 'Tarte', 'warm', 99999999.99, 'Desserts', '{nuts,"a,b"}');
INSERT INTO menu_item_translations (id, menu_item_id, language, name, description) VALUES ('mt1', 'm1', 'fr', 'Soupe', '');
INSERT INTO extended_menu_details (id, menu_item_id, chef_notes) VALUES ('d1', 'm1', 'slow');
INSERT INTO restaurant_knowledge (id, restaurant_id, story) VALUES ('k1', 'r1', 'since 1900');
INSERT INTO orders (id, restaurant_id, table_id, payment_method, stripe_payment_intent_id, subtotal, tax, total) VALUES
    ('o1', 'r1', 't1', 'online', 'pi_1', 12.50, 1.25, 13.75), ('o2', 'r1', NULL, 'cash', NULL, 0, 0, 0), ('o3', 'r1', NULL, 'cash', NULL, 0, 0, 0);
INSERT INTO order_items (id, order_id, menu_item_id, name, price, quantity) VALUES ('l1', 'o1', 'm1', 'Soup', 12.50, 1), ('l2', 'o1', NULL, 'Gone', 0, 2);
INSERT INTO ratings (id, order_id, restaurant_id, menu_item_id, item_rating, service_ratings) VALUES
    ('a1', 'o1', 'r1', 'm1', 5, NULL), ('a2', 'o1', 'r1', NULL, NULL, '{"foodQuality": 5, "own": [1]}'), ('a3', 'o1', 'r1', NULL, 4, NULL), ('a4', 'o1', 'r1', NULL, 4, NULL);
INSERT INTO assistance_requests (id, restaurant_id, table_id, order_id) VALUES ('s1', 'r1', 't1', 'o1');
INSERT INTO pending_questions (id, restaurant_id, customer_session_id, question) VALUES ('q1', 'r1', 'c1', 'Is it hot?'), ('q2', 'r1', 'c1', 'Really?');
INSERT INTO chef_answers (id, pending_question_id, restaurant_id, answer, answered_by) VALUES ('w1', 'q1', 'r1', 'Yes', 'nobody');
INSERT INTO faq_knowledge_base (id, restaurant_id, question, answer, keywords) VALUES ('f1', 'r1', 'Hot?', 'Yes', '{hot}');
INSERT INTO table_scan_events (id, restaurant_id, table_id, table_number) VALUES ('e1', 'r1', 't1', '1');
INSERT INTO ai_api_call_events (id, restaurant_id, call_type, token_count) VALUES ('i1', 'r1', 'chat', 7);
INSERT INTO sessions (sid, sess, expire) VALUES ('s', '{"cookie": {"path": "/"}}', '2030-01-01');
