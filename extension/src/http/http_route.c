/*
 * http_route.c
 *		The rows of telemetry.route that bring events.  See http_route.h.
 *
 * They live in a memory context of their own.  When they are read again the old ones are left to
 * the transaction, since requests under way may still use them.
 */
#include "http/http_route.h"

#include "access/xact.h"
#include "base/at_end.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(telemetry_route_changed);

#define MAX_EVENTS_DEFAULT 10000

static TlStatement read_dialects = {"SELECT * FROM telemetry.dialect", 0, {0}, NULL};

static TlStatement read_routes = {"SELECT method || ' ' || path, stream, dialect,"
								  " batch, max_events, params, log_batches, takes_array"
								  " FROM telemetry.route WHERE stream IS NOT NULL",
								  0,
								  {0},
								  NULL};

static MemoryContext routes_context = NULL;
static TlDialect *dialects;
static int n_dialects;
static TlRoute *routes;
static int n_routes;
/* Which telemetry.route they were read from; another one if the extension was created anew. */
static Oid routes_of = InvalidOid;
static bool routes_stale = true;

static void
on_change(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == routes_of)
		routes_stale = true;
}

const TlRoute *
tl_route_find(TlSlice name)
{
	for (int i = 0; i < n_routes; i++)
		if (tl_slice_equal(routes[i].name, name))
			return &routes[i];
	return NULL;
}

const TlDialect *
tl_dialect_find(TlSlice name)
{
	for (int i = 0; i < n_dialects; i++)
		if (tl_slice_equal(dialects[i].name, name))
			return &dialects[i];
	return NULL;
}

static void
read_route(TlRoute *r, HeapTuple tuple, TupleDesc desc)
{
	Datum values[8];
	bool nulls[8];

	for (int i = 0; i < (int) lengthof(values); i++)
		values[i] = SPI_getbinval(tuple, desc, i + 1, &nulls[i]);
	r->name = tl_slice_copy(routes_context, tl_slice_of_text(values[0]));
	r->stream = tl_slice_copy(routes_context, tl_slice_of_text(values[1]));
	r->dialect = tl_dialect_find(tl_slice_of_text(values[2]));
	r->batch = DatumGetBool(values[3]);
	r->max_events = nulls[4] ? MAX_EVENTS_DEFAULT : DatumGetInt32(values[4]);
	r->params = DatumGetJsonbPCopy(values[5]);
	r->log_batches = DatumGetBool(values[6]);
	r->takes_array = DatumGetBool(values[7]);
}

static void
read_all(void)
{
	MemoryContext old;
	SPITupleTable *rows;
	uint64 n;

	tl_statement_execute(&read_dialects, NULL, NULL, false, 0);
	n = SPI_processed;
	rows = SPI_tuptable;
	old = MemoryContextSwitchTo(routes_context);
	dialects = palloc0(sizeof(TlDialect) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
		tl_dialect_read(&dialects[n_dialects++], rows->vals[i], rows->tupdesc);
	MemoryContextSwitchTo(old);

	tl_statement_execute(&read_routes, NULL, NULL, false, 0);
	n = SPI_processed;
	rows = SPI_tuptable;
	MemoryContextSwitchTo(routes_context);
	routes = palloc0(sizeof(TlRoute) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		read_route(&routes[n_routes], rows->vals[i], rows->tupdesc);
		/* Only a restore that is under way can have a route without its dialect. */
		if (routes[n_routes].dialect != NULL)
			n_routes++;
	}
	MemoryContextSwitchTo(old);
}

void
tl_routes_refresh(void)
{
	static bool registered = false;
	Oid relid = tl_relation("route");
	TlStatementScope scope;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(on_change, (Datum) 0);
		registered = true;
	}
	if (!routes_stale && routes_of == relid)
		return;

	if (routes_context != NULL)
		MemoryContextSetParent(routes_context, TopTransactionContext);
	routes_context =
		AllocSetContextCreate(CacheMemoryContext, "telemetry routes", ALLOCSET_DEFAULT_SIZES);
	n_dialects = 0;
	n_routes = 0;
	routes_of = relid;
	/* What changes while they are read makes them stale again. */
	routes_stale = false;
	PG_TRY();
	{
		tl_statement_begin(&scope);
		read_all();
		tl_statement_end(&scope);
	}
	PG_CATCH();
	{
		routes_stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
	/* This snapshot may be older than changes that we have been told of already. */
	if (IsolationUsesXactSnapshot())
		tl_set_at_end(&routes_stale);
}

/* Tells all sessions, when this transaction commits, that what they know of routes is old. */
Datum
telemetry_route_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry.route_changed() is a trigger function")));
	CacheInvalidateRelcacheByRelid(tl_relation("route"));
	return PointerGetDatum(NULL);
}
