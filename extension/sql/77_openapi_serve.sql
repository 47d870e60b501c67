-- The document and the page over HTTP. Anybody may ask for them, and they take a while to make, so what was made last is
-- kept, with the version of what it was made of.

CREATE TABLE telemetry.openapi_state (
	form text COLLATE "C" PRIMARY KEY
		CONSTRAINT form_is_document_or_page CHECK (form IN ('document', 'page')),
	version text NOT NULL,
	body jsonb NOT NULL
);
COMMENT ON TABLE telemetry.openapi_state IS
	'What GET /openapi.json and /docs answered last: two rows. Read telemetry.openapi().';
COMMENT ON COLUMN telemetry.openapi_state.form IS 'document or page.';
COMMENT ON COLUMN telemetry.openapi_state.version IS 'What telemetry.openapi_version() was then; it is not answered when that has changed.';
COMMENT ON COLUMN telemetry.openapi_state.body IS 'The document, or the page as a text.';
INSERT INTO telemetry.openapi_state (form, version, body) VALUES ('document', '', 'null'), ('page', '', 'null');

CREATE FUNCTION telemetry.openapi_version() RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT md5(concat_ws(E'\n\n',
		-- Of examples.
		date_trunc('hour', now() AT TIME ZONE 'UTC'),
		(SELECT string_agg(concat_ws(E'\t', r::text, to_regprocedure(r.function)::oid, obj_description(to_regprocedure(r.function), 'pg_proc')), E'\n' ORDER BY r.method, r.path)
			FROM telemetry.route AS r),
		(SELECT string_agg(d::text, E'\n' ORDER BY d.name) FROM telemetry.dialect AS d),
		(SELECT string_agg(s::text, E'\n' ORDER BY s.name) FROM telemetry.stream AS s),
		(SELECT string_agg(f::text, E'\n' ORDER BY f.stream, f.field) FROM telemetry.stream_field AS f),
		(SELECT string_agg(concat_ws(E'\t', e.extname, e.extversion, obj_description(e.oid, 'pg_extension')), E'\n' ORDER BY e.extname)
			FROM pg_extension AS e WHERE e.extname = 'telemetry' OR e.extname IN (SELECT r.app FROM telemetry.route AS r))));
END;
COMMENT ON FUNCTION telemetry.openapi_version() IS
	'Changes with all that telemetry.openapi() is made of, at each full hour for instance.';

CREATE FUNCTION telemetry.stored_openapi(form text) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
<<made>>
DECLARE
	version CONSTANT text := telemetry.openapi_version();
	body jsonb := (SELECT s.body FROM telemetry.openapi_state AS s WHERE s.form = stored_openapi.form AND s.version = made.version);
BEGIN
	IF body IS NOT NULL THEN
		RETURN body;
	END IF;
	body := CASE stored_openapi.form WHEN 'page' THEN to_jsonb(telemetry.docs(telemetry.stored_openapi('document'))) ELSE telemetry.openapi() END;
	-- Nobody waits for another who stores it, and it is not stored if it has changed meanwhile.
	IF NOT current_setting('transaction_read_only')::boolean AND current_setting('transaction_isolation') = 'read committed'
		AND telemetry.openapi_version() = version
	THEN
		UPDATE telemetry.openapi_state AS s
		SET version = made.version, body = made.body
		WHERE s.form = (SELECT l.form FROM telemetry.openapi_state AS l WHERE l.form = stored_openapi.form FOR UPDATE SKIP LOCKED);
	END IF;
	RETURN body;
END
$$;
COMMENT ON FUNCTION telemetry.stored_openapi(text) IS
	'telemetry.openapi() (form document), or telemetry.docs() of it as a text (page), from telemetry.openapi_state if nothing that it is made of has changed; else '
	'it is made, and stored there if this transaction may write.';

CREATE FUNCTION telemetry.http_openapi(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT 200, telemetry.stored_openapi('document'), NULL::text;
END;
COMMENT ON FUNCTION telemetry.http_openapi(jsonb, jsonb) IS 'GET of telemetry.openapi().';

CREATE FUNCTION telemetry.http_docs(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT 200, telemetry.stored_openapi('page'), 'text/html; charset=utf-8';
END;
COMMENT ON FUNCTION telemetry.http_docs(jsonb, jsonb) IS 'GET of telemetry.docs() of telemetry.openapi(): a page.';

CREATE FUNCTION telemetry.initialise_openapi_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
		('GET', '/openapi.json', 'This interface as an OpenAPI document.', 'telemetry', 'telemetry.http_openapi(jsonb, jsonb)'),
		('GET', '/docs', 'This interface as a page.', 'telemetry', 'telemetry.http_docs(jsonb, jsonb)')
	ON CONFLICT (method, path) DO NOTHING;
END;
COMMENT ON FUNCTION telemetry.initialise_openapi_routes() IS
	'Of telemetry.initialise(): the routes of the documentation, as far as they are not there.';

REVOKE ALL ON FUNCTION telemetry.openapi_version(), telemetry.stored_openapi(text), telemetry.http_openapi(jsonb, jsonb), telemetry.http_docs(jsonb, jsonb),
	telemetry.initialise_openapi_routes() FROM PUBLIC;
GRANT SELECT ON telemetry.openapi_state TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.http_openapi(jsonb, jsonb), telemetry.http_docs(jsonb, jsonb) TO telemetry_reader, telemetry_writer;
