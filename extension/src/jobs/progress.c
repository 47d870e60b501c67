/*
 * progress.c
 *		The rows of telemetry.progress_state.  See progress.h.
 *
 * A backend writes only its own row, so nobody waits here.  Rows of backends that are gone are
 * told by their start time, do not show, and are removed by telemetry.job_prune().
 */
#include "jobs/progress.h"

#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static TlStatement report_row = {
	"INSERT INTO telemetry.progress_state AS p"
	" (pid, backend_start, command, phase, done, total, started_at, updated_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $7)"
	" ON CONFLICT (pid) DO UPDATE SET backend_start = EXCLUDED.backend_start,"
	" command = EXCLUDED.command, phase = EXCLUDED.phase,"
	" done = EXCLUDED.done, total = EXCLUDED.total, updated_at = EXCLUDED.updated_at,"
	" started_at = CASE WHEN p.backend_start = EXCLUDED.backend_start"
	" AND p.command = EXCLUDED.command THEN p.started_at ELSE EXCLUDED.started_at END",
	7,
	{INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID},
	NULL};

static TlStatement end_row = {
	"DELETE FROM telemetry.progress_state WHERE pid = $1", 1, {INT4OID}, NULL};

/* Never false again: whether the row is there depends on which transactions have committed. */
static bool has_reported = false;

void
tl_progress_report(const char *command, const char *phase, int64 done, int64 total)
{
	TlStatementScope scope;
	Datum values[7];
	char nulls[8] = "       ";

	tl_statement_begin(&scope);
	values[0] = Int32GetDatum(MyProcPid);
	values[1] = TimestampTzGetDatum(MyStartTimestamp);
	values[2] = CStringGetTextDatum(command);
	values[3] = CStringGetTextDatum(phase);
	values[4] = Int64GetDatum(done);
	values[5] = Int64GetDatum(total);
	values[6] = TimestampTzGetDatum(GetCurrentTimestamp());
	if (total <= 0)
		nulls[5] = 'n';
	has_reported = true;
	tl_statement_execute(&report_row, values, nulls, false, 0);
	tl_statement_end(&scope);
}

void
tl_progress_end(void)
{
	TlStatementScope scope;
	Datum pid = Int32GetDatum(MyProcPid);

	if (!has_reported)
		return;
	tl_statement_begin(&scope);
	tl_statement_execute(&end_row, &pid, NULL, false, 0);
	tl_statement_end(&scope);
}

/* report_progress(command, phase, done, total) and end_progress(): for work written in SQL. */
PG_FUNCTION_INFO_V1(telemetry_report_progress);
Datum
telemetry_report_progress(PG_FUNCTION_ARGS)
{
	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("command, phase and done must not be null")));
	tl_progress_report(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
					   PG_GETARG_INT64(2), PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(telemetry_end_progress);
Datum
telemetry_end_progress(PG_FUNCTION_ARGS)
{
	tl_progress_end();
	PG_RETURN_VOID();
}
