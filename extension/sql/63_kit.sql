-- The kit that apps are made of: parameters of a request, times, dates and CSV, for functions that serve routes.

-- Of texts as they come in a query string: null if they are not what they should be.
CREATE FUNCTION telemetry.time_parameter(value text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
BEGIN
	IF value !~ '^[0-9]{4}-[0-9][0-9]-[0-9][0-9]([T ][0-9][0-9]:[0-9][0-9](:[0-9][0-9]([.][0-9]+)?)?(Z|[+-][0-9][0-9](:?[0-9][0-9])?)?)?$' THEN
		RETURN NULL;
	END IF;
	RETURN value::timestamptz;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.time_parameter(text) IS
	'The time of a date or an ISO 8601 time, UTC if it has no zone; null if it is neither.';

CREATE FUNCTION telemetry.date_parameter(value text) RETURNS date
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO'
AS $$
BEGIN
	RETURN CASE WHEN value ~ '^[0-9]{4}-[0-9][0-9]-[0-9][0-9]$' THEN value::date END;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.date_parameter(text) IS 'The date of a text YYYY-MM-DD; null if it is not one.';

CREATE FUNCTION telemetry.integer_parameter(value text, lowest integer, highest integer) RETURNS integer
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE WHEN value ~ '^[0-9]{1,9}$' AND value::integer BETWEEN lowest AND highest THEN value::integer END;
END
$$;
COMMENT ON FUNCTION telemetry.integer_parameter(text, integer, integer) IS 'The number of a text of digits from lowest to highest; else null.';

CREATE FUNCTION telemetry.json_time(value timestamptz) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT to_char(value AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
END;
COMMENT ON FUNCTION telemetry.json_time(timestamptz) IS 'A time as JSON has it: ISO 8601 in UTC with milliseconds.';

-- The first thing that is wrong with params, in the dialect's shape; null if nothing is.
CREATE FUNCTION telemetry.check_parameters(params jsonb, times text[], dates text[], numbers jsonb) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	SELECT v.message INTO wrong
	FROM (
		SELECT 1 AS rank, format('%s must be a date or a time in ISO 8601', t.name) AS message
		FROM unnest(times) AS t (name) WHERE params ? t.name AND telemetry.time_parameter(params ->> t.name) IS NULL
		UNION ALL
		SELECT 2, format('%s must be a date, YYYY-MM-DD', d.name)
		FROM unnest(dates) AS d (name) WHERE params ? d.name AND telemetry.date_parameter(params ->> d.name) IS NULL
		UNION ALL
		SELECT 3, format('%s must be a number from %s to %s', n.key, n.value -> 0, n.value -> 1)
		FROM jsonb_each(numbers) AS n
		WHERE params ? n.key AND telemetry.integer_parameter(params ->> n.key, (n.value ->> 0)::integer, (n.value ->> 1)::integer) IS NULL
	) AS v
	ORDER BY v.rank LIMIT 1;
	IF wrong IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN telemetry.http_problem(params ->> 'dialect', 400, 'VALIDATION_ERROR', wrong);
END
$$;
COMMENT ON FUNCTION telemetry.check_parameters(jsonb, text[], text[], jsonb) IS
	'Of the http_ functions: the failure to answer if a parameter that is named here is there and not a time, a date, or a '
	'number within {name: [lowest, highest]}; null if all are as they should be.';

-- Lists come in pages: limit and offset.
CREATE FUNCTION telemetry.check_page(params jsonb, times text[] DEFAULT '{}') RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.status, c.body, c.content_type
	FROM telemetry.check_parameters(params, times, '{}', '{"limit": [1, 1000], "offset": [0, 1000000]}') AS c
	WHERE c.status IS NOT NULL;
END;
COMMENT ON FUNCTION telemetry.check_page(jsonb, text[]) IS
	'As telemetry.check_parameters(), of what telemetry.page_limit() and page_offset() take, and of times.';

CREATE FUNCTION telemetry.page_limit(params jsonb) RETURNS integer
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(telemetry.integer_parameter(params ->> 'limit', 1, 1000), 100);
END;
COMMENT ON FUNCTION telemetry.page_limit(jsonb) IS 'How many items of a list are asked for: limit of params, from 1 to 1000, or 100.';
CREATE FUNCTION telemetry.page_offset(params jsonb) RETURNS integer
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(telemetry.integer_parameter(params ->> 'offset', 0, 1000000), 0);
END;
COMMENT ON FUNCTION telemetry.page_offset(jsonb) IS 'How many items of a list come before those that are asked for: offset of params, from 0 to 1000000, or 0.';
CREATE FUNCTION telemetry.page_answer(params jsonb, name text, items jsonb, count bigint, members jsonb DEFAULT '{}') RETURNS telemetry.http_response
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT 200, jsonb_build_object(name, coalesce(items, '[]'), 'count', count, 'limit', telemetry.page_limit(params), 'offset', telemetry.page_offset(params))
		|| members, NULL::text;
END;
COMMENT ON FUNCTION telemetry.page_answer(jsonb, text, jsonb, bigint, jsonb) IS
	'The answer with a page of a list: 200 {name: items, an array, null: none, "count", "limit", "offset" of params, and members}.';

-- A field of CSV (RFC 4180). What a spreadsheet would take for a formula is made a text: it skips blanks before the sign, and
-- where East Asian languages are written knows signs of full width, too.
CREATE FUNCTION telemetry.csv_field(value text) RETURNS text
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
		WHEN value IS NULL THEN ''
		WHEN value ~ '^[\s\u0085\u00A0\u1680\u180E\u2000-\u200F\u2028-\u202F\u205F-\u2064\u3000\uFEFF]*[-=+@\uFE62\uFE63\uFE66\uFE6B\uFF0B\uFF0D\uFF1D\uFF20]|^[\t\r\n]'
			AND value !~ '^-?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?$' THEN '"''' || replace(value, '"', '""') || '"'
		WHEN value ~ E'[",\r\n]' THEN '"' || replace(value, '"', '""') || '"'
		ELSE value
	END;
END;
COMMENT ON FUNCTION telemetry.csv_field(text) IS
	'A text as a field of CSV, quoted if need be; one that begins like a formula, also after blanks and with signs of full width, gets an '
	'apostrophe before it. A number does not.';

CREATE FUNCTION telemetry.first_day(params jsonb, name text) RETURNS date
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT coalesce(telemetry.date_parameter(params ->> name), telemetry.day_of(now()) - 30);
END;
COMMENT ON FUNCTION telemetry.first_day(jsonb, text) IS 'A date of params, or 30 days ago.';
CREATE FUNCTION telemetry.last_day(params jsonb, name text) RETURNS date
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT coalesce(telemetry.date_parameter(params ->> name), telemetry.day_of(now()));
END;
COMMENT ON FUNCTION telemetry.last_day(jsonb, text) IS 'A date of params, or today.';

REVOKE ALL ON FUNCTION telemetry.check_parameters(jsonb, text[], text[], jsonb),
	telemetry.check_page(jsonb, text[]), telemetry.page_limit(jsonb), telemetry.page_offset(jsonb),
	telemetry.page_answer(jsonb, text, jsonb, bigint, jsonb),
	telemetry.time_parameter(text), telemetry.date_parameter(text), telemetry.integer_parameter(text, integer, integer),
	telemetry.json_time(timestamptz), telemetry.csv_field(text), telemetry.first_day(jsonb, text), telemetry.last_day(jsonb, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.check_parameters(jsonb, text[], text[], jsonb),
	telemetry.check_page(jsonb, text[]), telemetry.page_limit(jsonb), telemetry.page_offset(jsonb),
	telemetry.page_answer(jsonb, text, jsonb, bigint, jsonb),
	telemetry.time_parameter(text), telemetry.date_parameter(text), telemetry.integer_parameter(text, integer, integer),
	telemetry.json_time(timestamptz), telemetry.csv_field(text), telemetry.first_day(jsonb, text), telemetry.last_day(jsonb, text)
	TO telemetry_reader, telemetry_writer;
