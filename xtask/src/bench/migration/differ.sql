-- A tenth of the rows is missing, a tenth is extra, the others hold something else. The guard, which nothing else gets past, is told
-- what a converger tells it; nothing is journalled.
SET LOCAL session_replication_role = replica;
DO $$ BEGIN PERFORM set_config('waiterix.converging', epoch::text, true) FROM waiterix_migration.standing; END $$;
CREATE TEMPORARY TABLE chosen ON COMMIT DROP AS
SELECT id, row_number() OVER () AS n FROM (SELECT id FROM order_items ORDER BY md5(id) LIMIT :count) AS picked;
WITH changed AS (UPDATE order_items SET quantity = quantity + 1 FROM chosen WHERE chosen.id = order_items.id AND n % 10 > 1 RETURNING 1)
SELECT count(*) FROM changed;
WITH missing AS (DELETE FROM order_items USING chosen WHERE chosen.id = order_items.id AND n % 10 = 1 RETURNING 1)
SELECT count(*) FROM missing;
WITH extra AS (INSERT INTO order_items (id, order_id, name, price, quantity) SELECT 'extra ' || n, (SELECT id FROM orders LIMIT 1), 'extra', 1, 1 FROM chosen WHERE n % 10 = 0 RETURNING 1)
SELECT count(*) FROM extra;
