-- Definitions of metrics against a naive judgement: random definitions, of metrics and of patterns, and random values of all kinds. Who is
-- stored, with which value and unit, and who is rejected with which code is what plain SQL says of each value by itself. Definitions change
-- between two batches of a round. Each round has a seed of its own: psql -v seed=n begins with another.
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
DELETE FROM telemetry.metric_definition;

CREATE TEMP TABLE batch (at bigint, ts timestamptz, device_id text, metric text, value telemetry.value, unit text);
CREATE TEMP TABLE wanted (at bigint, value text, unit text, code text);
CREATE TEMP TABLE found (LIKE wanted);
CREATE TEMP TABLE seen (code text);

CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

-- The definition that counts, in the words of the documentation.
CREATE FUNCTION pg_temp.definition(metric text) RETURNS telemetry.metric_definition LANGUAGE plpgsql STABLE AS $$
DECLARE
	d telemetry.metric_definition;
BEGIN
	FOR d IN SELECT * FROM telemetry.metric_definition LOOP
		IF d.name_pattern IS NULL AND d.name = metric THEN
			RETURN d;
		END IF;
	END LOOP;
	FOR d IN SELECT * FROM telemetry.metric_definition AS p ORDER BY -octet_length(p.name_pattern), p.name COLLATE "C" LOOP
		IF metric LIKE d.name_pattern THEN
			RETURN d;
		END IF;
	END LOOP;
	RETURN NULL;
END $$;

CREATE FUNCTION pg_temp.number(t text) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	t := lower(btrim(t, E' \t\r\n'));
	IF t ~ '^[-+]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)(e[-+]?[0-9]+)?$' THEN
		RETURN replace(t, ',', '.')::float8;
	END IF;
	RETURN CASE WHEN t ~ '^[-+]?inf(inity)?$' OR t = 'nan' THEN t::float8 END;
EXCEPTION WHEN numeric_value_out_of_range THEN
	RETURN NULL;
END $$;

CREATE FUNCTION pg_temp.judge(at bigint, metric text, given telemetry.value, given_unit text) RETURNS wanted LANGUAGE plpgsql STABLE AS $$
DECLARE
	d CONSTANT telemetry.metric_definition := pg_temp.definition(metric);
	kind text := telemetry.kind(given);
	kind_wanted CONSTANT text := CASE d.data_type WHEN 'string' THEN 'text' WHEN 'geolocation' THEN 'geo' ELSE d.data_type END;
	word CONSTANT text := CASE kind WHEN 'text' THEN lower(btrim(given::text, E' \t\r\n')) WHEN 'numeric' THEN given::float8::text END;
	value telemetry.value := given;
	number float8;
	code text;
BEGIN
	IF d.name IS NULL THEN
		RETURN (at, format('%s', given), given_unit, NULL::text);
	END IF;
	IF d.coerce AND kind <> kind_wanted THEN
		IF kind_wanted = 'numeric' AND kind = 'text' THEN
			value := coalesce(pg_temp.number(given::text)::telemetry.value, given);
		ELSIF kind_wanted = 'boolean' AND kind IN ('text', 'numeric') THEN
			value := CASE WHEN kind = 'numeric' AND given::float8 = 0 THEN false::telemetry.value
				WHEN kind = 'numeric' AND word <> '1' THEN given
				WHEN word IN ('true', 'on', 'yes', '1') THEN true::telemetry.value
				WHEN word IN ('false', 'off', 'no', '0') THEN false::telemetry.value
				ELSE given END;
		ELSIF kind_wanted = 'text' AND kind IN ('numeric', 'boolean') THEN
			value := format('%s', given)::telemetry.value;
		END IF;
	END IF;
	kind := telemetry.kind(value);
	number := CASE kind WHEN 'numeric' THEN value::float8 END;
	code := CASE
		WHEN kind <> kind_wanted THEN 'type_mismatch'
		WHEN number = 'NaN' AND num_nonnulls(d.min_value, d.max_value) > 0 THEN 'out_of_range'
		WHEN number < d.min_value OR number > d.max_value THEN 'out_of_range'
		WHEN d.allowed_values IS NOT NULL AND NOT EXISTS (
			SELECT FROM jsonb_array_elements(d.allowed_values) AS a (allowed)
			WHERE CASE kind WHEN 'numeric' THEN (a.allowed #>> '{}')::float8 = number
				WHEN 'text' THEN a.allowed #>> '{}' = value::text COLLATE "C"
				ELSE (a.allowed #>> '{}')::boolean = value::boolean END) THEN 'value_not_allowed'
	END;
	IF code IS NOT NULL THEN
		RETURN (at, NULL::text, NULL::text, code);
	END IF;
	RETURN (at, format('%s', value), coalesce(given_unit, d.unit), NULL::text);
END $$;

CREATE FUNCTION pg_temp.some_value() RETURNS telemetry.value LANGUAGE sql VOLATILE AS $$
	SELECT CASE floor(random() * 10)
		WHEN 0 THEN round((random() * 20 - 10)::numeric, 1)::float8::telemetry.value
		WHEN 1 THEN pg_temp.pick('NaN', 'Infinity', '-Infinity', '-0', '0', '1', '2', '1e300', '-1e-300')::float8::telemetry.value
		WHEN 2 THEN floor(random() * 5)::telemetry.value
		WHEN 3 THEN pg_temp.pick('1', '2', '1,5', ' 2.5 ', E'\t-3', '+4', '.5', '5.', '1e1', '007', 'NaN', 'inf', '-Infinity', '1e400', '1,5,2', '1 2', '--1', '0x1')::telemetry.value
		WHEN 4 THEN pg_temp.pick('true', 'FALSE', 'On', 'off', ' yes ', 'no', '1', '0', 'maybe', 't')::telemetry.value
		WHEN 5 THEN pg_temp.pick('', ' ', 'open', 'closed', 'Open', 'öffen', '{"a": 1}', 'null')::telemetry.value
		WHEN 6 THEN (random() < 0.5)::telemetry.value
		WHEN 7 THEN telemetry.value_in(pg_temp.pick('{"a": 1}', '[1, 2]', '{}', '[]')::cstring)
		WHEN 8 THEN telemetry.value_in(pg_temp.pick('{"$geo": [1, 2]}', '{"$geo": [48.2, 16.4, 170]}')::cstring)
		ELSE telemetry.value_in('{"$binary": "AAE="}')
	END
$$;

-- One that may be written, of a metric or a pattern.
CREATE FUNCTION pg_temp.define(name text, name_pattern text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	type CONSTANT text := pg_temp.pick('numeric', 'numeric', 'numeric', 'string', 'boolean', 'json', 'geolocation', 'binary');
	low CONSTANT float8 := CASE WHEN type = 'numeric' AND random() < 0.5 THEN round((random() * 6 - 5)::numeric, 1) END;
	high CONSTANT float8 := CASE WHEN type = 'numeric' AND random() < 0.5 THEN coalesce(low, 0) + floor(random() * 4) END;
	allowed jsonb;
BEGIN
	IF random() < 0.3 THEN
		allowed := CASE type
			WHEN 'numeric' THEN (SELECT jsonb_agg(floor(random() * 8) / 2 - 1) FROM generate_series(1, 1 + floor(random() * 6)::int))
			WHEN 'string' THEN (SELECT jsonb_agg(pg_temp.pick('', 'open', 'closed', 'öffen', '1', 'true', '2.5')) FROM generate_series(1, 1 + floor(random() * 4)::int))
			WHEN 'boolean' THEN jsonb_build_array(random() < 0.5)
		END;
	END IF;
	DELETE FROM telemetry.metric_definition AS d WHERE d.name = define.name;
	INSERT INTO telemetry.metric_definition (name, name_pattern, data_type, unit, min_value, max_value, allowed_values, coerce)
	VALUES (define.name, define.name_pattern, type, CASE WHEN random() < 0.5 THEN pg_temp.pick('K', '°C', '%') END, low, high, allowed, random() < 0.5);
END $$;

CREATE FUNCTION pg_temp.define_some(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	pattern text;
BEGIN
	FOR i IN 1 .. n LOOP
		IF random() < 0.6 THEN
			PERFORM pg_temp.define(pg_temp.pick('a', 'b', 'ab', 'ba', 'a.b', 'a%', 'c'), NULL);
		ELSE
			pattern := pg_temp.pick('a%', '%b', '_b', 'a.%', '%', 'a\%', '__');
			PERFORM pg_temp.define(pg_temp.pick('x', 'y', 'z', 'b'), pattern);
		END IF;
		IF random() < 0.2 THEN
			DELETE FROM telemetry.metric_definition AS d WHERE d.name = pg_temp.pick('a', 'b', 'x', 'y');
		END IF;
	END LOOP;
END $$;

-- Stores the batch and says what has become of it.
CREATE FUNCTION pg_temp.store(as_json boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE found;
	IF as_json THEN
		PERFORM telemetry.ingest(jsonb_build_object('data_points', (SELECT jsonb_agg(jsonb_build_object(
			'timestamp', to_char(b.ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'metric_name', b.metric, 'value', b.value::jsonb, 'unit', b.unit) ORDER BY b.at) FROM batch AS b)), 'judged', 'batch');
	ELSE
		INSERT INTO telemetry.point (ts, device_id, metric, value, unit)
		SELECT b.ts, b.device_id, b.metric, b.value, b.unit FROM batch AS b ORDER BY b.at;
	END IF;
	INSERT INTO found
	SELECT (e.report ->> 'row')::bigint, NULL, NULL, e.report ->> 'code'
	FROM telemetry.ingest_result() AS r, jsonb_array_elements(r.rows) AS e (report);
	INSERT INTO found
	SELECT b.at, format('%s', p.value), p.unit, NULL
	FROM batch AS b
	JOIN telemetry.point AS p ON p.device_id = b.device_id AND p.metric = b.metric AND p.ts = b.ts;
END $$;

CREATE FUNCTION pg_temp.round(seed int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	as_json boolean;
BEGIN
	PERFORM setseed(seed / 10000.0);
	FOR batch_number IN 1 .. 2 LOOP
		PERFORM pg_temp.define_some(1 + floor(random() * 8)::int);
		as_json := random() < 0.3;
		PERFORM set_config('telemetry.batch_memory', pg_temp.pick('256kB', '16MB'), true);
		TRUNCATE batch, wanted;
		PERFORM telemetry.delete_points('judged', NULL, NULL, NULL);
		INSERT INTO batch
		SELECT row_number() OVER (ORDER BY v.i) - 1, timestamptz '2024-01-01' + v.i * interval '1 s', 'judged', pg_temp.pick('a', 'b', 'ab', 'ba', 'a.b', 'a%', 'c', 'cb', 'other'), v.value,
			CASE WHEN random() < 0.2 THEN 'own' END
		FROM (SELECT i, pg_temp.some_value() AS value FROM generate_series(1, 1 + floor(random() * 400)::int) AS i) AS v
		-- JSON has no such numbers.
		WHERE NOT as_json OR telemetry.kind(v.value) <> 'numeric' OR format('%s', v.value) !~ '[NI]|^-0$';
		CONTINUE WHEN NOT EXISTS (SELECT FROM batch);
		INSERT INTO wanted SELECT j.* FROM batch AS b, pg_temp.judge(b.at, b.metric, b.value, b.unit) AS j;
		PERFORM pg_temp.store(as_json);
		RETURN NEXT is_empty($q$
			(TABLE wanted EXCEPT ALL TABLE found) UNION ALL (TABLE found EXCEPT ALL TABLE wanted)
		$q$, format('seed %s, batch %s: %s values are judged as each by itself', seed, batch_number, (SELECT count(*) FROM batch)));
		INSERT INTO seen SELECT w.code FROM wanted AS w;
	END LOOP;
END $$;

SELECT no_plan();
SELECT pg_temp.round(s) FROM generate_series(:seed, :seed + 29) AS s;
SELECT cmp_ok((SELECT count(*) FROM seen AS s WHERE s.code IS NOT DISTINCT FROM c.code), '>', 150::bigint, 'many are ' || coalesce(c.code, 'stored'))
FROM (VALUES (NULL), ('type_mismatch'), ('out_of_range'), ('value_not_allowed')) AS c (code);
SELECT * FROM finish();
DELETE FROM telemetry.metric_definition;
