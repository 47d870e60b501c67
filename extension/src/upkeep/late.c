/*
 * late.c
 *		Late points that retention has no use for.  See late.h.
 */
#include "upkeep/late.h"

#include "base/statement.h"
#include "block/block.h"
#include "executor/spi.h"
#include "rollup/retention.h"
#include "storage/lmgr.h"
#include "upkeep/expire.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

struct TlLate
{
	TlRetention *applied; /* as of the day that all buckets have been gone through for */
	TlRetention *pass;	  /* as of the day of the pass under way; null: there is none */
	int64 *todo;		  /* by bucket: the first day that the pass has not gone through */
	int64 latest;		  /* no day from here on is concerned */
};

typedef struct State
{
	bool pass; /* one is dropping points */
	int64 pass_day;
	int64 applied_day;
} State;

static TlStatement read_state = {"SELECT phase = 'points', pass_day,"
								 " CASE phase WHEN 'rollups' THEN pass_day ELSE done_day END"
								 " FROM telemetry.retention_state",
								 0,
								 {InvalidOid},
								 NULL};

static int64
day_field(int number)
{
	bool isnull;
	Datum date = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &isnull);

	return isnull ? DT_NOBEGIN : tl_expire_time_of_date(DatumGetDateADT(date));
}

static State
load_state(void)
{
	State state = {.pass_day = DT_NOBEGIN, .applied_day = DT_NOBEGIN};
	TlStatementScope scope;

	tl_statement_begin(&scope);
	tl_statement_execute(&read_state, NULL, NULL, true, 1);
	if (SPI_processed > 0)
	{
		bool isnull;

		state.pass =
			DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		state.pass_day = day_field(2);
		state.applied_day = day_field(3);
	}
	tl_statement_end(&scope);
	return state;
}

static void
load_pass(TlLate *late, int64 day, int buckets)
{
	uint32 n;
	TlExpireTodo *todo = tl_expire_read_todo(&n);

	late->pass = tl_retention_load_as_of(day);
	late->todo = palloc(sizeof(int64) * buckets);
	for (int b = 0; b < buckets; b++)
		late->todo[b] = DT_NOEND;
	for (uint32 i = 0; i < n; i++)
		if (todo[i].bucket >= 0 && todo[i].bucket < buckets)
			late->todo[todo[i].bucket] = todo[i].day;
	late->latest = Max(late->latest, tl_retention_latest_expiry(late->pass));
}

static TlLate *
load(int buckets)
{
	TlLate *late = palloc0(sizeof(TlLate));
	State state = load_state();
	int64 today = tl_day_of(GetCurrentTimestamp());

	/* After the clock has gone back, what has expired since is kept again. */
	late->applied = tl_retention_load_as_of(Min(state.applied_day, today));
	late->latest = tl_retention_latest_expiry(late->applied);
	if (state.pass)
		load_pass(late, state.pass_day, buckets);
	return late;
}

TlLate *
tl_late_load(int64 first_day, int buckets)
{
	TlLate *late = load(buckets);

	if (late->pass == NULL || first_day >= late->latest)
		return late;
	/* Each step of the job has a lock that this one conflicts with; changes of rules have not. */
	if (!ConditionalLockRelationOid(tl_relation("retention"), RowExclusiveLock))
		return NULL;
	/* What the last step did may have been committed since. */
	PushActiveSnapshot(GetTransactionSnapshot());
	late = load(buckets);
	PopActiveSnapshot();
	return late;
}

bool
tl_late_is_dropped(const TlLate *late, int bucket, TlSlice metric, int64 day)
{
	if (likely(day >= late->latest))
		return false;
	if (day < tl_retention_expiry(late->applied, metric))
		return true;
	if (late->pass == NULL || day >= tl_retention_expiry(late->pass, metric))
		return false;
	/* There is nothing before what the pass may drop, and it would not be in the ledger. */
	return day < late->todo[bucket] || day < tl_retention_dropped_from(late->pass, metric);
}

bool
tl_late_is_day_dropped(const TlLate *late, int64 day)
{
	return day < tl_retention_earliest_expiry(late->applied);
}
