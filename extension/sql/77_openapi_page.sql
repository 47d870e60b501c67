-- The OpenAPI document as a page to read: HTML without scripts, which fetches nothing. All that comes from the document is
-- escaped; links within the page are to names of the document's own, encoded.

CREATE FUNCTION telemetry.html(value text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT replace(replace(replace(replace(replace(value, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
END;
COMMENT ON FUNCTION telemetry.html(text) IS 'A text as part of HTML, of an attribute in quotes, too.';

CREATE FUNCTION telemetry.url_encoded(value text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN value ~ '^[A-Za-z0-9._~-]*$' THEN value ELSE (
		SELECT string_agg(CASE WHEN chr(get_byte(b.bytes, i)) ~ '[A-Za-z0-9._~-]' AND get_byte(b.bytes, i) BETWEEN 33 AND 126
			THEN chr(get_byte(b.bytes, i)) ELSE '%' || upper(lpad(to_hex(get_byte(b.bytes, i)), 2, '0')) END, '' ORDER BY i)
		FROM (SELECT convert_to(value, 'UTF8')) AS b (bytes)
		CROSS JOIN LATERAL generate_series(0, length(b.bytes) - 1) AS i
	) END;
END;
COMMENT ON FUNCTION telemetry.url_encoded(text) IS 'A text as a segment of a path or a value of a query: RFC 3986.';

CREATE FUNCTION telemetry.schema_html(schema jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
	named CONSTANT text := substring(schema ->> '$ref' FROM '^#/components/schemas/(.+)$');
	types CONSTANT text[] := CASE jsonb_typeof(schema -> 'type')
		WHEN 'string' THEN ARRAY[schema ->> 'type']
		WHEN 'array' THEN ARRAY(SELECT t FROM jsonb_array_elements_text(schema -> 'type') AS t WHERE t <> 'null') END;
	words text;
	choices CONSTANT jsonb := CASE jsonb_typeof(schema -> 'enum') WHEN 'array' THEN schema -> 'enum' END;
BEGIN
	IF named IS NOT NULL THEN
		RETURN format('<a href="#schema-%s">%s</a>', telemetry.url_encoded(named), telemetry.html(named));
	ELSIF jsonb_typeof(schema -> 'anyOf') = 'array' THEN
		RETURN (SELECT string_agg(telemetry.schema_html(a.schema), ', or ') FROM jsonb_array_elements(schema -> 'anyOf') AS a (schema));
	ELSIF choices IS NOT NULL THEN
		RETURN 'one of ' || (SELECT string_agg(format('<code>%s</code>', telemetry.html(c.choice #>> '{}')), ', ' ORDER BY c.n)
			FROM jsonb_array_elements(choices) WITH ORDINALITY AS c (choice, n) WHERE c.choice <> 'null')
			|| coalesce(', default <code>' || telemetry.html(nullif(schema -> 'default', 'null')::text) || '</code>', '');
	END IF;
	words := telemetry.html(coalesce(nullif(array_to_string(types, ' or '), ''), 'any'));
	IF 'array' = ANY (types) AND jsonb_typeof(schema -> 'items') = 'object' THEN
		words := words || ' of ' || telemetry.schema_html(schema -> 'items');
	END IF;
	RETURN concat_ws(', ', words,
		telemetry.html(schema ->> 'format'),
		CASE WHEN schema ? 'const' THEN format('<code>%s</code>', telemetry.html(schema ->> 'const')) END,
		telemetry.html(CASE
			WHEN schema ? 'minimum' AND schema ? 'maximum' THEN format('%s to %s', schema ->> 'minimum', schema ->> 'maximum')
			WHEN schema ? 'minimum' THEN 'from ' || (schema ->> 'minimum')
			WHEN schema ? 'maximum' THEN 'to ' || (schema ->> 'maximum') END),
		telemetry.html(CASE
			WHEN schema ->> 'minLength' <> '0' AND schema ? 'maxLength' THEN format('%s to %s characters', schema ->> 'minLength', schema ->> 'maxLength')
			WHEN schema ? 'maxLength' THEN format('up to %s characters', schema ->> 'maxLength') END),
		telemetry.html('up to ' || (schema ->> 'maxItems') || ' items'),
		'default <code>' || telemetry.html(nullif(schema -> 'default', 'null')::text) || '</code>');
END
$$;
COMMENT ON FUNCTION telemetry.schema_html(jsonb) IS 'What a schema asks for, in words, as HTML.';

-- Objects within others are rows of the same table; what has a name of its own is a link.
CREATE FUNCTION telemetry.schema_rows_html(schema jsonb, asked boolean, prefix text DEFAULT '') RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
	html text := '';
	member record;
	part jsonb;
	inner_schema jsonb;
	ending text;
BEGIN
	IF jsonb_typeof(schema -> 'allOf') = 'array' THEN
		FOR part IN SELECT a.schema FROM jsonb_array_elements(schema -> 'allOf') AS a (schema) LOOP
			html := html || CASE WHEN part ? '$ref' THEN format('<tr><td colspan="3">all of %s</td></tr>', telemetry.schema_html(part))
				ELSE telemetry.schema_rows_html(part, asked, prefix) END;
		END LOOP;
	END IF;
	FOR member IN
		SELECT p.key, p.value, coalesce(schema -> 'required', '[]') ? p.key AS is_required
		FROM jsonb_each(CASE jsonb_typeof(schema -> 'properties') WHEN 'object' THEN schema -> 'properties' ELSE '{}' END) AS p
		WHERE jsonb_typeof(p.value) = 'object'
		ORDER BY asked AND coalesce(schema -> 'required', '[]') ? p.key DESC, p.key
	LOOP
		inner_schema := member.value;
		ending := '';
		WHILE inner_schema -> 'items' IS NOT NULL LOOP
			inner_schema := inner_schema -> 'items';
			ending := ending || '[]';
		END LOOP;
		html := html || format('<tr><td><code>%s%s</code>%s</td><td>%s</td><td>%s</td></tr>',
			telemetry.html(prefix), telemetry.html(member.key), CASE WHEN asked AND member.is_required THEN ' <b>required</b>' ELSE '' END,
			telemetry.schema_html(member.value), coalesce(telemetry.html(member.value ->> 'description'), ''));
		IF inner_schema ? 'properties' OR inner_schema ? 'allOf' THEN
			html := html || telemetry.schema_rows_html(inner_schema, asked, prefix || member.key || ending || '.');
		END IF;
	END LOOP;
	IF jsonb_typeof(schema -> 'additionalProperties') = 'object' THEN
		html := html || format('<tr><td><i>any other</i></td><td>%s</td><td></td></tr>', telemetry.schema_html(schema -> 'additionalProperties'));
	END IF;
	RETURN html;
END
$$;
COMMENT ON FUNCTION telemetry.schema_rows_html(jsonb, boolean, text) IS
	'The members of a schema as rows of a table: name, where it is asked for whether it is required, what it is, and description; those of objects within are there with the outer names before theirs.';

CREATE FUNCTION telemetry.schema_table_html(schema jsonb, schemas jsonb, asked boolean DEFAULT false) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
	named CONSTANT text := substring(schema ->> '$ref' FROM '^#/components/schemas/(.+)$');
	rows CONSTANT text := telemetry.schema_rows_html(CASE WHEN named IS NULL THEN schema ELSE coalesce(schemas -> named, '{}') END, asked);
BEGIN
	IF jsonb_typeof(schema -> 'anyOf') = 'array' THEN
		RETURN (SELECT string_agg(telemetry.schema_table_html(a.schema, schemas, asked), '<p>or</p>' ORDER BY a.n)
			FROM jsonb_array_elements(schema -> 'anyOf') WITH ORDINALITY AS a (schema, n));
	ELSIF rows = '' THEN
		RETURN CASE WHEN schema = '{}' THEN '' ELSE format('<p>%s</p>', telemetry.schema_html(schema)) END
			|| CASE WHEN jsonb_typeof(schema -> 'items') = 'object' THEN telemetry.schema_table_html(schema -> 'items', schemas, asked) ELSE '' END;
	END IF;
	RETURN CASE WHEN named IS NULL THEN '' ELSE format('<p>%s</p>', telemetry.schema_html(schema)) END
		|| '<div class="scroll"><table><thead><tr><th>Member</th><th>What it is</th><th>What it means</th></tr></thead><tbody>' || rows || '</tbody></table></div>';
END
$$;
COMMENT ON FUNCTION telemetry.schema_table_html(jsonb, jsonb, boolean) IS
	'A schema as a table of its members; schemas has those that it may refer to by name; asked: somebody has to send it.';

CREATE FUNCTION telemetry.example_text(example jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	-- A line ends between members only, never within a text.
	SELECT regexp_replace(jsonb_pretty(example), E'([\\[{])\n *([\\]}])', '\1\2', 'g');
END;
COMMENT ON FUNCTION telemetry.example_text(jsonb) IS 'JSON as people read it: a member a line, what is empty in one.';

CREATE FUNCTION telemetry.curl_command(method text, path text, operation jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
	url text := path;
	query text;
	lines text;
	headers text;
	parameter jsonb;
	body CONSTANT jsonb := operation #> '{requestBody,content,application/json,example}';
BEGIN
	FOR parameter IN
		SELECT p FROM jsonb_array_elements(operation -> 'parameters') AS p WHERE p ->> 'in' = 'path' AND p ? 'example'
	LOOP
		url := replace(url, '{' || (parameter ->> 'name') || '}', telemetry.url_encoded(parameter ->> 'example'));
	END LOOP;
	SELECT string_agg(telemetry.url_encoded(p.parameter ->> 'name') || '=' || telemetry.url_encoded(p.parameter ->> 'example'), '&' ORDER BY p.n),
		string_agg(E' \\\n  --data-urlencode ''' || replace((p.parameter ->> 'name') || '=' || (p.parameter ->> 'example'), '''', '''\''''') || '''', '' ORDER BY p.n)
	INTO query, lines
	FROM jsonb_array_elements(operation -> 'parameters') WITH ORDINALITY AS p (parameter, n)
	WHERE p.parameter ->> 'in' = 'query' AND p.parameter ? 'example'
		AND ((p.parameter -> 'required')::boolean OR p.parameter ->> 'name' = 'limit');
	SELECT string_agg(format(' -H ''%s: %s''', p.parameter ->> 'name', replace(p.parameter ->> 'example', '''', '''\''''')), '' ORDER BY p.n) INTO headers
	FROM jsonb_array_elements(operation -> 'parameters') WITH ORDINALITY AS p (parameter, n)
	WHERE p.parameter ->> 'in' = 'header' AND p.parameter ? 'example' AND (p.parameter -> 'required')::boolean;
	-- What would be too long a line is several.
	IF method = 'GET' AND length(query) > 40 THEN
		RETURN concat('curl -G "$TELEMETRY', replace(url, '$', '\$'), '"', headers, lines);
	END IF;
	RETURN concat('curl', CASE WHEN method <> 'GET' THEN ' -X ' || method END, ' "$TELEMETRY', replace(url, '$', '\$'), '?' || query, '"', headers,
		E' \\\n  -H ''Content-Type: application/json'' -d ''' || replace(telemetry.example_text(body), '''', '''\''''') || '''');
END
$$;
COMMENT ON FUNCTION telemetry.curl_command(text, text, jsonb) IS
	'A line for a shell that asks for an operation with its examples; TELEMETRY is where the proxy is.';

CREATE FUNCTION telemetry.operation_html(method text, path text, operation jsonb, schemas jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
	html text;
	body CONSTANT jsonb := operation #> '{requestBody,content,application/json}';
	media record;
	response record;
BEGIN
	html := format('<details class="operation" id="%s"><summary><span class="method %s">%s</span> <code>%s</code> <span class="says">%s</span></summary><div>',
		telemetry.html(operation ->> 'operationId'), lower(method), method, regexp_replace(telemetry.html(path), '([{][^{}]*[}])', '<i>\1</i>', 'g'),
		telemetry.html(operation ->> 'summary'));
	html := html || coalesce('<p>' || telemetry.html(operation ->> 'description') || '</p>', '');
	IF operation -> 'parameters' <> '[]' THEN
		html := html || '<h4>Parameters</h4><div class="scroll"><table><thead><tr><th>Name</th><th>What it is</th><th>What it means</th></tr></thead><tbody>'
			|| (SELECT string_agg(format('<tr><td><code>%s</code>%s <small>%s</small></td><td>%s</td><td>%s</td></tr>', telemetry.html(p.parameter ->> 'name'),
					CASE WHEN (p.parameter -> 'required')::boolean THEN ' <b>required</b>' ELSE '' END, telemetry.html(p.parameter ->> 'in'),
					telemetry.schema_html(p.parameter -> 'schema'), coalesce(telemetry.html(p.parameter ->> 'description'), '')), '' ORDER BY p.n)
				FROM jsonb_array_elements(operation -> 'parameters') WITH ORDINALITY AS p (parameter, n))
			|| '</tbody></table></div>';
	END IF;
	IF body IS NOT NULL THEN
		html := html || '<h4>Body</h4>' || telemetry.schema_table_html(body -> 'schema', schemas, true);
	END IF;
	html := html || '<h4>Example</h4><pre tabindex="0"><code>' || telemetry.html(telemetry.curl_command(method, path, operation)) || '</code></pre>';
	html := html || '<h4>Answers</h4>';
	FOR response IN
		SELECT r.key AS status, r.value FROM jsonb_each(operation -> 'responses') AS r WHERE NOT r.value ? '$ref' ORDER BY r.key
	LOOP
		html := html || format('<div class="answer"><p><b class="status s%s">%s</b> %s</p>', left(response.status, 1), response.status, telemetry.html(response.value ->> 'description'));
		IF response.status < '400' THEN
			FOR media IN SELECT m.key AS content_type, m.value FROM jsonb_each(coalesce(response.value -> 'content', '{}')) AS m LOOP
				html := html || CASE WHEN media.content_type <> 'application/json' THEN '<p><code>' || telemetry.html(media.content_type) || '</code></p>' ELSE '' END
					|| CASE WHEN media.value ? 'example' THEN '<pre tabindex="0"><code>' || telemetry.html(CASE jsonb_typeof(media.value -> 'example')
						WHEN 'string' THEN media.value ->> 'example' ELSE telemetry.example_text(media.value -> 'example') END) || '</code></pre>' ELSE '' END
					|| CASE WHEN media.content_type ~ '[/+]json$' THEN
						coalesce('<details class="shape"><summary>Its members</summary>' || nullif(telemetry.schema_table_html(media.value -> 'schema', schemas), '') || '</details>', '')
						ELSE '' END;
			END LOOP;
		END IF;
		html := html || '</div>';
	END LOOP;
	html := html || coalesce('<p class="others">And ' || (
		SELECT string_agg(format('<a href="#answers-%s">%s</a>', r.key, r.key), ', ' ORDER BY r.key)
		FROM jsonb_each(operation -> 'responses') AS r WHERE r.value ? '$ref') || ', as any route.</p>', '');
	RETURN html || '</div></details>';
END
$$;
COMMENT ON FUNCTION telemetry.operation_html(text, text, jsonb, jsonb) IS 'An operation of the document, which opens when it is asked to.';

CREATE FUNCTION telemetry.docs_style() RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT '
:root{color-scheme:light dark;--page:#fbfbfa;--card:#fff;--text:#1d2126;--dim:#5a636d;--line:#dcdfe3;--code:#f1f3f5;--link:#0b5cad;
--get:#0b6e4f;--post:#0b5cad;--put:#8a5300;--patch:#6d3fa0;--delete:#b3261e}
@media(prefers-color-scheme:dark){:root{--page:#14171a;--card:#1b1f24;--text:#e4e7ea;--dim:#a3adb8;--line:#333a42;--code:#242a31;--link:#7ab7f5;
--get:#5cc9a0;--post:#7ab7f5;--put:#e5b567;--patch:#c3a1ee;--delete:#f28b82}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:3px}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.3rem .6rem;z-index:1}
.page{max-width:76rem;margin:0 auto;padding:1.5rem 1rem 4rem;display:grid;grid-template-columns:13rem minmax(0,1fr);gap:0 2.5rem}
header{grid-column:1/-1;border-bottom:1px solid var(--line);margin-bottom:1.5rem;padding-bottom:.5rem}
header p{max-width:46rem;color:var(--dim)}
h1{font-size:1.7rem;margin:0}h1 small{font-size:1rem;font-weight:400;color:var(--dim)}
h2{font-size:1.25rem;margin:2.2rem 0 .2rem;}h2::first-letter,nav a span::first-letter{text-transform:uppercase}
h2+p{margin:0 0 .8rem;color:var(--dim)}
h3{font-size:1rem;margin:1.6rem 0 .4rem}
h4{font-size:.8rem;letter-spacing:.05em;text-transform:uppercase;color:var(--dim);margin:1.4rem 0 .4rem}
nav{position:sticky;top:1rem;align-self:start;max-height:calc(100vh - 2rem);overflow:auto;font-size:.95rem}
nav ul{list-style:none;margin:0;padding:0}nav li{margin:.15rem 0}
nav a{display:flex;justify-content:space-between;gap:1rem;padding:.2rem .5rem;border-radius:5px;text-decoration:none;color:var(--text)}nav a span{display:inline-block}
nav a:hover{background:var(--code)}nav a small{color:var(--dim)}
main section:first-child h2{margin-top:0}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.875em}
pre{background:var(--code);border:1px solid var(--line);border-radius:6px;padding:.7rem .9rem;overflow:auto;margin:.4rem 0;max-height:26rem}
pre code{font-size:.82rem;line-height:1.45}
.operation{background:var(--card);border:1px solid var(--line);border-radius:8px;margin:.5rem 0}
.operation>summary{cursor:pointer;list-style:none;padding:.55rem .8rem;display:flex;flex-wrap:wrap;align-items:baseline;gap:.2rem .7rem}
.operation>summary::-webkit-details-marker{display:none}
.operation>summary:hover{background:var(--code);border-radius:8px}
.operation>summary code{overflow-wrap:anywhere;font-size:.9rem;font-weight:600}.operation>summary i{font-style:normal;color:var(--dim)}
.operation>div{border-top:1px solid var(--line);padding:.2rem 1rem 1rem}
.says{color:var(--dim);font-size:.92rem;margin-left:auto;text-align:right}
.method{font:700 .72rem/1 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;min-width:4rem;text-align:center;padding:.3rem .3rem;border:1px solid;border-radius:4px}
.get{color:var(--get)}.post{color:var(--post)}.put{color:var(--put)}.patch{color:var(--patch)}.delete{color:var(--delete)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th{text-align:left;font-weight:600;color:var(--dim);font-size:.8rem}
th,td{padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td:first-child{white-space:nowrap}td:nth-child(2){min-width:9rem}td:nth-child(3){min-width:12rem;color:var(--dim)}
td b{font-size:.7rem;color:var(--delete);font-weight:600}td small{color:var(--dim)}
.answer{border-left:3px solid var(--line);padding-left:.8rem;margin:.6rem 0}.answer p{margin:.2rem 0}
.status{font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}.s2{color:var(--get)}.s4{color:var(--put)}.s5{color:var(--delete)}
.shape>summary{cursor:pointer;color:var(--link);font-size:.9rem}
.others{color:var(--dim);font-size:.9rem}
@media(max-width:48rem){.page{display:block}nav{position:static;max-height:none;margin-bottom:1.5rem}nav ul{display:flex;flex-wrap:wrap;gap:.3rem}nav li{margin:0}
nav a{border:1px solid var(--line)}.says{margin-left:0;text-align:left;flex-basis:100%}
thead{display:none}table,tbody,tr,td{display:block}tr{border-bottom:1px solid var(--line);padding:.45rem 0}td{border:0;padding:.05rem 0}td:first-child{white-space:normal;overflow-wrap:anywhere}}
@media print{nav{display:none}.page{display:block}}
';
END;
COMMENT ON FUNCTION telemetry.docs_style() IS 'The style sheet of the page that telemetry.docs() makes.';

CREATE FUNCTION telemetry.docs(document jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
	schemas CONSTANT jsonb := document #> '{components,schemas}';
	style CONSTANT text := telemetry.docs_style();
	nav text;
	sections text;
	answers text;
	shapes text;
BEGIN
	SELECT string_agg(format('<li><a href="#group-%s"><span>%s</span> <small>%s</small></a></li>', telemetry.url_encoded(g.tag ->> 'name'), telemetry.html(g.tag ->> 'name'), o.n), E'\n' ORDER BY g.n),
		string_agg(format(E'<section id="group-%s"><h2>%s</h2>%s\n%s</section>', telemetry.url_encoded(g.tag ->> 'name'), telemetry.html(g.tag ->> 'name'),
			coalesce('<p>' || telemetry.html(g.tag ->> 'description') || '</p>', ''), o.html), E'\n' ORDER BY g.n)
	INTO nav, sections
	FROM jsonb_array_elements(document -> 'tags') WITH ORDINALITY AS g (tag, n)
	CROSS JOIN LATERAL (
		SELECT count(*) AS n, string_agg(telemetry.operation_html(upper(m.key), p.key, m.value, schemas), E'\n'
			ORDER BY p.key, array_position('{get,post,put,patch,delete}', m.key)) AS html
		FROM jsonb_each(document -> 'paths') AS p
		CROSS JOIN LATERAL jsonb_each(p.value) AS m
		WHERE m.value #>> '{tags,0}' = g.tag ->> 'name'
	) AS o;
	SELECT string_agg(format('<p id="answers-%s"><b class="status s%s">%s</b> %s</p>', c.status, left(c.status, 1), c.status, telemetry.html(c.description)), E'\n' ORDER BY c.status)
	INTO answers
	FROM telemetry.common_responses() AS c;
	SELECT string_agg(format('<h3 id="schema-%s">%s</h3>%s', telemetry.url_encoded(s.key), telemetry.html(s.key), telemetry.schema_table_html(s.value, schemas, true)), E'\n' ORDER BY s.key)
	INTO shapes
	FROM jsonb_each(schemas) AS s;
	RETURN concat(E'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n',
		'<meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''sha256-',
		replace(encode(sha256(convert_to(style, 'UTF8')), 'base64'), E'\n', ''), '''; base-uri ''none''; form-action ''none''">', E'\n<title>',
		telemetry.html(document #>> '{info,title}'), ' ', telemetry.html(document #>> '{info,version}'), E': HTTP interface</title>\n<style>', style, E'</style>\n</head>\n<body>\n',
		E'<a class="skip" href="#routes">To the routes</a>\n<div class="page">\n<header><h1>', telemetry.html(document #>> '{info,title}'), ' <small>',
		telemetry.html(document #>> '{info,version}'), '</small></h1>', E'\n<p>', telemetry.html(document #>> '{info,description}'),
		E'</p>\n<p>For programs the same is <a href="openapi.json">openapi.json</a>, OpenAPI ', telemetry.html(document ->> 'openapi'),
		E'. The examples are for a shell that knows where the proxy is:</p>\n<pre tabindex="0"><code>TELEMETRY=http://localhost:8218</code></pre></header>\n',
		E'<nav aria-label="Groups of routes"><ul>\n', nav, E'\n<li><a href="#answers"><span>answers of any route</span></a></li>\n<li><a href="#schemas"><span>schemas</span></a></li></ul></nav>\n<main id="routes">\n',
		sections, E'\n<section id="answers"><h2>Answers of any route</h2>\n', answers, E'</section>\n<section id="schemas"><h2>Schemas</h2>\n', shapes,
		E'</section>\n</main>\n</div>\n</body>\n</html>\n');
END
$$;
COMMENT ON FUNCTION telemetry.docs(jsonb) IS
	'A document as telemetry.openapi() makes it as a page of HTML, for light and dark screens of any size: no script, nothing that is fetched.';

REVOKE ALL ON FUNCTION telemetry.html(text), telemetry.example_text(jsonb), telemetry.url_encoded(text), telemetry.schema_html(jsonb), telemetry.schema_rows_html(jsonb, boolean, text),
	telemetry.schema_table_html(jsonb, jsonb, boolean), telemetry.curl_command(text, text, jsonb), telemetry.operation_html(text, text, jsonb, jsonb),
	telemetry.docs_style(), telemetry.docs(jsonb) FROM PUBLIC;
