-- Where the lines of real orders are put first. The order of the lines is part of them.
CREATE TABLE published (
    line bigint GENERATED ALWAYS AS IDENTITY,
    order_id integer NOT NULL,
    quantity integer NOT NULL,
    item_name text NOT NULL,
    choice_description text,
    item_price text NOT NULL
);
