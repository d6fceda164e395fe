-- As many orders of about the same shape as the published ones, where the file is not there.
INSERT INTO published (order_id, quantity, item_name, choice_description, item_price)
SELECT 1 + n % 1834, quantity, name, choice, '$' || (price * quantity)::numeric(10, 2) || ' '
FROM (SELECT n, CASE WHEN n % 17 = 0 THEN 2 + n % 5 ELSE 1 END AS quantity,
             (ARRAY['Chicken Bowl', 'Steak Burrito', 'Veggie Bowl', 'Chips and Guacamole', 'Side of Chips', 'Bottled Water'])[1 + n % 6] AS name,
             (ARRAY[8.49, 8.99, 8.49, 3.89, 1.69, 1.50])[1 + n % 6] AS price,
             CASE WHEN n % 6 < 3 THEN (ARRAY['[Fresh Tomato Salsa, [Rice, Black Beans]]', '[Tomatillo Red Chili Salsa, [Rice, Cheese]]'])[1 + n % 2] END AS choice
      FROM generate_series(0, 4621) AS n) AS made;
