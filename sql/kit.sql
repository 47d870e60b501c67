-- What apps are made of: parameters, dates and times, CSV.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'America/New_York';
SET datestyle = 'SQL, DMY';
SET search_path = public, telemetry;

-- texts_of_a_query_string
SELECT value, time_parameter(value) AT TIME ZONE 'UTC' AS time FROM (VALUES ('2026-03-01'), ('2026-03-01T10:00'), ('2026-03-01 10:00:00.25'), ('2026-03-01T10:00:00Z'),
	('2026-03-01T10:00:00+02'), ('2026-03-01T10:00:00-0130'), ('2026-03-01T25:00:00Z'), ('2026-02-30'), ('01/03/2026'), ('now'), (''), (NULL)) AS v (value);
SELECT value, date_parameter(value) = '2026-03-01'::text::date AS is_it FROM (VALUES ('2026-03-01'), ('2026-03-02'), ('2026-02-30'), ('2026-03-01T00:00'), ('today'), (''), (NULL)) AS v (value);
SELECT value, integer_parameter(value, 1, 100) FROM (VALUES ('1'), ('100'), ('007'), ('0'), ('101'), ('-1'), ('+1'), ('1.0'), ('1e1'), ('9999999999'), (''), (NULL)) AS v (value);
SELECT first_day('{}', 'since') = day_of(now()) - 30 AS a_month_ago, last_day('{}', 'until') = day_of(now()) AS today,
	first_day('{"since": "2026-03-01"}', 'since') = last_day('{"until": "2026-03-01"}', 'until') AS given;
-- what_is_wrong_is_told_in_the_dialects_shape
SELECT status, body FROM (VALUES ('{}'), ('{"from": "2026-03-01", "day": "2026-03-01", "limit": "10"}'), ('{"from": "March"}'), ('{"day": "2026-03-01T00:00"}'), ('{"limit": "11"}'),
	('{"limit": "11", "from": "x"}')) AS v (params), check_parameters(v.params::jsonb, '{from,to}', '{day}', '{"limit": [1, 10]}');
-- times_and_csv
SELECT json_time('2026-03-01 10:00:00.1239+01'::text::timestamptz);
SELECT value, csv_field(value) FROM (VALUES ('plain'), ('a,b'), ('say "x"'), ('=1+1'), ('-5'), ('-x'), ('@x'), (E'two\nlines'), (NULL), ('')) AS v (value);
-- Also after blanks, and with signs of full width; numbers stay numbers. Not aligned: how wide some of these are, versions of psql do not agree.
\pset format unaligned
SELECT to_json(value) AS value, to_json(csv_field(value)) AS field
FROM unnest(ARRAY['＝1+1', '＋1', '－1', '＠x', '﹦1', ' =1', E'\u00a0=1', E'\u3000＝1', E' \u00a0\t-x', E'\n=1', E'\ufeff=1', E'\u200b@x', E'\ttab', '+1', ' -1', '-', '-1e-5x', '--1',
	'-1e-5', '-1.5E+10', '-.5', '-5.', '1e5', ' plain', ' a=1', 'a=1', E'x\n=1']) AS v (value);
\pset format aligned
-- readers_and_writers_may_call_it, and nobody else
SELECT p.oid::regprocedure AS function, has_function_privilege('telemetry_reader', p.oid, 'EXECUTE') AS reader, has_function_privilege('telemetry_writer', p.oid, 'EXECUTE') AS writer,
	has_function_privilege('pg_monitor', p.oid, 'EXECUTE') AS other
FROM pg_proc AS p
WHERE p.pronamespace = 'telemetry'::regnamespace
	AND p.proname IN ('check_parameters', 'time_parameter', 'date_parameter', 'integer_parameter', 'first_day', 'last_day', 'json_time', 'csv_field', 'is_restoring')
ORDER BY p.proname;
SET ROLE telemetry_writer;
SELECT first_day('{"since": "2026-03-01"}', 'since') IS NOT NULL AND last_day('{}', 'until') IS NOT NULL AND first_day('{}', 'since') IS NOT NULL AS days,
	(check_parameters('{"day": "x", "limit": "1"}', '{}', '{day}', '{"limit": [1, 10]}')).status;
RESET ROLE;
