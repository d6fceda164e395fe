\set n random(1, 1000000000000000)
INSERT INTO table_scan_events (id, restaurant_id, table_number) VALUES ('load-' || :n, md5('restaurant ' || (1 + :n % 50))::uuid::text, '1') ON CONFLICT DO NOTHING;
