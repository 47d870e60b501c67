-- telemetry.value: one measurement of any of six kinds.

CREATE TYPE telemetry.value;

CREATE FUNCTION telemetry.value_in(cstring) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_in';
COMMENT ON FUNCTION telemetry.value_in(cstring) IS
	'Input: JSON, or NaN, Infinity, -Infinity. Errors: invalid_text_representation; numeric_value_out_of_range for a number beyond float8.';

CREATE FUNCTION telemetry.value_out(telemetry.value) RETURNS cstring
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_out';
COMMENT ON FUNCTION telemetry.value_out(telemetry.value) IS
	'Output: JSON that reads back as an equal value; numbers in the fewest digits that do.';

-- The encoding of the client decides what text bytes mean: stable, not immutable.
CREATE FUNCTION telemetry.value_recv(internal) RETURNS telemetry.value
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_recv';
COMMENT ON FUNCTION telemetry.value_recv(internal) IS
	'Binary input: a kind byte (1 numeric, 2 text, 3 boolean, 4 json, 5 geo, 6 binary), then the payload, float8s in network order. Error: invalid_binary_representation.';

CREATE FUNCTION telemetry.value_send(telemetry.value) RETURNS bytea
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_send';
COMMENT ON FUNCTION telemetry.value_send(telemetry.value) IS
	'Binary output: a kind byte, then the payload, as value_recv takes it.';

CREATE TYPE telemetry.value (
	INPUT = telemetry.value_in,
	OUTPUT = telemetry.value_out,
	RECEIVE = telemetry.value_recv,
	SEND = telemetry.value_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE telemetry.value IS
	'One measurement: a number (float8), text, boolean, json, geo (latitude, longitude in degrees, altitude in metres) or binary. Written as JSON: 25.5, "open", true, {"a": 1}, {"$geo":[52.1,5.2]}, {"$binary":"3q0="}.';

-- Casts to value. A text becomes a text value as it stands; only literals are read as JSON.
-- Each type of the string category has its own cast, else the server would offer one by way of
-- the text form, quotes and all.

CREATE FUNCTION telemetry.float8_to_value(float8) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_float8_to_value';
COMMENT ON FUNCTION telemetry.float8_to_value(float8) IS
	'A numeric value of a float8.';
CREATE CAST (float8 AS telemetry.value) WITH FUNCTION telemetry.float8_to_value(float8) AS ASSIGNMENT;
COMMENT ON CAST (float8 AS telemetry.value) IS
	'A numeric value of a float8.';

CREATE FUNCTION telemetry.float4_to_value(float4) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_float4_to_value';
COMMENT ON FUNCTION telemetry.float4_to_value(float4) IS
	'A numeric value of a float4, widened exactly: 0.1 becomes 0.10000000149011612.';
CREATE CAST (float4 AS telemetry.value) WITH FUNCTION telemetry.float4_to_value(float4) AS ASSIGNMENT;
COMMENT ON CAST (float4 AS telemetry.value) IS
	'A numeric value of a float4, widened exactly: 0.1 becomes 0.10000000149011612.';

CREATE FUNCTION telemetry.int2_to_value(int2) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_int2_to_value';
COMMENT ON FUNCTION telemetry.int2_to_value(int2) IS
	'A numeric value of an int2.';
CREATE CAST (int2 AS telemetry.value) WITH FUNCTION telemetry.int2_to_value(int2) AS ASSIGNMENT;
COMMENT ON CAST (int2 AS telemetry.value) IS
	'A numeric value of an int2.';

CREATE FUNCTION telemetry.int4_to_value(int4) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_int4_to_value';
COMMENT ON FUNCTION telemetry.int4_to_value(int4) IS
	'A numeric value of an int4.';
CREATE CAST (int4 AS telemetry.value) WITH FUNCTION telemetry.int4_to_value(int4) AS ASSIGNMENT;
COMMENT ON CAST (int4 AS telemetry.value) IS
	'A numeric value of an int4.';

CREATE FUNCTION telemetry.int8_to_value(int8) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_int8_to_value';
COMMENT ON FUNCTION telemetry.int8_to_value(int8) IS
	'A numeric value of an int8. Beyond 2^53 it becomes the nearest float8.';
CREATE CAST (int8 AS telemetry.value) WITH FUNCTION telemetry.int8_to_value(int8) AS ASSIGNMENT;
COMMENT ON CAST (int8 AS telemetry.value) IS
	'A numeric value of an int8. Beyond 2^53 it becomes the nearest float8.';

CREATE FUNCTION telemetry.numeric_to_value(numeric) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_numeric_to_value';
COMMENT ON FUNCTION telemetry.numeric_to_value(numeric) IS
	'A numeric value of a numeric, as the nearest float8. Error: numeric_value_out_of_range beyond float8.';
CREATE CAST (numeric AS telemetry.value) WITH FUNCTION telemetry.numeric_to_value(numeric) AS ASSIGNMENT;
COMMENT ON CAST (numeric AS telemetry.value) IS
	'A numeric value of a numeric, as the nearest float8. Error: numeric_value_out_of_range beyond float8.';

CREATE FUNCTION telemetry.text_to_value(text) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_text_to_value';
COMMENT ON FUNCTION telemetry.text_to_value(text) IS
	'A text value of a text as it stands: nothing is parsed.';
CREATE CAST (text AS telemetry.value) WITH FUNCTION telemetry.text_to_value(text) AS ASSIGNMENT;
COMMENT ON CAST (text AS telemetry.value) IS
	'A text value of a text as it stands: nothing is parsed.';

CREATE CAST (varchar AS telemetry.value) WITH FUNCTION telemetry.text_to_value(text) AS ASSIGNMENT;
COMMENT ON CAST (varchar AS telemetry.value) IS
	'A text value of a varchar as it stands: nothing is parsed.';

CREATE FUNCTION telemetry.bpchar_to_value(bpchar) RETURNS telemetry.value
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT telemetry.text_to_value($1::pg_catalog.text) $$;
COMMENT ON FUNCTION telemetry.bpchar_to_value(bpchar) IS
	'A text value of a char(n), without the padding.';
CREATE CAST (bpchar AS telemetry.value) WITH FUNCTION telemetry.bpchar_to_value(bpchar) AS ASSIGNMENT;
COMMENT ON CAST (bpchar AS telemetry.value) IS
	'A text value of a char(n), without the padding.';

CREATE FUNCTION telemetry.name_to_value(name) RETURNS telemetry.value
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT telemetry.text_to_value($1::pg_catalog.text) $$;
COMMENT ON FUNCTION telemetry.name_to_value(name) IS
	'A text value of a name.';
CREATE CAST (name AS telemetry.value) WITH FUNCTION telemetry.name_to_value(name) AS ASSIGNMENT;
COMMENT ON CAST (name AS telemetry.value) IS
	'A text value of a name.';

CREATE FUNCTION telemetry.boolean_to_value(boolean) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_boolean_to_value';
COMMENT ON FUNCTION telemetry.boolean_to_value(boolean) IS
	'A boolean value.';
CREATE CAST (boolean AS telemetry.value) WITH FUNCTION telemetry.boolean_to_value(boolean) AS ASSIGNMENT;
COMMENT ON CAST (boolean AS telemetry.value) IS
	'A boolean value.';

CREATE FUNCTION telemetry.jsonb_to_value(jsonb) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_jsonb_to_value';
COMMENT ON FUNCTION telemetry.jsonb_to_value(jsonb) IS
	'The value of a JSON document: a scalar becomes the kind it is, {"$geo": ...} and {"$binary": ...} geo and binary, all else json. Error: invalid_parameter_value for null, a number beyond float8, or a wrong $geo or $binary.';
CREATE CAST (jsonb AS telemetry.value) WITH FUNCTION telemetry.jsonb_to_value(jsonb) AS ASSIGNMENT;
COMMENT ON CAST (jsonb AS telemetry.value) IS
	'The value of a JSON document: a scalar becomes the kind it is, {"$geo": ...} and {"$binary": ...} geo and binary, all else json. Error: invalid_parameter_value for null, a number beyond float8, or a wrong $geo or $binary.';

CREATE FUNCTION telemetry.bytea_to_value(bytea) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_bytea_to_value';
COMMENT ON FUNCTION telemetry.bytea_to_value(bytea) IS
	'A binary value.';
CREATE CAST (bytea AS telemetry.value) WITH FUNCTION telemetry.bytea_to_value(bytea) AS ASSIGNMENT;
COMMENT ON CAST (bytea AS telemetry.value) IS
	'A binary value.';

-- Casts from value. Only float8 is an assignment cast: all others are to be asked for.

CREATE FUNCTION telemetry.value_to_float8(telemetry.value) RETURNS float8
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_float8';
COMMENT ON FUNCTION telemetry.value_to_float8(telemetry.value) IS
	'The number of a numeric value. Error: datatype_mismatch if it is not numeric.';
CREATE CAST (telemetry.value AS float8) WITH FUNCTION telemetry.value_to_float8(telemetry.value) AS ASSIGNMENT;
COMMENT ON CAST (telemetry.value AS float8) IS
	'The number of a numeric value. Error: datatype_mismatch if it is not numeric.';

CREATE FUNCTION telemetry.value_to_float4(telemetry.value) RETURNS float4
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_float4';
COMMENT ON FUNCTION telemetry.value_to_float4(telemetry.value) IS
	'The number of a numeric value, rounded to float4. Error: datatype_mismatch if it is not numeric, numeric_value_out_of_range.';
CREATE CAST (telemetry.value AS float4) WITH FUNCTION telemetry.value_to_float4(telemetry.value);
COMMENT ON CAST (telemetry.value AS float4) IS
	'The number of a numeric value, rounded to float4. Error: datatype_mismatch if it is not numeric, numeric_value_out_of_range.';

CREATE FUNCTION telemetry.value_to_int2(telemetry.value) RETURNS int2
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_int2';
COMMENT ON FUNCTION telemetry.value_to_int2(telemetry.value) IS
	'The number of a numeric value, rounded as float8 to int2. Error: datatype_mismatch if it is not numeric, numeric_value_out_of_range.';
CREATE CAST (telemetry.value AS int2) WITH FUNCTION telemetry.value_to_int2(telemetry.value);
COMMENT ON CAST (telemetry.value AS int2) IS
	'The number of a numeric value, rounded as float8 to int2. Error: datatype_mismatch if it is not numeric, numeric_value_out_of_range.';

CREATE FUNCTION telemetry.value_to_int4(telemetry.value) RETURNS int4
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_int4';
COMMENT ON FUNCTION telemetry.value_to_int4(telemetry.value) IS
	'The number of a numeric value, rounded as float8 to int4. Error: datatype_mismatch if it is not numeric, numeric_value_out_of_range.';
CREATE CAST (telemetry.value AS int4) WITH FUNCTION telemetry.value_to_int4(telemetry.value);
COMMENT ON CAST (telemetry.value AS int4) IS
	'The number of a numeric value, rounded as float8 to int4. Error: datatype_mismatch if it is not numeric, numeric_value_out_of_range.';

CREATE FUNCTION telemetry.value_to_int8(telemetry.value) RETURNS int8
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_int8';
COMMENT ON FUNCTION telemetry.value_to_int8(telemetry.value) IS
	'The number of a numeric value, rounded as float8 to int8. Error: datatype_mismatch if it is not numeric, numeric_value_out_of_range.';
CREATE CAST (telemetry.value AS int8) WITH FUNCTION telemetry.value_to_int8(telemetry.value);
COMMENT ON CAST (telemetry.value AS int8) IS
	'The number of a numeric value, rounded as float8 to int8. Error: datatype_mismatch if it is not numeric, numeric_value_out_of_range.';

CREATE FUNCTION telemetry.value_to_numeric(telemetry.value) RETURNS numeric
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_numeric';
COMMENT ON FUNCTION telemetry.value_to_numeric(telemetry.value) IS
	'The number of a numeric value, to 15 digits as float8 to numeric. Error: datatype_mismatch if it is not numeric.';
CREATE CAST (telemetry.value AS numeric) WITH FUNCTION telemetry.value_to_numeric(telemetry.value);
COMMENT ON CAST (telemetry.value AS numeric) IS
	'The number of a numeric value, to 15 digits as float8 to numeric. Error: datatype_mismatch if it is not numeric.';

CREATE FUNCTION telemetry.value_to_boolean(telemetry.value) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_boolean';
COMMENT ON FUNCTION telemetry.value_to_boolean(telemetry.value) IS
	'The truth of a boolean value. Error: datatype_mismatch if it is not boolean.';
CREATE CAST (telemetry.value AS boolean) WITH FUNCTION telemetry.value_to_boolean(telemetry.value);
COMMENT ON CAST (telemetry.value AS boolean) IS
	'The truth of a boolean value. Error: datatype_mismatch if it is not boolean.';

CREATE FUNCTION telemetry.value_to_bytea(telemetry.value) RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_bytea';
COMMENT ON FUNCTION telemetry.value_to_bytea(telemetry.value) IS
	'The bytes of a binary value. Error: datatype_mismatch if it is not binary.';
CREATE CAST (telemetry.value AS bytea) WITH FUNCTION telemetry.value_to_bytea(telemetry.value);
COMMENT ON CAST (telemetry.value AS bytea) IS
	'The bytes of a binary value. Error: datatype_mismatch if it is not binary.';

CREATE FUNCTION telemetry.value_to_text(telemetry.value) RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_text';
COMMENT ON FUNCTION telemetry.value_to_text(telemetry.value) IS
	'The text of a text value without quotes; the JSON text form of any other kind.';
CREATE CAST (telemetry.value AS text) WITH FUNCTION telemetry.value_to_text(telemetry.value);
COMMENT ON CAST (telemetry.value AS text) IS
	'The text of a text value without quotes; the JSON text form of any other kind.';

CREATE CAST (telemetry.value AS varchar) WITH FUNCTION telemetry.value_to_text(telemetry.value);
COMMENT ON CAST (telemetry.value AS varchar) IS
	'As the cast to text.';

CREATE CAST (telemetry.value AS bpchar) WITH FUNCTION telemetry.value_to_text(telemetry.value);
COMMENT ON CAST (telemetry.value AS bpchar) IS
	'As the cast to text.';

CREATE FUNCTION telemetry.value_to_name(telemetry.value) RETURNS name
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT telemetry.value_to_text($1)::pg_catalog.name $$;
COMMENT ON FUNCTION telemetry.value_to_name(telemetry.value) IS
	'The text as value_to_text gives it, cut to the length of a name.';
CREATE CAST (telemetry.value AS name) WITH FUNCTION telemetry.value_to_name(telemetry.value);
COMMENT ON CAST (telemetry.value AS name) IS
	'As the cast to text, cut to the length of a name.';

-- to_json, to_jsonb, row_to_json and json_agg find the cast to json, so rows show values as JSON.
CREATE FUNCTION telemetry.value_to_json(telemetry.value) RETURNS json
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_json';
COMMENT ON FUNCTION telemetry.value_to_json(telemetry.value) IS
	'The value as JSON; NaN and infinities, which JSON lacks, as strings.';
CREATE CAST (telemetry.value AS json) WITH FUNCTION telemetry.value_to_json(telemetry.value);
COMMENT ON CAST (telemetry.value AS json) IS
	'The value as JSON; NaN and infinities, which JSON lacks, as strings.';

CREATE FUNCTION telemetry.value_to_jsonb(telemetry.value) RETURNS jsonb
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_to_jsonb';
COMMENT ON FUNCTION telemetry.value_to_jsonb(telemetry.value) IS
	'The value as JSON; NaN and infinities, which JSON lacks, as strings.';
CREATE CAST (telemetry.value AS jsonb) WITH FUNCTION telemetry.value_to_jsonb(telemetry.value);
COMMENT ON CAST (telemetry.value AS jsonb) IS
	'The value as JSON; NaN and infinities, which JSON lacks, as strings.';

-- Accessors.

CREATE FUNCTION telemetry.kind(telemetry.value) RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_kind';
COMMENT ON FUNCTION telemetry.kind(telemetry.value) IS
	'The kind of a value: numeric, text, boolean, json, geo or binary.';

CREATE FUNCTION telemetry.num(telemetry.value) RETURNS float8
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_num';
COMMENT ON FUNCTION telemetry.num(telemetry.value) IS
	'The number of a numeric value, NULL of any other kind.';

CREATE FUNCTION telemetry.geo(latitude float8, longitude float8, altitude float8 DEFAULT NULL) RETURNS telemetry.value
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_geo';
COMMENT ON FUNCTION telemetry.geo(float8, float8, float8) IS
	'A geo value: latitude -90..90 and longitude -180..180 in degrees, altitude in metres or NULL. NULL if latitude or longitude is. Error: numeric_value_out_of_range.';

CREATE FUNCTION telemetry.latitude(telemetry.value) RETURNS float8
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_latitude';
COMMENT ON FUNCTION telemetry.latitude(telemetry.value) IS
	'The latitude of a geo value in degrees, NULL of any other kind.';

CREATE FUNCTION telemetry.longitude(telemetry.value) RETURNS float8
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_longitude';
COMMENT ON FUNCTION telemetry.longitude(telemetry.value) IS
	'The longitude of a geo value in degrees, NULL of any other kind.';

CREATE FUNCTION telemetry.altitude(telemetry.value) RETURNS float8
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_altitude';
COMMENT ON FUNCTION telemetry.altitude(telemetry.value) IS
	'The altitude of a geo value in metres, NULL of any other kind or if there is none.';

-- Order: kind, then numbers as float8 (NaN highest), places by latitude, longitude, altitude,
-- text, json and binary by bytes, booleans false first.

CREATE FUNCTION telemetry.value_eq(telemetry.value, telemetry.value) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_eq';
COMMENT ON FUNCTION telemetry.value_eq(telemetry.value, telemetry.value) IS
	'Whether the first value is equal to the second in the order of telemetry.value.';
CREATE OPERATOR telemetry.= (
	LEFTARG = telemetry.value,
	RIGHTARG = telemetry.value,
	FUNCTION = telemetry.value_eq,
	COMMUTATOR = OPERATOR(telemetry.=),
	NEGATOR = OPERATOR(telemetry.<>),
	RESTRICT = eqsel,
	JOIN = eqjoinsel,
	HASHES,
	MERGES
);
COMMENT ON OPERATOR telemetry.= (telemetry.value, telemetry.value) IS 'equal to';

CREATE FUNCTION telemetry.value_ne(telemetry.value, telemetry.value) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_ne';
COMMENT ON FUNCTION telemetry.value_ne(telemetry.value, telemetry.value) IS
	'Whether the first value is not equal to the second in the order of telemetry.value.';
CREATE OPERATOR telemetry.<> (
	LEFTARG = telemetry.value,
	RIGHTARG = telemetry.value,
	FUNCTION = telemetry.value_ne,
	COMMUTATOR = OPERATOR(telemetry.<>),
	NEGATOR = OPERATOR(telemetry.=),
	RESTRICT = neqsel,
	JOIN = neqjoinsel
);
COMMENT ON OPERATOR telemetry.<> (telemetry.value, telemetry.value) IS 'not equal to';

CREATE FUNCTION telemetry.value_lt(telemetry.value, telemetry.value) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_lt';
COMMENT ON FUNCTION telemetry.value_lt(telemetry.value, telemetry.value) IS
	'Whether the first value is less than the second in the order of telemetry.value.';
CREATE OPERATOR telemetry.< (
	LEFTARG = telemetry.value,
	RIGHTARG = telemetry.value,
	FUNCTION = telemetry.value_lt,
	COMMUTATOR = OPERATOR(telemetry.>),
	NEGATOR = OPERATOR(telemetry.>=),
	RESTRICT = scalarltsel,
	JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR telemetry.< (telemetry.value, telemetry.value) IS 'less than';

CREATE FUNCTION telemetry.value_le(telemetry.value, telemetry.value) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_le';
COMMENT ON FUNCTION telemetry.value_le(telemetry.value, telemetry.value) IS
	'Whether the first value is less than or equal to the second in the order of telemetry.value.';
CREATE OPERATOR telemetry.<= (
	LEFTARG = telemetry.value,
	RIGHTARG = telemetry.value,
	FUNCTION = telemetry.value_le,
	COMMUTATOR = OPERATOR(telemetry.>=),
	NEGATOR = OPERATOR(telemetry.>),
	RESTRICT = scalarlesel,
	JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR telemetry.<= (telemetry.value, telemetry.value) IS 'less than or equal to';

CREATE FUNCTION telemetry.value_gt(telemetry.value, telemetry.value) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_gt';
COMMENT ON FUNCTION telemetry.value_gt(telemetry.value, telemetry.value) IS
	'Whether the first value is greater than the second in the order of telemetry.value.';
CREATE OPERATOR telemetry.> (
	LEFTARG = telemetry.value,
	RIGHTARG = telemetry.value,
	FUNCTION = telemetry.value_gt,
	COMMUTATOR = OPERATOR(telemetry.<),
	NEGATOR = OPERATOR(telemetry.<=),
	RESTRICT = scalargtsel,
	JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR telemetry.> (telemetry.value, telemetry.value) IS 'greater than';

CREATE FUNCTION telemetry.value_ge(telemetry.value, telemetry.value) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_ge';
COMMENT ON FUNCTION telemetry.value_ge(telemetry.value, telemetry.value) IS
	'Whether the first value is greater than or equal to the second in the order of telemetry.value.';
CREATE OPERATOR telemetry.>= (
	LEFTARG = telemetry.value,
	RIGHTARG = telemetry.value,
	FUNCTION = telemetry.value_ge,
	COMMUTATOR = OPERATOR(telemetry.<=),
	NEGATOR = OPERATOR(telemetry.<),
	RESTRICT = scalargesel,
	JOIN = scalargejoinsel
);
COMMENT ON OPERATOR telemetry.>= (telemetry.value, telemetry.value) IS 'greater than or equal to';

CREATE FUNCTION telemetry.value_cmp(telemetry.value, telemetry.value) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_cmp';
COMMENT ON FUNCTION telemetry.value_cmp(telemetry.value, telemetry.value) IS
	'Less than, equal to or greater than zero as the first value is less than, equal to or greater than the second.';
CREATE FUNCTION telemetry.value_hash(telemetry.value) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_hash';
COMMENT ON FUNCTION telemetry.value_hash(telemetry.value) IS
	'A hash, the same for equal values.';
CREATE FUNCTION telemetry.value_hash_extended(telemetry.value, bigint) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_value_hash_extended';
COMMENT ON FUNCTION telemetry.value_hash_extended(telemetry.value, bigint) IS
	'A 64-bit hash with a seed, the same for equal values.';

CREATE OPERATOR CLASS telemetry.value_ops DEFAULT FOR TYPE telemetry.value USING btree AS
	OPERATOR 1 telemetry.<,
	OPERATOR 2 telemetry.<=,
	OPERATOR 3 telemetry.=,
	OPERATOR 4 telemetry.>=,
	OPERATOR 5 telemetry.>,
	FUNCTION 1 telemetry.value_cmp(telemetry.value, telemetry.value);
COMMENT ON OPERATOR CLASS telemetry.value_ops USING btree IS 'Order of telemetry.value.';
COMMENT ON OPERATOR FAMILY telemetry.value_ops USING btree IS 'Order of telemetry.value; value_ops is its one class.';

CREATE OPERATOR CLASS telemetry.value_ops DEFAULT FOR TYPE telemetry.value USING hash AS
	OPERATOR 1 telemetry.=,
	FUNCTION 1 telemetry.value_hash(telemetry.value),
	FUNCTION 2 telemetry.value_hash_extended(telemetry.value, bigint);
COMMENT ON OPERATOR CLASS telemetry.value_ops USING hash IS 'Equality of telemetry.value.';
COMMENT ON OPERATOR FAMILY telemetry.value_ops USING hash IS 'Equality of telemetry.value; value_ops is its one class.';
