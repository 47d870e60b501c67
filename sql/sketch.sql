-- telemetry.sketch: text and binary forms, aggregates, quantiles, merging.
-- Expects a server that may write to /tmp.
\set VERBOSITY terse
SET extra_float_digits = 1;
SET search_path = telemetry, public;

-- What a statement fails with: version-proof, for it leaves out the detail.
CREATE FUNCTION pg_temp.failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;

-- Whether an estimate is as good as it has to be.
CREATE FUNCTION pg_temp.near(estimate float8, exact float8) RETURNS boolean LANGUAGE sql AS $$
	SELECT CASE WHEN exact IS NULL THEN estimate IS NULL
		WHEN exact IN (0, 'Infinity', '-Infinity', 'NaN') THEN estimate = exact
		ELSE abs(estimate - exact) <= abs(exact) * (0.01 + 1e-12) END
$$;

-- text_form_is_json
SELECT form, form::telemetry.sketch AS sketch, sketch_count(form::telemetry.sketch), length(sketch_send(form::telemetry.sketch))
FROM unnest(ARRAY[
	'{}', ' { } ', '{"zero":2}', '{"zero": 2, "positive": {"152": 3}, "negative": {}, "inf": 0}',
	'{"positive":{"-7":1,"152":3,"153":4},"negative":{"152":0}}', '{"nan":1,"inf":2,"positive":{"0":3},"zero":4,"negative":{"0":5},"-inf":6}',
	'{"zero":9223372036854775807}', '{"zero":1e3}', '{"zero":1,"zero":2}', '{"negative":{"-37220":1,"-35173":2}}',
	'{"positive":{"35488":1,"33441":2,"0":0}}']) AS form;
SELECT '{"zero":18446744073709551615}'::telemetry.sketch;

-- bad_text_is_refused_with_a_reason
SELECT form, pg_temp.failure(format('SELECT %L::telemetry.sketch', form))
FROM unnest(ARRAY[
	'', 'x', '{', '1', 'null', '[]', '[{}]', '"{}"', '{"zero":2}x',
	'{"Zero":1}', '{"":1}', '{"a member whose name is much longer than what an error message ought to quote":1}',
	'{"zero":-1}', '{"zero":1.5}', '{"nan":"1"}', '{"inf":null}', '{"-inf":{}}', '{"zero":[1]}', '{"zero":true}', '{"zero":18446744073709551616}', '{"zero":1e30}',
	'{"positive":1}', '{"positive":[]}', '{"positive":null}', '{"negative":{"0":-1}}', '{"negative":{"0":"1"}}', '{"negative":{"0":{}}}',
	'{"positive":{"x":1}}', '{"positive":{"":1}}', '{"positive":{"07":1}}', '{"positive":{"+7":1}}', '{"positive":{" 7":1}}', '{"positive":{"7 ":1}}',
	'{"positive":{"-0":1}}', '{"positive":{"1.0":1}}', '{"positive":{"35489":1}}', '{"positive":{"-37221":1}}', '{"positive":{"99999999999999999999":1}}',
	'{"positive":{"4294967296":1}}', '{"positive":{"0":1,"2048":1}}', '{"negative":{"-37220":1,"35488":1}}']) AS form;

-- aggregate_counts_what_is_not_null
SELECT sketch(x) FROM unnest('{1,-1,0,-0,NULL,NaN,Infinity,-Infinity,1,20.5}'::float8[]) AS x;
SELECT sketch(x) IS NULL AS of_no_rows FROM unnest('{}'::float8[]) AS x;
SELECT sketch(x) IS NULL AS of_nulls FROM unnest('{NULL,NULL}'::float8[]) AS x;
SELECT sketch(x::int) AS of_int, sketch(x::numeric) AS of_numeric, sketch(x) FILTER (WHERE x > 1) AS filtered, sketch(DISTINCT x) AS of_distinct
FROM unnest('{1,1,2,3}'::float8[]) AS x;
SELECT x % 3 AS device, sketch(x) FROM generate_series(1, 9) AS x GROUP BY 1 ORDER BY 1;

-- a_window_goes_on_with_its_state
SELECT x, sketch(x) OVER (ORDER BY x) AS so_far, sketch(x) OVER (ORDER BY x ROWS 1 PRECEDING) AS last_two,
	sketch_merge(s) OVER (ORDER BY x) AS merged
FROM (SELECT x, CASE WHEN x <> 2 THEN format('{"zero":%s}', x)::telemetry.sketch END AS s FROM generate_series(1, 4) AS x) AS t;

-- quantiles_are_within_one_percent
SELECT setseed(0.4);
CREATE TABLE sketched AS
SELECT n, n % 7 AS device,
	20 + 5 * sin(n / 1000.0) + random() AS temperature,
	(random() - 0.5) * 10 ^ (random() * 6) AS signed,
	exp(random() * 30) AS wide,
	(random() * 20)::int AS whole,
	CASE WHEN n % 11 = 0 THEN NULL WHEN n % 13 = 0 THEN 'NaN' WHEN n % 5 = 0 THEN 0 WHEN n % 17 = 0 THEN 'Infinity' WHEN n % 19 = 0 THEN '-Infinity'
		ELSE random() - 0.3 END::float8 AS mixed
FROM generate_series(1, 100000) AS n;
ANALYZE sketched;
CREATE VIEW pg_temp.long AS
SELECT n, device, column_name, x FROM sketched,
	LATERAL (VALUES ('temperature', temperature), ('signed', signed), ('wide', wide), ('whole', whole), ('mixed', mixed)) AS t (column_name, x);
SELECT column_name, count(*) AS quantiles, count(*) FILTER (WHERE pg_temp.near(estimate, exact)) AS near
FROM (SELECT column_name, sketch(x) AS s, percentile_disc(ARRAY(SELECT i / 200.0::float8 FROM generate_series(0, 200) AS i)) WITHIN GROUP (ORDER BY x) AS d
	FROM pg_temp.long GROUP BY 1) AS t,
	LATERAL (SELECT quantile(s, (i - 1) / 200.0::float8) AS estimate, d[i] AS exact FROM generate_series(1, 201) AS i) AS q
GROUP BY 1 ORDER BY 1;
SELECT device, bool_and(pg_temp.near(quantile(s, 0.95), d)) AS near, bool_and(n = sketch_count(s)) AS counted
FROM (SELECT device, column_name, count(x) AS n, sketch(x) AS s, percentile_disc(0.95) WITHIN GROUP (ORDER BY x) AS d FROM pg_temp.long GROUP BY 1, 2) AS t
GROUP BY 1 ORDER BY 1;

-- quantiles_have_the_order_of_float8
SELECT i, quantile(s, i / 8.0) FROM generate_series(0, 8) AS i,
	(SELECT sketch(x) AS s FROM unnest('{NaN,Infinity,100,1,0,-1,-100,-Infinity}'::float8[]) AS x) AS t;

-- quantile_of_what_is_missing_is_null
SELECT quantile('{}'::telemetry.sketch, 0.5) AS of_empty, quantile('{"zero":1}', NULL::float8) AS of_null, quantile(NULL::telemetry.sketch, 0.5) AS of_no_sketch,
	quantile('{"zero":1}', 0.5) AS zero;

-- quantile_of_an_array_is_an_array
SELECT quantile(s, ARRAY[0, 0.5, NULL, 1]) AS four, quantile(s, '{}'::float8[]) AS none, quantile(s, '[0:1][2:3]={{0,0.5},{NULL,1}}'::float8[]) AS shape,
	quantile('{}', ARRAY[0, NULL, 1]) AS of_empty, quantile(s, NULL::float8[]) AS of_null
FROM (SELECT sketch(x) AS s FROM unnest('{0,0,Infinity}'::float8[]) AS x) AS t;

-- quantile_outside_0_to_1_is_refused
SELECT statement, pg_temp.failure(statement) FROM unnest(ARRAY[
	'SELECT telemetry.quantile(''{"zero":1}'', 1.5)', 'SELECT telemetry.quantile(''{}'', -0.01)', 'SELECT telemetry.quantile(''{"zero":1}'', ''NaN''::float8)',
	'SELECT telemetry.quantile(''{"zero":1}'', ARRAY[0.5, 2])', 'SELECT telemetry.quantile(''{}'', ARRAY[''-Infinity''::float8])']) AS statement;

-- count_beyond_bigint_is_refused
SELECT sketch_count('{"zero":9223372036854775807}'), pg_temp.failure('SELECT telemetry.sketch_count(''{"zero":9223372036854775807,"nan":1}'')');
SELECT sketch_merge('{"zero":18446744073709551615}', '{"zero":7}') AS counts_stop;

-- merging_is_adding_all
CREATE TABLE hourly AS SELECT column_name, n / 360 AS hour, sketch(x ORDER BY random()) AS s FROM pg_temp.long GROUP BY 1, 2;
SELECT column_name, sketch_merge(s ORDER BY random()) = (SELECT sketch(x) FROM pg_temp.long WHERE long.column_name = hourly.column_name) AS equal
FROM hourly GROUP BY 1 ORDER BY 1;
SELECT sketch_merge(NULL::telemetry.sketch) IS NULL AS of_null, sketch_merge(s) AS of_three
FROM unnest(ARRAY['{"zero":1}', NULL, '{"zero":2,"nan":1}']::telemetry.sketch[]) AS s;
SELECT sketch_merge(s) AS of_empty FROM unnest(ARRAY['{}', '{}']::telemetry.sketch[]) AS s;
SELECT sketch_merge('{"zero":1,"positive":{"5":1}}', '{"positive":{"5":2,"7":1}}') AS of_two, sketch_merge('{"zero":1}', NULL) AS with_null;

-- smallest_magnitudes_collapse
SELECT sketch(x) = sketch(x ORDER BY x) AND sketch(x) = sketch(x ORDER BY x DESC) AS same, sketch(x)
FROM unnest('{1e-300,1e-290,1,1e200,-1e-300,-1e3,1e200,5}'::float8[]) AS x;

-- sketches_are_equal_or_not
SELECT a = b AS eq, a <> b AS ne FROM (VALUES
	('{"zero":1}'::telemetry.sketch, '{"zero":1,"nan":0}'::telemetry.sketch), ('{"zero":1}', '{"zero":2}'), ('{"positive":{"1":1}}', '{"negative":{"1":1}}'),
	('{}', '{}'), ('{}', NULL)) AS t (a, b);

-- partial_aggregates_give_the_same
CREATE TABLE alone AS SELECT device, sketch(temperature) AS temperature, sketch(mixed) AS mixed FROM sketched GROUP BY 1;
CREATE TABLE merged_alone AS SELECT column_name, sketch_merge(s) AS s FROM hourly GROUP BY 1;
ANALYZE hourly;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT sketch(temperature) FROM sketched;
SELECT sketch(temperature) = (SELECT sketch_merge(temperature) FROM alone) AS temperature, sketch(mixed) = (SELECT sketch_merge(mixed) FROM alone) AS mixed,
	sketch(temperature) FILTER (WHERE n < 0) IS NULL AS none
FROM sketched;
SET enable_sort = off;
SELECT count(*) FILTER (WHERE a.temperature = p.temperature AND a.mixed = p.mixed) AS equal
FROM alone AS a JOIN (SELECT device, sketch(temperature) AS temperature, sketch(mixed) AS mixed FROM sketched GROUP BY 1) AS p USING (device);
SELECT count(*) FILTER (WHERE a.s = p.s) AS equal
FROM merged_alone AS a JOIN (SELECT column_name, sketch_merge(s) AS s FROM hourly GROUP BY 1) AS p USING (column_name);
RESET enable_sort; RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather;

-- an_hour_of_a_sensor_is_small
SELECT pg_column_size(sketch_send('{}')) - 4 AS empty, max(pg_column_size(s)) FILTER (WHERE column_name = 'temperature') <= 30 AS hour,
	max(pg_column_size(s)) < 1200 AS any
FROM hourly;

-- text_and_binary_forms_read_back_equal
CREATE TABLE sample AS SELECT column_name || hour AS place, s FROM hourly
UNION ALL VALUES ('empty', '{}'), ('null', NULL), ('full', (SELECT sketch(x) FROM generate_series(-1, 1, 2) AS sign, LATERAL (SELECT sign * 1.02 ^ n AS x FROM generate_series(1, 3000) AS n) AS t));
SELECT count(*) AS sketches, count(*) FILTER (WHERE s = s::text::telemetry.sketch) AS read_back, count(*) FILTER (WHERE s::text = s::text::jsonb::text::telemetry.sketch::text) AS jsonb
FROM sample;
\set file `mktemp -u /tmp/telemetry_sketch.XXXXXX`
CREATE TEMP TABLE sample_back (LIKE sample);
COPY sample TO :'file' (FORMAT binary);
COPY sample_back FROM :'file' (FORMAT binary);
SELECT count(*) AS copied, count(*) FILTER (WHERE a.s = b.s OR a.s IS NULL AND b.s IS NULL) AS equal FROM sample AS a JOIN sample_back AS b USING (place);
TRUNCATE sample_back;
COPY sample TO :'file' (FORMAT csv);
COPY sample_back FROM :'file' (FORMAT csv);
SELECT count(*) AS copied, count(*) FILTER (WHERE a.s = b.s OR a.s IS NULL AND b.s IS NULL) AS equal FROM sample AS a JOIN sample_back AS b USING (place);

-- received_bytes_are_not_trusted
SELECT set_config('test.file', :'file', false) = :'file' AS set;
CREATE TEMP TABLE received (s telemetry.sketch);
CREATE FUNCTION pg_temp.receive(message bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('test.file');
	object oid;
	result telemetry.sketch;
BEGIN
	object := lo_from_bytea(0, '\x5047434f50590aff0d0a0000000000000000000001'::bytea
		|| int4send(length(message)) || message || '\xffff');
	PERFORM lo_export(object, file), lo_unlink(object);
	DELETE FROM received;
	EXECUTE format('COPY received FROM %L (FORMAT binary)', file);
	SELECT s INTO STRICT result FROM received;
	IF sketch_send(result) <> message THEN
		RETURN 'was changed';
	END IF;
	RETURN result;
EXCEPTION WHEN invalid_binary_representation THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;
SELECT message, pg_temp.receive(message) FROM unnest(ARRAY[
	'', '\x01', '\x0100', '\x0200', '\x010000', '\x0140', '\x010205', '\x010200', '\x01028100', '\x0102ffffffffffffffffff01', '\x0102ffffffffffffffffff02',
	'\x012002', '\x01200200', '\x0120020105', '\x0120020100', '\x0120020205', '\x0120020205000105', '\x0120020205000005', '\x012002020500fe0f05',
	'\x012002020500ff0f05', '\x0120c7c5040105', '\x0120c9c5040105', '\x0120c0aa040105', '\x0120c2aa040105', '\x013001010102010203']::bytea[]) AS message;
\set remove 'rm -f ' :file
COPY received FROM PROGRAM :'remove';

-- damaged_sketches_are_found
CREATE CAST (bytea AS telemetry.sketch) WITHOUT FUNCTION;
SELECT statement, pg_temp.failure(statement) FROM unnest(ARRAY[
	'SELECT ''\x''::bytea::telemetry.sketch::text', 'SELECT telemetry.quantile(''\x0300''::bytea::telemetry.sketch, 0.5)',
	'SELECT telemetry.quantile(''\x0300''::bytea::telemetry.sketch, ARRAY[0.5])', 'SELECT telemetry.sketch_count(''\x01200201''::bytea::telemetry.sketch)',
	'SELECT telemetry.sketch_merge(''{}'', ''\x010000''::bytea::telemetry.sketch)', 'SELECT telemetry.sketch_merge(''\x010200''::bytea::telemetry.sketch)',
	'SELECT telemetry.sketch_send(''\x0140''::bytea::telemetry.sketch)']) AS statement;
-- Any bit changed, any end cut off: a sketch all the same, or an error.
SELECT count(*) > 500 AS damaged, count(*) FILTER (WHERE result NOT SIMILAR TO '(no error|XX001 telemetry sketch is corrupted)') AS otherwise,
	count(*) FILTER (WHERE cut < length(bytes) AND result = 'no error') AS cut_unnoticed
FROM (SELECT sketch_send(sketch(mixed)) AS bytes FROM sketched WHERE n < 60) AS t,
	LATERAL (SELECT cut, substr(bytes, 1, cut) AS damage FROM generate_series(0, length(bytes)) AS cut
		UNION ALL SELECT length(bytes), set_byte(bytes, place, get_byte(bytes, place) # (1 << bit)) FROM generate_series(0, length(bytes) - 1) AS place, generate_series(0, 7) AS bit) AS d,
	LATERAL (SELECT pg_temp.failure(format('SELECT telemetry.quantile(s, 0.5), s::text::telemetry.sketch = s, telemetry.sketch_merge(s, s) FROM (SELECT %L::bytea::telemetry.sketch AS s) AS t', damage)) AS result) AS r;
DROP CAST (bytea AS telemetry.sketch);

-- rollups_can_be_kept_up_to_date
CREATE TEMP TABLE daily (device int PRIMARY KEY, s telemetry.sketch);
INSERT INTO daily SELECT device, sketch(wide) FROM sketched WHERE n <= 50000 GROUP BY 1;
INSERT INTO daily SELECT device, sketch(wide) FROM sketched WHERE n > 50000 GROUP BY 1 ON CONFLICT (device) DO UPDATE SET s = sketch_merge(daily.s, excluded.s);
SELECT count(*) FILTER (WHERE d.s = a.s) AS equal FROM daily AS d JOIN (SELECT device, sketch(wide) AS s FROM sketched GROUP BY 1) AS a USING (device);

-- the_type_is_documented
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE (p.prorettype = 'telemetry.sketch'::regtype OR 'telemetry.sketch'::regtype = ANY (p.proargtypes::oid[]) OR p.proname LIKE 'sketch%')
	AND p.pronamespace = 'telemetry'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT obj_description('telemetry.sketch'::regtype, 'pg_type') IS NOT NULL AS described;

DROP VIEW pg_temp.long;
DROP TABLE sketched, hourly, alone, merged_alone, sample;
