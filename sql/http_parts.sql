-- Answers in parts: telemetry.http_parts().
\set VERBOSITY terse
SET search_path = telemetry, public;

INSERT INTO dialect (name, description) VALUES ('parts', 'For this test.');

-- Asks for what a function says by a route of its name; md5 and length tell whether nothing is lost where parts meet.
CREATE FUNCTION pg_temp.route(function text, method text DEFAULT 'GET') RETURNS void LANGUAGE sql AS
	$$ INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES (method, '/' || function, 'For this test.', 'parts', 'public.' || function || '(jsonb, jsonb)') $$;
CREATE FUNCTION pg_temp.parts(path text, OUT heads text[], OUT n bigint, OUT longest integer, OUT length bigint, OUT md5 text) LANGUAGE sql AS $$
	SELECT array_agg(concat_ws(' ', p.status, p.content_type)) FILTER (WHERE p.status IS NOT NULL OR p.content_type IS NOT NULL), count(*), max(octet_length(p.body)),
		sum(octet_length(p.body)), md5(string_agg(p.body, ''))
	FROM telemetry.http_parts('GET /' || path, '{"n": 20000}') AS p $$;

-- rows_become_parts_of_64_kB, in their order, whatever the function is written in; the first row alone says what the answer is
CREATE FUNCTION public.by_sql(params jsonb, body jsonb) RETURNS SETOF http_part LANGUAGE sql STABLE AS
	$$ SELECT 200, 'text/plain', 'line ' || i || E'\n' FROM generate_series(1, (params ->> 'n')::integer) AS i $$;
CREATE FUNCTION public.by_plpgsql(params jsonb, body jsonb) RETURNS SETOF http_part LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN NEXT (201, 'text/plain', NULL)::telemetry.http_part;
	RETURN QUERY SELECT NULL::integer, NULL::text, 'line ' || i || E'\n' FROM generate_series(1, (params ->> 'n')::integer) AS i;
END
$$;
SELECT pg_temp.route('by_sql'), pg_temp.route('by_plpgsql');
SELECT p.*, p.md5 = (SELECT md5(string_agg('line ' || i || E'\n', '' ORDER BY i)) FROM generate_series(1, 20000) AS i) AS is_whole
FROM (VALUES ('by_sql'), ('by_plpgsql')) AS v (path), pg_temp.parts(v.path) AS p;

-- an_answer_at_once_is_cut, never within a character; a text goes without quotes
CREATE FUNCTION public.at_once(params jsonb, body jsonb) RETURNS http_response LANGUAGE sql STABLE AS
	$$ SELECT 200, jsonb_build_object('a', repeat('€', 50000)), NULL $$;
CREATE FUNCTION public.as_text(params jsonb, body jsonb) RETURNS http_response LANGUAGE sql STABLE AS
	$$ SELECT 200, to_jsonb('"' || repeat('x€', 50000)), 'text/csv; charset=utf-8' $$;
SELECT pg_temp.route('at_once'), pg_temp.route('as_text');
SELECT p.*, p.md5 = v.md5 AS is_whole
FROM (VALUES ('at_once', md5(jsonb_build_object('a', repeat('€', 50000))::text)), ('as_text', md5('"' || repeat('x€', 50000)))) AS v (path, md5), pg_temp.parts(v.path) AS p;

-- one_long_row_is_cut_too, and an answer may be empty
CREATE FUNCTION public.long_row(params jsonb, body jsonb) RETURNS SETOF http_part LANGUAGE sql STABLE AS
	$$ SELECT 200, NULL, repeat('é', 100000) UNION ALL SELECT NULL, NULL, '.' $$;
CREATE FUNCTION public.empty_body(params jsonb, body jsonb) RETURNS SETOF http_part LANGUAGE sql STABLE AS $$ SELECT 204, NULL, NULL $$;
SELECT pg_temp.route('long_row'), pg_temp.route('empty_body');
SELECT p.* FROM (VALUES ('long_row'), ('empty_body')) AS v (path), pg_temp.parts(v.path) AS p;

-- rows_are_asked_for_as_parts_are_taken: the division by zero lies behind what is fetched
CREATE FUNCTION public.fails_late(params jsonb, body jsonb) RETURNS SETOF http_part LANGUAGE sql STABLE AS
	$$ SELECT 200, NULL, repeat('x', 1000) || 1 / (500 - i) FROM generate_series(1, 1000) AS i $$;
SELECT pg_temp.route('fails_late');
BEGIN;
DECLARE answer CURSOR FOR SELECT length((p.part).body) FROM (SELECT http_parts('GET /fails_late', '{}') AS part) AS p;
FETCH 3 FROM answer;
CLOSE answer;
COMMIT;
SELECT count(*) FROM (SELECT http_parts('GET /fails_late', '{}') AS part LIMIT 2) AS p;
SELECT count(*) FROM http_parts('GET /fails_late', '{}');

-- what_is_no_answer_is_an_error
CREATE FUNCTION public.no_part(params jsonb, body jsonb) RETURNS SETOF http_part LANGUAGE sql STABLE AS $$ SELECT 200, NULL, NULL WHERE false $$;
CREATE FUNCTION public.no_status(params jsonb, body jsonb) RETURNS SETOF http_part LANGUAGE sql STABLE AS $$ SELECT NULL::integer, NULL, 'x' $$;
CREATE FUNCTION public.null_answer(params jsonb, body jsonb) RETURNS http_response LANGUAGE sql STABLE AS $$ SELECT NULL::telemetry.http_response $$;
SELECT pg_temp.route('no_part'), pg_temp.route('no_status'), pg_temp.route('null_answer');
SELECT * FROM http_parts('GET /no_part', '{}');
SELECT * FROM http_parts('GET /no_status', '{}');
SELECT * FROM http_parts('GET /null_answer', '{}');
SELECT * FROM http_parts('GET /nowhere', '{}');
SELECT * FROM http_parts(NULL, '{}');

-- only_what_reads_answers_in_parts, and not by http_call()
SELECT pg_temp.route('by_sql', 'POST');
UPDATE route SET method = 'POST' WHERE path = '/by_sql';
SELECT * FROM http_call('GET /by_sql', '{"n": 1}');
SELECT r.route ->> 'path' AS path, r.route ->> 'kind' AS kind FROM jsonb_array_elements(http_routes() -> 'routes') AS r (route)
WHERE r.route ->> 'path' IN ('/by_sql', '/at_once') ORDER BY 1;

-- the_function_runs_as_its_owner from the first row to the last, and without the caller's search path
CREATE ROLE parts_owner IN ROLE telemetry_reader;
CREATE ROLE parts_caller IN ROLE telemetry_reader;
CREATE SCHEMA parts AUTHORIZATION parts_owner;
SET ROLE parts_owner;
CREATE FUNCTION parts.who(params jsonb, body jsonb) RETURNS SETOF telemetry.http_part LANGUAGE sql STABLE AS
	$$ SELECT 200, NULL, current_user || ' ' || current_setting('search_path') || repeat('.', 70000) || E'\n' FROM generate_series(1, 3) $$;
RESET ROLE;
INSERT INTO route (method, path, description, dialect, function) VALUES ('GET', '/who', 'For this test.', 'parts', 'parts.who(jsonb, jsonb)');
SET ROLE parts_caller;
SELECT current_user, count(*), regexp_replace(string_agg((p.part).body, ''), '[.]+', '', 'g') FROM (SELECT telemetry.http_parts('GET /who', '{}') AS part) AS p;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION parts.who FROM PUBLIC;
SET ROLE parts_caller;
SELECT count(*) FROM telemetry.http_parts('GET /who', '{}');
RESET ROLE;

DELETE FROM dialect WHERE name = 'parts';
DROP SCHEMA parts CASCADE;
DROP ROLE parts_owner, parts_caller;
DROP FUNCTION public.by_sql, public.by_plpgsql, public.at_once, public.as_text, public.long_row, public.empty_body, public.fails_late, public.no_part, public.no_status, public.null_answer;
