-- What is done in steps of so many rows is done to no more of them, whatever plan is chosen.  A subquery with LIMIT and FOR UPDATE
-- behind IN may be run again for each outer row, and then skips what is gone: such are arrays, or WITH … MATERIALIZED.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;

BEGIN;
SELECT no_plan();

\set limited 'IN \\(\\s*SELECT([^()]|\\([^()]*\\)|\\(([^()]|\\([^()]*\\))*\\))*\\mLIMIT\\M'
SELECT ok('DELETE FROM t AS o WHERE o.id IN (' || E'\n\t' || 'SELECT e.id FROM t AS e WHERE e.at < now() - f((1)) LIMIT 3 FOR UPDATE SKIP LOCKED)' ~ :'limited',
	'a limited subquery behind IN is found');
SELECT is_empty(format($$
	SELECT p.oid::regprocedure FROM pg_proc AS p
	WHERE p.pronamespace = 'telemetry'::regnamespace AND p.prokind IN ('f', 'p') AND pg_get_functiondef(p.oid) ~ %L$$, :'limited'),
	'no function has one');

-- The plan in which it showed.
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_material = off;
SET LOCAL enable_memoize = off;
SET LOCAL enable_hashagg = off;
SET LOCAL enable_sort = off;

INSERT INTO telemetry.alert_rule_error (rule_id, occurred_at, error, error_code)
SELECT 'none', now() - interval '30 days', 'an error', 'XX000' FROM generate_series(1, 20);
CREATE TEMP TABLE pruned AS SELECT telemetry.prune_alerts(3) AS more;
SELECT is(count(*), 17::bigint, 'prune_alerts(3) removes three errors') FROM telemetry.alert_rule_error WHERE rule_id = 'none';

INSERT INTO telemetry.outbox (event_type, key, data, created_at)
SELECT 'test.done', n::text, '{}', now() - interval '10 years' FROM generate_series(1, 20) AS n;
SELECT is(telemetry.prune_outbox(3), 3::bigint, 'prune_outbox(3) says three');
SELECT is(count(*), 17::bigint, 'and removes three') FROM telemetry.outbox WHERE event_type = 'test.done';

SELECT * FROM finish();
ROLLBACK;
