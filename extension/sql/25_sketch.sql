-- telemetry.sketch: quantiles of many float8 values in little memory, within 1 % of the value.
--
-- DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
-- relative-error guarantees", VLDB 2019). The same values give equal sketches in whatever order
-- they were added and merged.

CREATE TYPE telemetry.sketch;

CREATE FUNCTION telemetry.sketch_in(cstring) RETURNS telemetry.sketch
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_in';
COMMENT ON FUNCTION telemetry.sketch_in(cstring) IS
	'Input: a JSON object with the counts "-inf", "zero", "inf" and "nan", and in "negative" and "positive" those of buckets by their index; any may be left out. Error: invalid_text_representation.';

CREATE FUNCTION telemetry.sketch_out(telemetry.sketch) RETURNS cstring
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_out';
COMMENT ON FUNCTION telemetry.sketch_out(telemetry.sketch) IS
	'Output: JSON that reads back as an equal sketch; what is 0 is left out.';

CREATE FUNCTION telemetry.sketch_recv(internal) RETURNS telemetry.sketch
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_recv';
COMMENT ON FUNCTION telemetry.sketch_recv(internal) IS
	'Binary input: the stored form, whose first byte is its version. Error: invalid_binary_representation.';

CREATE FUNCTION telemetry.sketch_send(telemetry.sketch) RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_send';
COMMENT ON FUNCTION telemetry.sketch_send(telemetry.sketch) IS
	'Binary output: the stored form, as sketch_recv takes it. Equal sketches give equal bytes.';

-- The alignment is the least that a type of variable length may have; short ones have none.
CREATE TYPE telemetry.sketch (
	INPUT = telemetry.sketch_in,
	OUTPUT = telemetry.sketch_out,
	RECEIVE = telemetry.sketch_recv,
	SEND = telemetry.sketch_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE telemetry.sketch IS
	'What quantile() needs to know of many float8 values, to 1 %: about 20 bytes for an hour of one sensor. Made by the aggregate sketch(float8). Written as JSON: {"zero":2,"positive":{"152":3}}, where bucket i counts the values up to (1.01/0.99)^i.';

-- Aggregates. Their state is a sketch in memory, of 0.5 kB unless values differ widely.

CREATE FUNCTION telemetry.sketch_add(internal, float8) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_add';
COMMENT ON FUNCTION telemetry.sketch_add(internal, float8) IS
	'Of the aggregate sketch(float8): adds a value to the state.';

CREATE FUNCTION telemetry.sketch_add_sketch(internal, telemetry.sketch) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_add_sketch';
COMMENT ON FUNCTION telemetry.sketch_add_sketch(internal, telemetry.sketch) IS
	'Of the aggregate sketch_merge(telemetry.sketch): adds a sketch to the state. Error: data_corrupted.';

CREATE FUNCTION telemetry.sketch_combine(internal, internal) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_combine';
COMMENT ON FUNCTION telemetry.sketch_combine(internal, internal) IS
	'Of the aggregates of sketches: adds the second state to the first.';

CREATE FUNCTION telemetry.sketch_serialize(internal) RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_serialize';
COMMENT ON FUNCTION telemetry.sketch_serialize(internal) IS
	'Of the aggregates of sketches: a state as bytes, for another process.';

CREATE FUNCTION telemetry.sketch_deserialize(bytea, internal) RETURNS internal
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_deserialize';
COMMENT ON FUNCTION telemetry.sketch_deserialize(bytea, internal) IS
	'Of the aggregates of sketches: a state from the bytes of another process.';

CREATE FUNCTION telemetry.sketch_finish(internal) RETURNS telemetry.sketch
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_finish';
COMMENT ON FUNCTION telemetry.sketch_finish(internal) IS
	'Of the aggregates of sketches: the sketch of a state, which stays as it is. NULL if there was nothing to add.';

CREATE AGGREGATE telemetry.sketch(float8) (
	SFUNC = telemetry.sketch_add,
	STYPE = internal,
	SSPACE = 512,
	FINALFUNC = telemetry.sketch_finish,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = telemetry.sketch_combine,
	SERIALFUNC = telemetry.sketch_serialize,
	DESERIALFUNC = telemetry.sketch_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.sketch(float8) IS
	'A sketch of all values that are not NULL; NULL if there are none.';

CREATE AGGREGATE telemetry.sketch_merge(telemetry.sketch) (
	SFUNC = telemetry.sketch_add_sketch,
	STYPE = internal,
	SSPACE = 512,
	FINALFUNC = telemetry.sketch_finish,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = telemetry.sketch_combine,
	SERIALFUNC = telemetry.sketch_serialize,
	DESERIALFUNC = telemetry.sketch_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.sketch_merge(telemetry.sketch) IS
	'The sketch of all values of all sketches that are not NULL; NULL if there are none. Error: data_corrupted.';

-- Functions.

CREATE FUNCTION telemetry.sketch_merge(a telemetry.sketch, b telemetry.sketch) RETURNS telemetry.sketch
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'telemetry_sketch_merge';
COMMENT ON FUNCTION telemetry.sketch_merge(telemetry.sketch, telemetry.sketch) IS
	'The sketch of the values of both. Error: data_corrupted.';

CREATE FUNCTION telemetry.sketch_count(telemetry.sketch) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5 AS 'MODULE_PATHNAME', 'telemetry_sketch_count';
COMMENT ON FUNCTION telemetry.sketch_count(telemetry.sketch) IS
	'How many values were added, infinities and NaN included. Errors: numeric_value_out_of_range beyond bigint, data_corrupted.';

CREATE FUNCTION telemetry.quantile(telemetry.sketch, q float8) RETURNS float8
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5 AS 'MODULE_PATHNAME', 'telemetry_sketch_quantile';
COMMENT ON FUNCTION telemetry.quantile(telemetry.sketch, float8) IS
	'The value that the part q, 0 to 1, of all values is not above: within 1 % of percentile_disc(q) WITHIN GROUP (ORDER BY the values), NaN being the largest. NULL if the sketch is empty. Where magnitudes of one sign are more than 6e17 apart, the smallest lose the 1 %. Errors: invalid_parameter_value, data_corrupted.';

CREATE FUNCTION telemetry.quantile(telemetry.sketch, q float8[]) RETURNS float8[]
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'telemetry_sketch_quantiles';
COMMENT ON FUNCTION telemetry.quantile(telemetry.sketch, float8[]) IS
	'An array like q with the quantile for each of its elements; NULL for those that are NULL, and for all if the sketch is empty. Errors: invalid_parameter_value, data_corrupted.';

-- Equality. There is no order to sort sketches by.

CREATE FUNCTION telemetry.sketch_eq(telemetry.sketch, telemetry.sketch) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_eq';
COMMENT ON FUNCTION telemetry.sketch_eq(telemetry.sketch, telemetry.sketch) IS
	'Whether two sketches have the same counts.';
CREATE OPERATOR telemetry.= (
	LEFTARG = telemetry.sketch,
	RIGHTARG = telemetry.sketch,
	FUNCTION = telemetry.sketch_eq,
	COMMUTATOR = OPERATOR(telemetry.=),
	NEGATOR = OPERATOR(telemetry.<>),
	RESTRICT = eqsel,
	JOIN = eqjoinsel
);
COMMENT ON OPERATOR telemetry.= (telemetry.sketch, telemetry.sketch) IS 'equal to';

CREATE FUNCTION telemetry.sketch_ne(telemetry.sketch, telemetry.sketch) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_ne';
COMMENT ON FUNCTION telemetry.sketch_ne(telemetry.sketch, telemetry.sketch) IS
	'Whether two sketches have different counts.';
CREATE OPERATOR telemetry.<> (
	LEFTARG = telemetry.sketch,
	RIGHTARG = telemetry.sketch,
	FUNCTION = telemetry.sketch_ne,
	COMMUTATOR = OPERATOR(telemetry.<>),
	NEGATOR = OPERATOR(telemetry.=),
	RESTRICT = neqsel,
	JOIN = neqjoinsel
);
COMMENT ON OPERATOR telemetry.<> (telemetry.sketch, telemetry.sketch) IS 'not equal to';
