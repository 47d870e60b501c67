-- Damaged blocks: SQLSTATE XX001 or the right answer, and the session goes on.
-- Uses a day of its own and leaves nothing of it.
\set VERBOSITY terse
SET timezone = 'UTC';

CREATE TEMP TABLE written (
	part text NOT NULL,
	ts timestamptz NOT NULL,
	device_id text NOT NULL,
	metric text NOT NULL,
	value telemetry.value NOT NULL,
	unit text,
	tags jsonb,
	metadata jsonb
);
-- Every kind, attributes, a series longer than a frame; small, for it costs next to nothing.
INSERT INTO written (part, ts, device_id, metric, value, unit, tags, metadata)
SELECT 'small', '2001-02-03 00:00:00Z'::timestamptz + n * interval '1 second', 'corruption-1', 'constant',
	21.5::telemetry.value, 'C', '{"site": "north"}'::jsonb, NULL::jsonb
FROM generate_series(0, 4999) AS n
UNION ALL
SELECT 'small', '2001-02-03 00:00:00Z'::timestamptz + n * interval '1.5 second', 'corruption-2', form.metric,
	form.value, NULL, NULL, jsonb_build_object('n', n / 3)
FROM generate_series(1, 7) AS n,
	LATERAL (VALUES ('numeric', n::float8::telemetry.value), ('text', ('state ' || n % 3)::telemetry.value),
		('boolean', (n % 2 = 0)::telemetry.value), ('json', jsonb_build_object('a', n)::telemetry.value),
		('geo', telemetry.geo(n, -n)), ('binary', ('\xdead'::bytea)::telemetry.value),
		('mixed', CASE n % 2 WHEN 0 THEN n::float8::telemetry.value ELSE 'odd'::text::telemetry.value END))
		AS form (metric, value);
-- Numbers that do not compress, so that the block is read in slices.
INSERT INTO written (part, ts, device_id, metric, value)
SELECT 'large', '2001-02-04 00:00:00Z'::timestamptz + n * interval '1 second', 'corruption-' || d, 'noise',
	(hashint4(n * 10 + d)::float8 / 7)::telemetry.value
FROM generate_series(1, 3) AS d, generate_series(1, 4000) AS n;

CREATE FUNCTION pg_temp.store(which text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO telemetry.point (ts, device_id, metric, value, unit, tags, metadata)
		SELECT ts, device_id, metric, value, unit, tags, metadata FROM written WHERE part = which;
END
$$;
SELECT pg_temp.store('small');
SELECT pg_temp.store('large');

CREATE TEMP TABLE original AS
	SELECT CASE day WHEN '2001-02-03' THEN 'small' ELSE 'large' END AS part, bucket, max_ts, seq, n, data
	FROM telemetry.block WHERE day IN ('2001-02-03', '2001-02-04');
SELECT part, n AS points, telemetry.check_block(data) AS checked, get_byte(data, 20) AS frames,
	(SELECT array_agg(DISTINCT kind ORDER BY kind) FROM telemetry.block_series(data)) AS kinds
FROM original ORDER BY part;

-- What becomes of a statement with one block: 'corrupted', or what else.
CREATE FUNCTION pg_temp.outcome(statement text, block bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE statement INTO result USING block;
	RETURN 'accepted';
EXCEPTION
	WHEN data_corrupted THEN RETURN 'corrupted';
	WHEN OTHERS THEN RETURN sqlstate || ' ' || sqlerrm;
END
$$;
CREATE TEMP TABLE reader AS
SELECT name, statement FROM (VALUES
	('check_block', 'SELECT telemetry.check_block($1)'),
	('block_series', 'SELECT count(*) FROM telemetry.block_series($1)')) AS reader (name, statement);

-- every_flipped_byte_is_caught
CREATE FUNCTION pg_temp.flip(block bytea, at integer, mask integer) RETURNS bytea LANGUAGE sql AS $$
	SELECT set_byte(block, at, get_byte(block, at) # mask)
$$;
SELECT r.name, pg_temp.outcome(r.statement, pg_temp.flip(o.data, at, mask)) AS outcome,
	count(*) = 3 * min(length(o.data)) AS of_all
FROM original AS o, reader AS r, generate_series(0, length(o.data) - 1) AS at, unnest('{1,128,255}'::integer[]) AS mask
WHERE o.part = 'small'
GROUP BY 1, 2 ORDER BY 1, 2;

-- every_truncation_is_caught
SELECT r.name, pg_temp.outcome(r.statement, substring(o.data FOR len)) AS outcome,
	count(*) = min(length(o.data)) AS of_all
FROM original AS o, reader AS r, generate_series(0, length(o.data) - 1) AS len
WHERE o.part = 'small'
GROUP BY 1, 2 ORDER BY 1, 2;

-- bytes_that_do_not_belong_are_caught
SELECT r.name, pg_temp.outcome(r.statement, form.data)
FROM original AS o, reader AS r, LATERAL (VALUES (1, o.data || '\x00'), (2, '\x00'::bytea || o.data), (3, o.data || o.data),
	(4, substring(o.data FROM 2)), (5, convert_to(repeat('TLB1', 100), 'UTF8'))) AS form (no, data)
WHERE o.part = 'small'
ORDER BY r.name, form.no;

-- What reading telemetry.point gives while a stored block is as told.
CREATE FUNCTION pg_temp.outcome_stored(which text, damaged bytea, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	o original;
	result text;
BEGIN
	SELECT * INTO STRICT o FROM original WHERE part = which;
	UPDATE telemetry.block SET data = damaged WHERE bucket = o.bucket AND max_ts = o.max_ts AND seq = o.seq;
	BEGIN
		EXECUTE statement INTO result;
	EXCEPTION
		WHEN data_corrupted THEN result := 'corrupted';
		WHEN OTHERS THEN result := sqlstate || ' ' || sqlerrm;
	END;
	UPDATE telemetry.block SET data = o.data WHERE bucket = o.bucket AND max_ts = o.max_ts AND seq = o.seq;
	RETURN result;
END
$$;

-- points_of_a_flipped_block_are_not_read
SELECT pg_temp.outcome_stored('small', pg_temp.flip(o.data, at, 255),
		$$SELECT count(value::text) FROM telemetry.point WHERE ts >= '2001-02-03Z' AND ts < '2001-02-04Z'$$) AS outcome,
	count(*) = min(length(o.data)) AS of_all
FROM original AS o, generate_series(0, length(o.data) - 1) AS at
WHERE o.part = 'small'
GROUP BY 1 ORDER BY 1;

-- points_of_a_truncated_block_are_not_read
SELECT pg_temp.outcome_stored('small', substring(o.data FOR len),
		$$SELECT count(value::text) FROM telemetry.point WHERE ts >= '2001-02-03Z' AND ts < '2001-02-04Z'$$) AS outcome,
	count(*) = min(length(o.data)) AS of_all
FROM original AS o, generate_series(0, length(o.data) - 1) AS len
WHERE o.part = 'small'
GROUP BY 1 ORDER BY 1;

-- one_series_is_corrupted_or_right: damage elsewhere need not be noticed, but changes no answer
CREATE FUNCTION pg_temp.outcome_of_series(damaged bytea, device text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.outcome_stored('large', damaged, format(
		'SELECT CASE WHEN (SELECT sum(num) FROM telemetry.point
				WHERE device_id = %1$L AND metric = ''noise'' AND ts >= ''2001-02-04Z'' AND ts < ''2001-02-05Z'')
			= (SELECT sum(telemetry.num(value)) FROM written WHERE part = ''large'' AND device_id = %1$L)
			THEN ''right'' ELSE ''wrong'' END', device))
$$;
SELECT DISTINCT form, pg_temp.outcome_of_series(CASE form
		WHEN 'flipped' THEN pg_temp.flip(o.data, at, 255) ELSE substring(o.data FOR at) END, device) AS outcome
FROM original AS o, unnest('{flipped,truncated}'::text[]) AS form,
	unnest('{corruption-1,corruption-2,corruption-3}'::text[]) AS device,
	generate_series(0, 99) AS step, LATERAL (SELECT step * (length(o.data) / 100) AS at) AS place
WHERE o.part = 'large'
ORDER BY 1, 2;

-- session_goes_on_after_corruption
UPDATE telemetry.block AS b SET data = pg_temp.flip(o.data, length(o.data) - 1, 1)
FROM original AS o
WHERE o.part = 'small' AND b.bucket = o.bucket AND b.max_ts = o.max_ts AND b.seq = o.seq;
SELECT count(value::text) FROM telemetry.point WHERE ts >= '2001-02-03Z' AND ts < '2001-02-04Z';
SELECT telemetry.delete_points('corruption-2', 'numeric', '2001-02-03Z', '2001-02-04Z');
SELECT sum(telemetry.check_block(data)) FROM telemetry.block WHERE day = '2001-02-03';
SELECT count(num) FROM telemetry.point WHERE device_id LIKE 'corruption-%' AND ts >= '2001-02-04Z' AND ts < '2001-02-05Z';

-- restored_block_is_read_again
UPDATE telemetry.block AS b SET data = o.data
FROM original AS o
WHERE b.bucket = o.bucket AND b.max_ts = o.max_ts AND b.seq = o.seq;
SELECT part, ts, device_id, metric, value, unit, tags, metadata FROM written
EXCEPT ALL
SELECT CASE WHEN ts < '2001-02-04Z' THEN 'small' ELSE 'large' END, ts, device_id, metric, value, unit, tags, metadata
FROM telemetry.point WHERE ts >= '2001-02-03Z' AND ts < '2001-02-05Z';

DELETE FROM telemetry.block WHERE day IN ('2001-02-03', '2001-02-04');
DROP TABLE written, original, reader;
