-- telemetry.point_text against a model: random points, each field written in one of the forms that files have, some rows
-- spoilt in a way whose code is known. What is stored equals a plain table with the key (device_id, metric, ts), and what is rejected is
-- exactly what was spoilt. Each round has a seed of its own: psql -v seed=n begins with another.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
\if :{?seed}
\else
\set seed 1
\endif

SET client_min_messages = warning;
SET timezone = 'UTC';
TRUNCATE telemetry.block, telemetry.dead_letter;

CREATE TEMP TABLE batch (at int, ts timestamptz, device_id text, metric text, num numeric, value telemetry.value, code text,
	ts_text text, value_text text, tags_text text, bad_device text);
CREATE TEMP TABLE model (device_id text COLLATE "C", metric text COLLATE "C", ts timestamptz, value telemetry.value, PRIMARY KEY (device_id, metric, ts));

CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

-- A time of whole seconds, after 2001, in a form of files; the zone is Asia/Kolkata, which is 5:30 ahead.
CREATE FUNCTION pg_temp.some_form(ts timestamptz, date_order text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT pg_temp.pick(
		to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), to_char(utc, 'YYYY/FMMM/FMDD FMHH24:MI:SS') || '+00', to_char(utc, 'YYYYMMDD"T"HH24MISS"Z"'),
		to_char(utc + interval '90 minutes', 'YYYY-MM-DD HH24:MI:SS') || pg_temp.pick(' +0130', '+01:30'), to_char(utc, 'YYYY-MM-DD HH24:MI:SS') || ',000Z',
		to_char(local, 'YYYY-MM-DD HH24:MI:SS'), to_char(local, 'YYYY.MM.DD HH12:MI:SS AM'), to_char(local, 'YYYYMMDDHH24MISS'), '  ' || local::text || ' ',
		to_char(local, CASE date_order WHEN 'dmy' THEN 'DD.MM.YYYY HH24:MI:SS' WHEN 'mdy' THEN 'FMMM/FMDD/YYYY FMHH12:MI:SS pm' ELSE 'YYYY-MM-DD HH24:MI:SS' END),
		epoch::text, epoch || '000', epoch || '000000', epoch || '000000000', epoch || '.0000')
	FROM (SELECT ts AT TIME ZONE 'UTC' AS utc, ts AT TIME ZONE 'Asia/Kolkata' AS local, extract(epoch FROM ts)::bigint AS epoch) AS t
$$;

-- A number in a form of files.
CREATE FUNCTION pg_temp.some_form(num numeric, comma boolean) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN comma THEN translate(form, '.', ',') ELSE form END
	FROM (SELECT pg_temp.pick(num::text, num || '0', CASE WHEN num >= 0 THEN '+' ELSE '' END || num, regexp_replace(num::text, '^(-?)0\.', '\1.'),
		regexp_replace(num::text, '^(-?)', '\100'), (num * 100) || 'e-2', ' ' || num || ' ', num || 'E+0') AS form) AS f
$$;

CREATE FUNCTION pg_temp.make_batch(n int, comma boolean, date_order text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE batch;
	INSERT INTO batch (at, ts, device_id, metric, num)
	SELECT i - 1, '2001-09-10 UTC'::timestamptz + floor(random() * 300) * interval '73 h 11 min 7 s', 'd' || floor(random() * 5), pg_temp.pick('a', 'b'),
		round((random() * 2000 - 1000)::numeric, 3)
	FROM generate_series(1, n) AS i;
	UPDATE batch SET ts_text = pg_temp.some_form(ts, date_order), value_text = pg_temp.some_form(num, comma), value = num::float8::telemetry.value;
	-- Some are no numbers.
	UPDATE batch AS b SET value_text = v.value_text, value = telemetry.value_in(v.value_text::cstring)
	FROM (SELECT at, pg_temp.pick('true', 'false', '"open"', '{"a": [1.5, null]}', '{"$geo": [48.2, 16.4]}', 'NaN', '-Infinity') AS value_text FROM batch WHERE random() < 0.2) AS v
	WHERE v.at = b.at;
	-- Some are spoilt.
	UPDATE batch AS b SET code = s.code FROM (SELECT at, pg_temp.pick('invalid_timestamp', 'missing_field', 'invalid_value', 'no_value', 'invalid_tags', 'invalid_key',
		'timestamp_in_future') AS code FROM batch WHERE random() < 0.2) AS s WHERE s.at = b.at;
	UPDATE batch SET ts_text = pg_temp.pick('2024-13-01', '2023-02-29 00:00', 'n/a', '2024-01-01 25:00', '?', 'yesterday', '1e9', '2024-01-01 00:00:00 PST8') WHERE code = 'invalid_timestamp';
	UPDATE batch SET ts_text = '2999-01-01 00:00' WHERE code = 'timestamp_in_future';
	UPDATE batch SET value_text = pg_temp.pick('open', '1..5', '--1', '0x1', '{"a": ', '[1, 2', '"open', '1e999', 'n.a.', CASE WHEN comma THEN '1.5' ELSE '1,5' END) WHERE code = 'invalid_value';
	UPDATE batch SET value_text = pg_temp.pick('MM', ' mm ', '?') WHERE code = 'no_value';
	UPDATE batch SET value_text = pg_temp.pick('', ' ', NULL) WHERE code = 'missing_field';
	UPDATE batch SET tags_text = pg_temp.pick('{"a"', '[1]', 'x') WHERE code = 'invalid_tags';
	UPDATE batch SET bad_device = pg_temp.pick('', E'a\tb', repeat('d', 129)) WHERE code = 'invalid_key';
END
$$;

CREATE FUNCTION pg_temp.round(seed int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	comma boolean;
	date_order text;
	letters bigint;
	result record;
BEGIN
	PERFORM setseed(seed / 10000.0);
	comma := random() < 0.5;
	date_order := pg_temp.pick('ymd', 'dmy', 'mdy');
	PERFORM set_config('telemetry.text_decimal_comma', comma::text, true), set_config('telemetry.text_date_order', date_order, true),
		set_config('telemetry.text_nulls', 'MM, ?', true), set_config('telemetry.text_timezone', 'Asia/Kolkata', true),
		set_config('telemetry.batch_memory', pg_temp.pick('256kB', '16MB'), true);
	PERFORM pg_temp.make_batch(1 + floor(random() * 4000)::int, comma, date_order);
	letters := (SELECT count(*) FROM telemetry.dead_letter);
	INSERT INTO telemetry.point_text (ts, device_id, metric, value, tags)
	SELECT ts_text, coalesce(bad_device, device_id), metric, value_text, tags_text FROM batch ORDER BY at;
	SELECT * INTO result FROM telemetry.ingest_result();
	INSERT INTO model SELECT DISTINCT ON (device_id, metric, ts) device_id, metric, ts, value FROM batch WHERE code IS NULL ORDER BY device_id, metric, ts, at DESC
	ON CONFLICT (device_id, metric, ts) DO UPDATE SET value = excluded.value;

	RETURN NEXT is(result.received, (SELECT count(*) FROM batch), format('round %s: all rows are received', seed));
	RETURN NEXT results_eq(
		format($q$SELECT (r ->> 'row')::int, r ->> 'code' FROM jsonb_array_elements(%L::jsonb) AS r WHERE r ->> 'status' = 'rejected' ORDER BY 1$q$, result.rows),
		'SELECT at, code FROM batch WHERE code IS NOT NULL ORDER BY at', format('round %s: what was spoilt is rejected, with its code', seed));
	RETURN NEXT is((SELECT count(*) FROM telemetry.dead_letter) - letters, (SELECT count(*) FROM batch WHERE code <> 'no_value'),
		format('round %s: each but those without a value is a dead letter', seed));
	RETURN NEXT results_eq($q$SELECT device_id, metric, ts, format('%s', value) FROM telemetry.point ORDER BY 1, 2, 3$q$,
		$q$SELECT device_id, metric, ts, format('%s', value) FROM model ORDER BY 1, 2, 3$q$, format('round %s: the points are those of the model', seed));
END
$$;

SELECT plan(4 * 12);
SELECT '# seed ' || :seed;
SELECT r FROM generate_series(:seed, :seed + 11) AS seed, LATERAL pg_temp.round(seed) AS r;
SELECT * FROM finish();
TRUNCATE telemetry.block, telemetry.dead_letter;
