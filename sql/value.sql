-- telemetry.value: text and binary forms, casts, accessors, order and hash.
-- Expects a database in UTF8, and a server that may write to /tmp.
\set VERBOSITY terse
SET extra_float_digits = 1;
SET search_path = telemetry, public;

-- What a statement fails with: version-proof, for it leaves out the detail.
CREATE FUNCTION pg_temp.failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN sqlstate || ' ' || sqlerrm || CASE WHEN hint <> '' THEN E'\n' || hint ELSE '' END;
END
$$;

-- The input function, for text that is not a literal.
CREATE FUNCTION pg_temp.read(form text) RETURNS telemetry.value LANGUAGE plpgsql AS $$
DECLARE
	result telemetry.value;
BEGIN
	EXECUTE format('SELECT %L::telemetry.value', form) INTO result;
	RETURN result;
END
$$;

-- text_form_is_json
SELECT form, pg_temp.read(form) AS value, kind(pg_temp.read(form)), length(value_send(pg_temp.read(form)))
FROM unnest(ARRAY[
	'25.5', '-0', '0', '1e3', '-1.5E-7', '  42  ', '123456789012345678901234567890', '0.1', '4.9e-324',
	'1e-400', '-1e-400', '1.7976931348623157e308', 'NaN', 'nan', 'Infinity', '-INFINITY',
	'"open"', '""', E'"tab\\tquote\\"slash\\/\\u0041\\u00e9"', '"25.5"', '"null"', E'\n"x"\t', 'true', ' false ',
	'{"b":1, "a":[true,null]}', '[1,2]', '{}', '[]', '{"$geo":[1,2],"x":1}',
	'{"$geo":[52.1,5.2]}', '{"$geo":[-90,180,-3.5]}', '{"$geo":[-0,0,0]}',
	'{"$binary":"3q0="}', '{"$binary":""}']) AS form;

-- bad_text_is_refused_with_a_reason
SELECT form, pg_temp.failure(format('SELECT %L::telemetry.value', form))
FROM unnest(ARRAY[
	'open', '', ' ', 'null', '1e400', '-1e400', '007', '+1', '.5', '1.', '1e', '-', '1 2', '0x10', '1_000', 'nanx', 'inf', '-nan',
	'True', 'truex', '"open', '"a" b', E'"\\u0000"', E'"\\x"', E'"a\nb"', '{"a":1', '[1e999999]',
	'{"$geo":[91,0]}', '{"$geo":[-90.01,0]}', '{"$geo":[0,180.5]}', '{"$geo":[0,-181]}', '{"$geo":[1]}', '{"$geo":[1,2,3,4]}',
	'{"$geo":["1","2"]}', '{"$geo":[0,0,null]}', '{"$geo":[0,0,1e400]}', '{"$geo":{"lat":1}}', '{"$geo":null}',
	'{"$binary":"3q0"}', '{"$binary":"%"}', '{"$binary":7}',
	'this is a text much longer than an error message should quote, so its end is cut']) AS form;

-- casts_to_value
SELECT 25.5::float8::value AS f8, 0.1::float4::value AS f4, 1::int2::value AS i2, (-7)::int4::value AS i4,
	9007199254740993::int8::value AS i8, 12345678901234567890.5::numeric::value AS n, 'NaN'::numeric::value AS nan;
SELECT '25.5'::text::value AS t, 'a'::varchar(5)::value AS v, 'a'::char(5)::value AS c, 'a'::name::value AS name,
	true::value AS b, '\xdead'::bytea::value AS binary;
SELECT j, j::value AS value, kind(j::value) FROM unnest(ARRAY[
	'1.50', '"a"', 'true', '{"a": 1}', '[]', '{"$geo": [1, 2]}', '{"$binary": "3q0="}']::jsonb[]) AS j;
SELECT '1e-400'::jsonb::value AS from_jsonb, 1e-400::numeric::value AS from_numeric;
SELECT pg_temp.failure(statement) FROM unnest(ARRAY[
	'SELECT ''null''::jsonb::telemetry.value', 'SELECT ''1e400''::jsonb::telemetry.value',
	'SELECT ''{"$geo": [100, 0]}''::jsonb::telemetry.value', 'SELECT (10::numeric ^ 400)::telemetry.value']) AS statement;

-- casts_from_value
SELECT '2.5'::value::float8 AS f8, '2.5'::value::float4 AS f4, '2.5'::value::int2 AS i2, '3.5'::value::int4 AS i4,
	'-1e15'::value::int8 AS i8, '2.5'::value::numeric AS n, 'true'::value::boolean AS b, '{"$binary":"3q0="}'::value::bytea AS binary;
SELECT v, v::text AS text, v::varchar(3) AS varchar, v::char(3) AS char, v::name AS name, v::jsonb AS jsonb, v::json AS json
FROM unnest(ARRAY['25.5', 'NaN', '1e-7', '"op\"en"', 'true', '[1,2]', '{"$geo":[1,2]}', '{"$binary":"3q0="}']::value[]) AS v;
SELECT pg_temp.failure(statement) FROM unnest(ARRAY[
	'SELECT ''"1"''::telemetry.value::float8', 'SELECT ''true''::telemetry.value::int4', 'SELECT ''1''::telemetry.value::boolean',
	'SELECT ''{}''::telemetry.value::bytea', 'SELECT ''1e10''::telemetry.value::int4', 'SELECT ''NaN''::telemetry.value::int8',
	'SELECT ''{"$geo":[1,2]}''::telemetry.value::numeric']) AS statement;

-- a_row_as_json_holds_values_as_json
SELECT to_jsonb(r) AS jsonb, row_to_json(r) AS json
FROM (SELECT '1.5'::value AS a, '"x"'::value AS b, '{"c":[1]}'::value AS c, 'NaN'::value AS d) AS r;

-- only_assignment_casts_happen_unasked
CREATE TEMP TABLE assigned (v telemetry.value);
INSERT INTO assigned VALUES (1), (2.5), (3::float8), ('4'::text), (true), ('\x05'::bytea), ('{"a":6}'::jsonb), ('7');
SELECT v, kind(v) FROM assigned;
CREATE TEMP TABLE assigned_float (f float8, t text);
INSERT INTO assigned_float (f) SELECT v FROM assigned WHERE kind(v) = 'numeric';
SELECT f FROM assigned_float;
-- The server would make text of the text form here, quotes and all, if it were let.
INSERT INTO assigned_float (t) SELECT v FROM assigned;
SELECT upper(v) FROM assigned;

-- no_string_type_is_left_to_automatic_casts
SELECT typname FROM pg_type
WHERE typcategory = 'S' AND typtype = 'b' AND typnamespace = 'pg_catalog'::regnamespace AND typname <> 'char'
	AND NOT (EXISTS (SELECT FROM pg_cast WHERE castsource = pg_type.oid AND casttarget = 'telemetry.value'::regtype)
		AND EXISTS (SELECT FROM pg_cast WHERE casttarget = pg_type.oid AND castsource = 'telemetry.value'::regtype));

-- accessors
SELECT v, num(v), latitude(v), longitude(v), altitude(v)
FROM (VALUES (geo(52.1, 5.2)), (geo(-0.0, 5.2, 10)), ('7'), ('"7"'), ('NaN'), (NULL)) AS t (v);
SELECT geo(NULL, 1) IS NULL AS no_latitude, geo(1, NULL, 1) IS NULL AS no_longitude;
SELECT pg_temp.failure(statement) FROM unnest(ARRAY[
	'SELECT telemetry.geo(90.1, 0)', 'SELECT telemetry.geo(0, ''NaN'')', 'SELECT telemetry.geo(0, 0, ''NaN'')',
	'SELECT telemetry.geo(0, 0, ''Infinity'')']) AS statement;

-- order_is_kind_then_content
SELECT string_agg(v::text, '  ' ORDER BY v) FROM unnest(ARRAY[
	'{"$binary":"AQ=="}', '{"$binary":""}', '{"$geo":[1,2]}', '{"$geo":[1,2,-5]}', '{"$geo":[-1,9]}', '[1]', '"b"', '"ab"', '"a"', '""',
	'true', 'false', 'NaN', 'Infinity', '-Infinity', '2', '10', '-3']::value[]) AS v;
SELECT value '-0' = value '0' AS zeros, value 'NaN' = value 'NaN' AS nans, value '1' = value '"1"' AS kinds,
	value '1' <> value '2' AS ne, value '1' < value '2' AS lt, value '2' <= value '2' AS le, value '2' > value '10' AS gt, value 'NaN' >= value 'Infinity' AS ge;

-- hash_follows_equality
SELECT value_hash('0') = value_hash('-0') AS zeros, value_hash('NaN') = value_hash((-'NaN'::float8)::value) AS nans,
	value_hash_extended('0', 7) = value_hash_extended('-0', 7) AS seeded, value_hash_extended('0', 7) <> value_hash_extended('0', 8) AS seeds,
	value_hash('"a"') <> value_hash('{"$binary":"YQ=="}') AS kinds;
SELECT count(*) FILTER (WHERE value_hash_extended(v, 0) & 4294967295 <> value_hash(v)::bigint & 4294967295) AS halves_that_differ
FROM generate_series(1, 100) AS n, unnest(ARRAY[n::value, n::text::value, geo(n - 50, n), (n > 50)::value]) AS v;

-- values_sort_group_join_and_index
CREATE TEMP TABLE many AS SELECT n, CASE n % 3 WHEN 0 THEN (n % 100)::value WHEN 1 THEN (n % 100)::text::value ELSE geo(n % 50, 0) END AS v
	FROM generate_series(1, 3000) AS n;
SELECT count(DISTINCT v) FROM many;
SET enable_hashagg = off;
SELECT count(*) FROM (SELECT v FROM many GROUP BY v) AS t;
RESET enable_hashagg;
SET enable_sort = off;
SELECT count(*) FROM (SELECT v FROM many GROUP BY v) AS t;
RESET enable_sort;
CREATE INDEX ON many (v);
ANALYZE many;
SET enable_seqscan = off; SET enable_bitmapscan = off;
SELECT count(*) FROM many WHERE v >= '10' AND v < '20';
SELECT count(*) FROM many AS a JOIN (SELECT DISTINCT v FROM many) AS b USING (v);
RESET enable_seqscan; RESET enable_bitmapscan;
CREATE TEMP TABLE hashed (v telemetry.value) PARTITION BY HASH (v);
CREATE TEMP TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TEMP TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO hashed SELECT v FROM many;
SELECT count(*) FROM hashed WHERE v = '3';

-- numbers_are_read_to_the_last_bit
SELECT setseed(0.4);
CREATE TEMP TABLE decimal AS
SELECT CASE WHEN random() < 0.3 THEN '-' ELSE '' END || (random() * 10 ^ (random() * 15))::bigint
	|| CASE WHEN random() < 0.7 THEN '.' || lpad((random() * 10 ^ (random() * 15))::bigint::text, (1 + random() * 20)::int, '0') ELSE '' END
	|| CASE WHEN random() < 0.4 THEN (ARRAY['e', 'E'])[1 + (random() < 0.5)::int] || (ARRAY['', '+', '-'])[1 + (random() * 2)::int]
		|| (10 ^ (random() * 2.4))::int ELSE '' END AS form
FROM generate_series(1, 5000);
SELECT count(*) AS read, count(*) FILTER (WHERE float8send(pg_temp.read(form)::float8) <> float8send(form::float8)) AS wrong FROM decimal;

-- text_and_binary_forms_read_back_equal
CREATE TEMP TABLE sample AS
SELECT random() AS place, v FROM (
	SELECT (random() - 0.5) * 10 ^ (random() * 600 - 300) FROM generate_series(1, 500)
	UNION ALL SELECT unnest(ARRAY['NaN', 'Infinity', '-Infinity', '-0', '5e-324', '1.7976931348623157e308']::float8[])
	) AS number (f), LATERAL (SELECT f::value) AS t (v)
UNION ALL SELECT random(), (random() > 0.5)::value FROM generate_series(1, 4)
UNION ALL SELECT random(), (SELECT string_agg(chr(1 + (random() * CASE WHEN random() < 0.8 THEN 126 ELSE 50000 END)::int), '')
	FROM generate_series(1, n % 40))::value FROM generate_series(1, 500) AS n
UNION ALL SELECT random(), decode(left(md5(random()::text), n % 17 * 2), 'hex')::value FROM generate_series(1, 300) AS n
UNION ALL SELECT random(), geo(random() * 180 - 90, random() * 360 - 180, CASE WHEN n % 2 = 0 THEN random() * 9000 - 500 END)
	FROM generate_series(1, 300) AS n
UNION ALL SELECT random(), jsonb_build_object(md5(random()::text), random(), chr((33 + random() * 90)::int), array_fill(n::text, ARRAY[n % 5]))::value
	FROM generate_series(1, 300) AS n;
SELECT kind(v), count(*), count(*) FILTER (WHERE r = v AND value_send(r) = value_send(v)) AS text,
	count(*) FILTER (WHERE kind(v) = 'numeric' AND v::float8 BETWEEN '-1e308' AND '1e308' OR v::jsonb::value = v) AS jsonb
FROM sample, LATERAL (SELECT pg_temp.read(value_out(v)::text)) AS t (r) WHERE v IS NOT NULL GROUP BY 1 ORDER BY 1;

\set file `mktemp -u /tmp/telemetry_value.XXXXXX`
CREATE TEMP TABLE sample_back (LIKE sample);
COPY sample TO :'file' (FORMAT binary);
COPY sample_back FROM :'file' (FORMAT binary);
SELECT count(*) AS copied, count(*) FILTER (WHERE a.v = b.v AND value_send(a.v) = value_send(b.v) OR a.v IS NULL AND b.v IS NULL) AS equal
FROM sample AS a JOIN sample_back AS b USING (place);
TRUNCATE sample_back;
COPY sample TO :'file' (FORMAT csv);
COPY sample_back FROM :'file' (FORMAT csv);
SELECT count(*) AS copied, count(*) FILTER (WHERE a.v = b.v OR a.v IS NULL AND b.v IS NULL) AS equal
FROM sample AS a JOIN sample_back AS b USING (place);

-- received_bytes_are_not_trusted
SELECT set_config('test.file', :'file', false) = :'file' AS set;
CREATE TEMP TABLE received (v telemetry.value);
CREATE FUNCTION pg_temp.receive(message bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('test.file');
	object oid := lo_from_bytea(0, '\x5047434f50590aff0d0a0000000000000000000001'::bytea
		|| int4send(length(message)) || message || '\xffff');
	result telemetry.value;
BEGIN
	PERFORM lo_export(object, file), lo_unlink(object);
	DELETE FROM received;
	EXECUTE format('COPY received FROM %L (FORMAT binary)', file);
	SELECT v INTO STRICT result FROM received;
	IF result <> pg_temp.read(value_out(result)::text) THEN
		RETURN 'does not read back';
	END IF;
	RETURN kind(result) || ' ' || value_out(result)::text;
EXCEPTION WHEN data_exception THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;
SELECT message, pg_temp.receive(message) FROM unnest(ARRAY[
	'', '\x00', '\x07', '\xff00', '\x01', '\x013ff00000000000', '\x013ff0000000000000', '\x013ff000000000000000', '\x01fff8000000000001',
	'\x02', '\x026f70656e', '\x02610062', '\x02ff', '\x02c3', '\x02eda080', '\x02c3a9',
	'\x03', '\x0300', '\x0301', '\x0302', '\x030100',
	'\x04', '\x047b7d', '\x047b', '\x046e756c6c', '\x0431', '\x04' || convert_to('"x"', 'UTF8'), '\x04' || convert_to('{"b":1,"a":2}', 'UTF8'),
	'\x047b7d00', '\x0422ff22', '\x04' || convert_to('{"$geo":[1,2]}', 'UTF8'), '\x04' || convert_to('{"$geo":[91,2]}', 'UTF8'),
	'\x04' || convert_to('1e400', 'UTF8'), '\x04' || convert_to('"\u0000"', 'UTF8'), '\x04' || convert_to('{"a" 1}', 'UTF8'),
	'\x05', '\x05' || float8send(1), '\x05' || float8send(1) || float8send(2), '\x05' || float8send(-0.0) || float8send(2) || float8send(3),
	'\x05' || float8send(1) || float8send(2) || float8send('NaN'), '\x05' || float8send(90.5) || float8send(2), '\x05' || float8send('NaN') || float8send(2),
	'\x05' || float8send(0) || float8send('-Infinity'), '\x05' || float8send(1) || float8send(2) || '\x00',
	'\x06', '\x0600ff']::bytea[]) AS message;
SELECT left(pg_temp.receive(set_byte(decode(left(md5(random()::text), 2 + n % 15 * 2), 'hex'), 0, n % 8)), 5) IN
	('22P03', 'numer', 'text ', 'boole', 'json ', 'geo {', 'binar') AS sound, count(*)
FROM generate_series(1, 400) AS n GROUP BY 1;
SET client_encoding = 'LATIN1';
SELECT pg_temp.receive('\x02e9') = 'text "' || chr(233) || '"' AS latin1_is_converted, value_send('"\u00e9"') AS latin1_is_sent;
RESET client_encoding;
\set remove 'rm -f ' :file
COPY received FROM PROGRAM :'remove';

-- the_type_is_documented
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE (p.prorettype = 'telemetry.value'::regtype OR 'telemetry.value'::regtype = ANY (p.proargtypes::oid[]))
	AND p.pronamespace = 'telemetry'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT castsource::regtype, casttarget::regtype FROM pg_cast AS c
WHERE 'telemetry.value'::regtype IN (castsource, casttarget) AND obj_description(c.oid, 'pg_cast') IS NULL;
SELECT obj_description('telemetry.value'::regtype, 'pg_type') IS NOT NULL AS described;

-- roles
SELECT rolname, rolcanlogin, has_schema_privilege(rolname, 'telemetry', 'USAGE') AS usage, has_schema_privilege(rolname, 'telemetry', 'CREATE') AS "create",
	pg_has_role('telemetry_admin', oid, 'MEMBER') AS admin_has
FROM pg_roles WHERE rolname IN ('telemetry_reader', 'telemetry_writer', 'telemetry_admin') ORDER BY 1;
