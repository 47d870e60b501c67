/*
 * event_access.c
 *		The streams' access checks.  See event_access.h.
 */
#include "event/event_access.h"

#include "access/xact.h"
#include "base/slice_text.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timeout.h"
#include "value/json_value.h"

#define CHECK_MS 500

#define TL_REJECT_ACCESS "ACCESS_DENIED"

/* Set by the timer, which then cancels what is running. */
static volatile sig_atomic_t timed_out = false;
static TimeoutId limit = MAX_TIMEOUTS;

static void
on_limit(void)
{
	timed_out = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

static void
begin_limit(void)
{
	if (limit == MAX_TIMEOUTS)
		limit = RegisterTimeout(USER_TIMEOUT, on_limit);
	timed_out = false;
	enable_timeout_after(limit, CHECK_MS);
}

/* A cancellation of ours that has come too late to be noticed must not hit anything else. */
static void
end_limit(void)
{
	disable_timeout(limit, false);
	if (timed_out)
		QueryCancelPending = false;
}

static bool
call_check(const TlStream *stream, TlSlice subject, TlSlice user)
{
	LOCAL_FCINFO(fcinfo, 2);
	Oid function = stream->access_function;
	AclResult acl;
	FmgrInfo info;
	Datum answer;

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s RETURNS boolean does not exist", stream->access_check)));
	acl = tl_proc_aclcheck(function, GetUserId(), ACL_EXECUTE);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FUNCTION, get_func_name(function));
	fmgr_info(function, &info);
	InitFunctionCallInfoData(*fcinfo, &info, 2, DEFAULT_COLLATION_OID, NULL, NULL);
	fcinfo->args[0].value = tl_slice_to_text(subject);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = user.data == NULL ? (Datum) 0 : tl_slice_to_text(user);
	fcinfo->args[1].isnull = user.data == NULL;
	if (info.fn_strict && user.data == NULL)
		return false;
	answer = FunctionCallInvoke(fcinfo);
	return !fcinfo->isnull && DatumGetBool(answer);
}

/* Whether the check says yes or fails. */
static bool
is_allowed(const TlStream *stream, TlSlice subject, TlSlice user)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool allowed = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		begin_limit();
		allowed = call_check(stream, subject, user);
		end_limit();
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData *error;

		end_limit();
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (!timed_out && ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		ereport(WARNING,
				(errmsg("could not check access to subject \"%s\": %s", tl_json_quote(subject),
						timed_out ? "it took too long" : error->message),
				 errdetail("The event is taken.")));
		allowed = true;
	}
	PG_END_TRY();
	return allowed;
}

static int
compare_slices(TlSlice a, TlSlice b)
{
	if (a.data == NULL || b.data == NULL)
		return (a.data != NULL) - (b.data != NULL);
	return tl_slice_compare(a, b);
}

static int
compare_access(const TlEventRow *x, const TlEventRow *y)
{
	int c = strcmp(x->stream->access_check, y->stream->access_check);

	if (c == 0)
		c = compare_slices(x->event.text[TL_EVENT_SUBJECT], y->event.text[TL_EVENT_SUBJECT]);
	return c != 0 ? c : compare_slices(x->event.text[TL_EVENT_USER], y->event.text[TL_EVENT_USER]);
}

static int
compare_pointers(const void *a, const void *b)
{
	return compare_access(*(TlEventRow *const *) a, *(TlEventRow *const *) b);
}

static void
deny(TlEventRow *row, const char *message)
{
	row->outcome = TL_EVENT_REJECTED;
	row->code = TL_REJECT_ACCESS;
	row->message = message;
}

/* Parties lie together in the buffer. */
static void
deny_parties(TlEventBuffer *b)
{
	for (uint32 i = 0; i < b->n_rows;)
	{
		uint32 end = i;
		bool denied = false;

		for (; end < b->n_rows && b->rows[end].event.party == b->rows[i].event.party; end++)
			denied |= b->rows[end].outcome == TL_EVENT_REJECTED;
		for (; i < end; i++)
			if (denied && b->rows[i].event.party != 0 && b->rows[i].outcome != TL_EVENT_REJECTED)
				deny(&b->rows[i], "another subject of the same batch may not be accessed");
	}
}

void
tl_event_check_access(TlEventBuffer *b)
{
	TlEventRow **rows =
		MemoryContextAllocHuge(b->context, sizeof(TlEventRow *) * Max((Size) b->n_rows, 1));
	uint32 n = 0;
	bool allowed = true;
	bool denied = false;

	for (uint32 i = 0; i < b->n_rows; i++)
		if (b->rows[i].stream->access_check != NULL &&
			b->rows[i].event.text[TL_EVENT_SUBJECT].data != NULL)
			rows[n++] = &b->rows[i];
	if (n == 0)
		return;
	qsort(rows, n, sizeof(TlEventRow *), compare_pointers);
	timed_out = false;
	for (uint32 i = 0; i < n; i++)
	{
		const TlEvent *e = &rows[i]->event;

		CHECK_FOR_INTERRUPTS();
		/* One that was too slow is not asked again. */
		if (timed_out)
			break;
		if (i == 0 || compare_access(rows[i - 1], rows[i]) != 0)
			allowed =
				is_allowed(rows[i]->stream, e->text[TL_EVENT_SUBJECT], e->text[TL_EVENT_USER]);
		if (!allowed)
			deny(rows[i], "the user may not access the subject");
		denied |= !allowed;
	}
	if (denied)
		deny_parties(b);
}
