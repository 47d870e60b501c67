-- Definitions of metrics (seed 004, Epic 2): what their values must be, how they are shown, and how long they are kept.
--
-- Ingest judges what comes by them (ingest/metric_check.c); what is stored already is not looked at. How long a metric is kept is
-- said in telemetry.retention alone, so that telemetry.metric_definition, which people read and write, is a view of both tables.

CREATE TABLE telemetry.metric (
	metric_id text COLLATE "C" PRIMARY KEY DEFAULT telemetry.new_id('met')
		CONSTRAINT metric_id_is_of_1_to_128_bytes CHECK (octet_length(metric_id) BETWEEN 1 AND 128),
	name text COLLATE "C" NOT NULL CONSTRAINT metric_name_is_unique UNIQUE
		CONSTRAINT name_is_of_1_to_128_bytes CHECK (octet_length(name) BETWEEN 1 AND 128),
	name_pattern text COLLATE "C" CONSTRAINT name_pattern_is_of_1_to_256_bytes CHECK (octet_length(name_pattern) BETWEEN 1 AND 256),
	description text CONSTRAINT description_is_of_2000_characters_at_most CHECK (length(description) <= 2000),
	data_type text COLLATE "C" NOT NULL
		CONSTRAINT data_type_is_one_of_six CHECK (data_type IN ('numeric', 'string', 'boolean', 'json', 'geolocation', 'binary')),
	metric_type text COLLATE "C" NOT NULL DEFAULT 'gauge'
		CONSTRAINT metric_type_is_gauge_counter_or_histogram CHECK (metric_type IN ('gauge', 'counter', 'histogram')),
	unit text COLLATE "C" CONSTRAINT unit_is_of_1_to_128_bytes CHECK (octet_length(unit) BETWEEN 1 AND 128),
	min_value double precision CONSTRAINT min_value_is_finite CHECK (min_value > '-Infinity' AND min_value < 'Infinity'),
	max_value double precision CONSTRAINT max_value_is_finite CHECK (max_value > '-Infinity' AND max_value < 'Infinity'),
	allowed_values jsonb,
	aggregation_interval integer NOT NULL DEFAULT 60
		CONSTRAINT aggregation_interval_is_from_1_to_31622400_seconds CHECK (aggregation_interval BETWEEN 1 AND 31622400),
	coerce boolean NOT NULL DEFAULT false,
	tags text[] COLLATE "C" NOT NULL DEFAULT '{}'
		CONSTRAINT tags_are_100_at_most CHECK (cardinality(tags) <= 100)
		CONSTRAINT tags_are_a_list CHECK (array_ndims(tags) = 1)
		CONSTRAINT tags_has_no_null CHECK (array_position(tags, NULL) IS NULL),
	metadata jsonb NOT NULL DEFAULT '{}'
		CONSTRAINT metadata_is_a_json_object CHECK (jsonb_typeof(metadata) = 'object')
		CONSTRAINT metadata_is_of_65536_bytes_at_most CHECK (octet_length(metadata::text) <= 65536),
	created_at timestamptz NOT NULL DEFAULT now() CONSTRAINT created_at_is_finite CHECK (isfinite(created_at)),
	updated_at timestamptz NOT NULL DEFAULT now() CONSTRAINT updated_at_is_finite CHECK (isfinite(updated_at)),
	created_by text NOT NULL DEFAULT session_user,
	CONSTRAINT min_value_and_max_value_are_for_data_type_numeric CHECK (data_type = 'numeric' OR num_nonnulls(min_value, max_value) = 0),
	CONSTRAINT min_value_is_not_above_max_value CHECK (min_value <= max_value)
);
COMMENT ON TABLE telemetry.metric IS
	'What telemetry.metric_definition, by which it is read and written, is of beside telemetry.retention. A change counts from the next batch on, in every '
	'session; what is stored already stays. Errors on writing: unique_violation, check_violation, invalid_parameter_value.';
COMMENT ON COLUMN telemetry.metric.metric_id IS 'Its name for programs; made if none is given.';
COMMENT ON COLUMN telemetry.metric.name IS
	'The metric that it is about, 1 to 128 bytes; with name_pattern, what the definition is called. It cannot be changed.';
COMMENT ON COLUMN telemetry.metric.name_pattern IS
	'A pattern of LIKE, by bytes (% is any text, _ any one character, \ takes the meaning from the next), 1 to 256 bytes: it is about every metric like that which has no '
	'definition of its own; 1000 definitions may have one. Of several patterns that with the most bytes counts, of equally long ones the first by name.';
COMMENT ON COLUMN telemetry.metric.description IS 'What is measured, for people; up to 2000 characters.';
COMMENT ON COLUMN telemetry.metric.data_type IS
	'What a value must be: numeric, string, boolean, json (an object or an array), geolocation or binary; of telemetry.kind() that is numeric, text, boolean, json, geo '
	'and binary. Others are rejected (type_mismatch), but see coerce.';
COMMENT ON COLUMN telemetry.metric.metric_type IS 'gauge, counter or histogram: what its numbers mean, for who reads them.';
COMMENT ON COLUMN telemetry.metric.unit IS 'The unit of points that come without one, 1 to 128 bytes; null: they stay without.';
COMMENT ON COLUMN telemetry.metric.min_value IS 'Numbers below it are rejected (out_of_range), and NaN; null: no bound.';
COMMENT ON COLUMN telemetry.metric.max_value IS 'Numbers above it are rejected (out_of_range), and NaN; null: no bound.';
COMMENT ON COLUMN telemetry.metric.allowed_values IS
	'A JSON array of 1 to 1000 numbers, texts or booleans, as data_type says: other values are rejected (value_not_allowed). Null: all are allowed.';
COMMENT ON COLUMN telemetry.metric.aggregation_interval IS 'Seconds, 1 to 31622400: the bucket of queries that aggregate and name none.';
COMMENT ON COLUMN telemetry.metric.coerce IS
	'Whether a value of another kind is made one of data_type where that is plain: a text that is a number ("21.5", "21,5", " 21.5 ", "NaN", "Infinity"); a text true, false, on, off, '
	'yes, no, 1 or 0 in any case, or the number 1 or 0, for boolean; a number or a boolean for string.';
COMMENT ON COLUMN telemetry.metric.tags IS 'Words to find it by, up to 100 of 1 to 128 bytes.';
COMMENT ON COLUMN telemetry.metric.metadata IS 'An object, of up to 65536 bytes as a text.';
COMMENT ON COLUMN telemetry.metric.created_at IS 'When it was made.';
COMMENT ON COLUMN telemetry.metric.updated_at IS 'When it was last changed.';
COMMENT ON COLUMN telemetry.metric.created_by IS 'Who made it.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.metric', '');

-- What ingest knows ----------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.metric_definitions_changed() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_metric_definitions_changed';
COMMENT ON FUNCTION telemetry.metric_definitions_changed() IS
	'Trigger of telemetry.metric: makes all sessions read the definitions anew before their next batch.';
CREATE TRIGGER metric_definitions_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON telemetry.metric
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.metric_definitions_changed();

-- What constraints cannot say ------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.check_metric() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_of_allowed CONSTANT text := CASE new.data_type WHEN 'numeric' THEN 'number' ELSE new.data_type END;
	-- As points have them: control characters are C0, DEL, and where there is an encoding for them C1.
	control CONSTANT text := CASE getdatabaseencoding() WHEN 'UTF8' THEN '[\u0001-\u001f\u007f-\u009f]' ELSE '[\u0001-\u001f\u007f]' END;
	patterns_max CONSTANT integer := 1000;
	wrong text;
BEGIN
	wrong := CASE
		WHEN new.name ~ control THEN 'name has a control character'
		WHEN new.unit ~ control THEN 'unit has a control character'
		-- LIKE refuses it for every text.
		WHEN length(substring(new.name_pattern from '\\*$')) % 2 = 1 THEN
			format('name_pattern "%s" ends with an escape that nothing follows', left(new.name_pattern, 100))
		-- Each metric that is seen for the first time is compared with all of them.
		WHEN new.name_pattern IS NOT NULL AND old.name_pattern IS NULL
			AND (SELECT count(*) FROM (SELECT FROM telemetry.metric AS m WHERE m.name_pattern IS NOT NULL LIMIT patterns_max) AS p) = patterns_max THEN
			format('there are %s definitions with a name_pattern already, as many as there may be', patterns_max)
		WHEN EXISTS (SELECT FROM unnest(new.tags) AS t (tag) WHERE octet_length(t.tag) NOT BETWEEN 1 AND 128) THEN
			'tags must have 1 to 128 bytes each'
		WHEN new.allowed_values IS NULL THEN NULL
		WHEN new.data_type NOT IN ('numeric', 'string', 'boolean') THEN
			format('allowed_values is for data_type numeric, string or boolean, not %s', new.data_type)
		WHEN CASE jsonb_typeof(new.allowed_values) WHEN 'array' THEN jsonb_array_length(new.allowed_values) NOT BETWEEN 1 AND 1000 ELSE true END THEN
			'allowed_values must be an array of 1 to 1000 values'
		WHEN EXISTS (SELECT FROM jsonb_array_elements(new.allowed_values) AS a (value) WHERE jsonb_typeof(a.value) <> kind_of_allowed) THEN
			format('allowed_values must be of data_type %s', new.data_type)
		WHEN EXISTS (SELECT FROM jsonb_array_elements(new.allowed_values) AS a (value) WHERE CASE new.data_type
				WHEN 'numeric' THEN abs((a.value #>> '{}')::numeric) > 1.7976931348623157e308
				WHEN 'string' THEN octet_length(a.value #>> '{}') > 1024 END) THEN
			'allowed_values must have numbers within double precision, or texts of up to 1024 bytes'
	END;
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = wrong;
	END IF;
	IF TG_OP = 'UPDATE' THEN
		new.updated_at := clock_timestamp();
		IF new.metric_id <> old.metric_id OR new.name <> old.name THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('%s of a metric definition cannot be changed', CASE WHEN new.name <> old.name THEN 'name' ELSE 'metric_id' END),
				HINT = 'Make another definition.';
		END IF;
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.check_metric() IS
	'Trigger of telemetry.metric: refuses what constraints cannot. Error: invalid_parameter_value.';
CREATE TRIGGER check_metric BEFORE INSERT OR UPDATE ON telemetry.metric
	FOR EACH ROW EXECUTE FUNCTION telemetry.check_metric();

-- The view -------------------------------------------------------------------------------------------------------------

CREATE VIEW telemetry.metric_definition AS
	SELECT m.metric_id, m.name, m.name_pattern, m.description, m.data_type, m.metric_type, m.unit, m.min_value, m.max_value, m.allowed_values,
		CASE WHEN m.name_pattern IS NULL THEN
			(SELECT r.retention_days FROM telemetry.retention AS r
			WHERE coalesce(r.metric, '') IN (m.name, '')
			ORDER BY r.metric NULLS LAST
			LIMIT 1)
		END AS retention_days,
		m.aggregation_interval, m.coerce, m.tags, m.metadata, m.created_at, m.updated_at, m.created_by
	FROM telemetry.metric AS m;
COMMENT ON VIEW telemetry.metric_definition IS
	'Definitions of metrics (seed 004, Epic 2): what values of each must be, by which ingest judges what comes, and what is known of it. INSERT, UPDATE and DELETE, with the rights that the '
	'caller has on telemetry.metric and telemetry.retention, work on these tables. A change counts from the next batch on, in every session; what is stored already stays as it is. DELETE leaves '
	'the row of telemetry.retention, and all data. Errors on writing: unique_violation, check_violation, invalid_parameter_value; serialization_failure if the definition was changed meanwhile.';
COMMENT ON COLUMN telemetry.metric_definition.retention_days IS
	'Days that points are kept, 1 to 3650: of the metric''s row of telemetry.retention, else of the row of all metrics; null: for ever, or with name_pattern. A number that is written '
	'becomes the metric''s own row there, but for an UPDATE to what counts already; an UPDATE to null removes that row. With name_pattern there is none.';
SELECT telemetry.copy_comments('telemetry.metric', 'telemetry.metric_definition');

ALTER VIEW telemetry.metric_definition ALTER COLUMN metric_id SET DEFAULT telemetry.new_id('met');
ALTER VIEW telemetry.metric_definition ALTER COLUMN metric_type SET DEFAULT 'gauge';
ALTER VIEW telemetry.metric_definition ALTER COLUMN aggregation_interval SET DEFAULT 60;
ALTER VIEW telemetry.metric_definition ALTER COLUMN coerce SET DEFAULT false;
ALTER VIEW telemetry.metric_definition ALTER COLUMN tags SET DEFAULT '{}';
ALTER VIEW telemetry.metric_definition ALTER COLUMN metadata SET DEFAULT '{}';
ALTER VIEW telemetry.metric_definition ALTER COLUMN created_at SET DEFAULT now();
ALTER VIEW telemetry.metric_definition ALTER COLUMN updated_at SET DEFAULT now();
ALTER VIEW telemetry.metric_definition ALTER COLUMN created_by SET DEFAULT session_user;

-- With the caller's rights, so that those on the tables decide.
-- Rollups stay under the rule that they were under.
CREATE FUNCTION telemetry.set_retention(metric text, days integer) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	-- Whatever is written there makes job retention begin anew.
	IF EXISTS (SELECT FROM telemetry.retention AS r WHERE coalesce(r.metric, '') = set_retention.metric AND r.retention_days = days) THEN
		RETURN;
	END IF;
	INSERT INTO telemetry.retention AS r (metric, retention_days, rollup_days)
	VALUES (set_retention.metric, days,
		(SELECT greatest(a.rollup_days, days) FROM telemetry.retention AS a WHERE a.metric IS NULL AND a.rollup_days IS NOT NULL))
	ON CONFLICT ((coalesce(metric, ''))) DO UPDATE SET retention_days = excluded.retention_days;
END
$$;
COMMENT ON FUNCTION telemetry.set_retention(text, integer) IS
	'Writes telemetry.retention: points of a metric are kept so many days, its rollups as long as its own row says; one that is made says of them what that of all metrics does, but no fewer days '
	'than of points. With the rights of whoever calls. Error: check_violation if its own row keeps rollups for fewer days.';

CREATE FUNCTION telemetry.write_metric_definition() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		DELETE FROM telemetry.metric AS m WHERE m.metric_id = old.metric_id;
		RETURN CASE WHEN FOUND THEN old END;
	ELSIF TG_OP = 'UPDATE' AND new IS NOT DISTINCT FROM old THEN
		RETURN new;
	END IF;
	-- Before the definition, whose trigger tells of it.
	IF TG_OP = 'INSERT' AND new.retention_days IS NOT NULL OR TG_OP = 'UPDATE' AND new.retention_days IS DISTINCT FROM old.retention_days THEN
		IF new.name_pattern IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'retention_days is for one metric, not for a name_pattern',
				HINT = 'Rows of telemetry.retention say it of single metrics, and one of all others.';
		END IF;
		IF new.retention_days IS NULL THEN
			DELETE FROM telemetry.retention AS r WHERE coalesce(r.metric, '') = new.name;
		ELSE
			PERFORM telemetry.set_retention(new.name, new.retention_days);
		END IF;
	END IF;
	IF TG_OP = 'INSERT' THEN
		INSERT INTO telemetry.metric (metric_id, name, name_pattern, description, data_type, metric_type, unit, min_value, max_value, allowed_values,
			aggregation_interval, coerce, tags, metadata, created_at, updated_at, created_by)
		VALUES (new.metric_id, new.name, new.name_pattern, new.description, new.data_type, new.metric_type, new.unit, new.min_value, new.max_value,
			new.allowed_values, new.aggregation_interval, new.coerce, new.tags, new.metadata, new.created_at, new.updated_at, new.created_by);
	ELSE
		UPDATE telemetry.metric AS m
		SET metric_id = new.metric_id, name = new.name, name_pattern = new.name_pattern, description = new.description, data_type = new.data_type,
			metric_type = new.metric_type, unit = new.unit, min_value = new.min_value, max_value = new.max_value, allowed_values = new.allowed_values,
			aggregation_interval = new.aggregation_interval, coerce = new.coerce, tags = new.tags, metadata = new.metadata,
			created_at = new.created_at, created_by = new.created_by
		WHERE m.metric_id = old.metric_id AND m.updated_at = old.updated_at;
		IF NOT FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'serialization_failure',
				MESSAGE = format('the definition of metric "%s" was changed or deleted meanwhile', old.name), HINT = 'Try again.';
		END IF;
	END IF;
	SELECT d.* INTO new FROM telemetry.metric_definition AS d WHERE d.metric_id = new.metric_id;
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.write_metric_definition() IS
	'Trigger of telemetry.metric_definition: does to telemetry.metric and telemetry.retention what is done to the view. Errors: invalid_parameter_value, serialization_failure.';
CREATE TRIGGER write_metric_definition INSTEAD OF INSERT OR UPDATE OR DELETE ON telemetry.metric_definition
	FOR EACH ROW EXECUTE FUNCTION telemetry.write_metric_definition();

CREATE FUNCTION telemetry.metric_definition_of(metric text) RETURNS telemetry.metric_definition
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	found telemetry.metric_definition;
BEGIN
	SELECT d.* INTO found
	FROM telemetry.metric_definition AS d
	WHERE CASE WHEN d.name_pattern IS NULL THEN d.name = metric_definition_of.metric
		ELSE metric_definition_of.metric COLLATE "C" LIKE d.name_pattern END
	ORDER BY d.name_pattern IS NOT NULL, octet_length(d.name_pattern) DESC, d.name
	LIMIT 1;
	RETURN found;
END
$$;
COMMENT ON FUNCTION telemetry.metric_definition_of(text) IS
	'The definition that counts for a metric, its own or one by a pattern that it is like; null: there is none.';

-- What is told of them -------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.publish_metrics() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT telemetry.may_publish() THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'DELETE' THEN
		INSERT INTO telemetry.outbox (event_type, key, data)
		SELECT 'metric.deleted', o.name, telemetry.utc_times(to_jsonb(o))
		FROM old_metric AS o ORDER BY o.name;
	ELSE
		INSERT INTO telemetry.outbox (event_type, key, data)
		SELECT 'metric.defined', n.name,
			telemetry.utc_times(to_jsonb(d)) || jsonb_build_object('change', CASE TG_OP WHEN 'INSERT' THEN 'created' ELSE 'changed' END)
		FROM new_metric AS n
		JOIN telemetry.metric_definition AS d ON d.metric_id = n.metric_id
		ORDER BY n.name;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.publish_metrics() IS
	'Trigger of telemetry.metric: tells telemetry.outbox of definitions that are made, changed and deleted.';
CREATE TRIGGER publish_inserted AFTER INSERT ON telemetry.metric
	REFERENCING NEW TABLE AS new_metric FOR EACH STATEMENT EXECUTE FUNCTION telemetry.publish_metrics();
CREATE TRIGGER publish_updated AFTER UPDATE ON telemetry.metric
	REFERENCING NEW TABLE AS new_metric FOR EACH STATEMENT EXECUTE FUNCTION telemetry.publish_metrics();
CREATE TRIGGER publish_deleted AFTER DELETE ON telemetry.metric
	REFERENCING OLD TABLE AS old_metric FOR EACH STATEMENT EXECUTE FUNCTION telemetry.publish_metrics();

REVOKE ALL ON FUNCTION telemetry.metric_definition_of(text), telemetry.set_retention(text, integer) FROM PUBLIC;
GRANT SELECT ON telemetry.metric, telemetry.metric_definition TO telemetry_reader;
GRANT INSERT, UPDATE, DELETE ON telemetry.metric, telemetry.metric_definition TO telemetry_admin;
GRANT EXECUTE ON FUNCTION telemetry.metric_definition_of(text) TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.set_retention(text, integer) TO telemetry_admin, telemetry_writer;
