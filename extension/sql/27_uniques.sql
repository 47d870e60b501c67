-- Counts of unique texts, to 0.6 %: sketches of the extension hll. It may be in any schema, with whatever others have put
-- there, so its type and functions are bound here, once, by name and exact types; all else uses what is made here.

DO LANGUAGE plpgsql $$
DECLARE
	hll CONSTANT text := (
		SELECT quote_ident(n.nspname)
		FROM pg_extension AS e
		JOIN pg_namespace AS n ON n.oid = e.extnamespace
		WHERE e.extname = 'hll');
	statement text;
BEGIN
	FOREACH statement IN ARRAY ARRAY[
		'CREATE DOMAIN telemetry.uniques AS HLL.hll',
		'CREATE FUNCTION telemetry.unique_count(uniques HLL.hll) RETURNS bigint '
			'LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 AS ''MODULE_PATHNAME'', ''telemetry_unique_count''',
		'CREATE FUNCTION telemetry.uniques_union(a HLL.hll, b HLL.hll) RETURNS HLL.hll '
			'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN HLL.hll_union(a, b)',
		'CREATE FUNCTION telemetry.uniques_step(state internal, value text) RETURNS internal '
			'LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE AS ''MODULE_PATHNAME'', ''telemetry_uniques_step''',
		'CREATE AGGREGATE telemetry.uniques_of(value text) (SFUNC = telemetry.uniques_step, STYPE = internal, '
			'FINALFUNC = HLL.hll_pack, COMBINEFUNC = HLL.hll_union_internal, SERIALFUNC = HLL.hll_serialize, '
			'DESERIALFUNC = HLL.hll_deserialize, PARALLEL = SAFE)',
		'CREATE AGGREGATE telemetry.uniques_of_all(uniques HLL.hll) (SFUNC = HLL.hll_union_trans, STYPE = internal, '
			'FINALFUNC = HLL.hll_pack, COMBINEFUNC = HLL.hll_union_internal, SERIALFUNC = HLL.hll_serialize, '
			'DESERIALFUNC = HLL.hll_deserialize, PARALLEL = SAFE)',
		'CREATE FUNCTION telemetry.no_uniques() RETURNS HLL.hll '
			'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN (SELECT telemetry.uniques_of(NULL))',
		'COMMENT ON FUNCTION telemetry.unique_count(HLL.hll) IS ''How many different values a sketch has seen: exact up to 256, then to 0.6 % '
			'(standard error), without bias. Null if the sketch is undefined. Error: data_corrupted.''',
		'COMMENT ON FUNCTION telemetry.uniques_union(HLL.hll, HLL.hll) IS ''The sketch of what either has seen.''',
		'COMMENT ON AGGREGATE telemetry.uniques_of_all(HLL.hll) IS ''The sketch of what any of them has seen; null if there is none.'''
	] LOOP
		EXECUTE replace(statement, 'HLL', hll);
	END LOOP;
END
$$;
COMMENT ON DOMAIN telemetry.uniques IS 'A sketch of how many different texts there are, an hll of 2^15 registers of 5 bits.';
COMMENT ON FUNCTION telemetry.uniques_step(internal, text) IS 'Step of the aggregate telemetry.uniques_of(text).';
COMMENT ON AGGREGATE telemetry.uniques_of(text) IS
	'A sketch of the values, of which telemetry.unique_count() tells how many there are: to 0.6 %, up to 256 exactly. Nulls do not count. Null if there are no rows.';
COMMENT ON FUNCTION telemetry.no_uniques() IS 'A sketch that has seen nothing.';
