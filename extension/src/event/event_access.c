/*
 * event_access.c
 *		The streams' access checks.  See event_access.h.
 */
#include "event/event_access.h"

#include <signal.h>

#include "base/run_as.h"
#include "base/slice_text.h"
#include "base/subtransaction.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "value/json_value.h"

#define CHECK_MS 500

#define TL_REJECT_ACCESS "ACCESS_DENIED"

/*
 * The timer cancels what is running as a user does, so that a cancel of the user's own, or of
 * statement_timeout, is told by its signal: it is never taken for ours.
 */
static volatile sig_atomic_t timed_out = false;
static volatile sig_atomic_t cancelled = false;
static TimeoutId limit = MAX_TIMEOUTS;
static struct sigaction usual_cancel;

typedef enum Access
{
	DENIED,
	ALLOWED,
	UNKNOWN
} Access;

/*
 * A check that ingests may not bring events that are checked themselves: the timer and the signal
 * are of one check, and a stream's check that brings events of the stream would never end.
 */
static bool is_checking = false;

static void
on_limit(void)
{
	timed_out = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

static void
on_cancel(int signal_number)
{
	cancelled = true;
	usual_cancel.sa_handler(signal_number);
}

static void
begin_limit(void)
{
	struct sigaction ours;

	if (limit == MAX_TIMEOUTS)
		limit = RegisterTimeout(USER_TIMEOUT, on_limit);
	is_checking = true;
	timed_out = false;
	cancelled = false;
	sigaction(SIGINT, NULL, &usual_cancel);
	if (usual_cancel.sa_handler != SIG_IGN && usual_cancel.sa_handler != SIG_DFL)
	{
		ours = usual_cancel;
		ours.sa_handler = on_cancel;
		sigaction(SIGINT, &ours, NULL);
	}
	if (QueryCancelPending)
		cancelled = true;
	enable_timeout_after(limit, CHECK_MS);
}

/* A cancellation of ours that has come too late to be noticed must not hit anything else. */
static void
end_limit(void)
{
	is_checking = false;
	disable_timeout(limit, false);
	sigaction(SIGINT, &usual_cancel, NULL);
	if (timed_out && !cancelled)
		QueryCancelPending = false;
}

static bool
call_check(const TlStream *stream, TlSlice subject, TlSlice user)
{
	LOCAL_FCINFO(fcinfo, 2);
	Oid function = stream->access_function;
	AclResult acl;
	TlRunAs scope;
	FmgrInfo info;
	Datum answer;

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s RETURNS boolean does not exist", stream->access_check)));
	fmgr_info(function, &info);
	InitFunctionCallInfoData(*fcinfo, &info, 2, DEFAULT_COLLATION_OID, NULL, NULL);
	fcinfo->args[0].value = tl_slice_to_text(subject);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = user.data == NULL ? (Datum) 0 : tl_slice_to_text(user);
	fcinfo->args[1].isnull = user.data == NULL;
	if (info.fn_strict && user.data == NULL)
		return false;
	tl_run_as_begin(&scope, function);
	acl = tl_proc_aclcheck(function, GetUserId(), ACL_EXECUTE);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FUNCTION, get_func_name(function));
	answer = FunctionCallInvoke(fcinfo);
	tl_run_as_end(&scope);
	return !fcinfo->isnull && DatumGetBool(answer);
}

typedef struct Question
{
	const TlStream *stream;
	TlSlice subject;
	TlSlice user;
	bool allowed;
} Question;

static void
check_in_time(void *arg)
{
	Question *q = arg;

	begin_limit();
	PG_TRY();
	{
		q->allowed = call_check(q->stream, q->subject, q->user);
	}
	PG_FINALLY();
	{
		end_limit();
	}
	PG_END_TRY();
}

static Access
ask(const TlStream *stream, TlSlice subject, TlSlice user)
{
	Question question = {.stream = stream, .subject = subject, .user = user};
	ErrorData *error;

	if (is_checking)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an access check cannot bring events whose access is checked"),
				 errdetail("Stream \"%.*s\" has the access check %s.", (int) stream->name.len,
						   stream->name.data, stream->access_check)));
	error = tl_subtransaction(check_in_time, &question);
	if (error == NULL)
		return question.allowed ? ALLOWED : DENIED;
	if ((!timed_out || cancelled) && tl_error_is_to_be_raised(error))
		ReThrowError(error);
	ereport(WARNING, (errmsg("could not check access to subject \"%s\": %s", tl_json_quote(subject),
							 timed_out ? "it took too long" : error->message),
					  errdetail(stream->denies_unchecked ? "The event is rejected."
														 : "The event is taken.")));
	return UNKNOWN;
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
	Access access = UNKNOWN;
	const char *slow = NULL;
	bool denied = false;

	for (uint32 i = 0; i < b->n_rows; i++)
		if (b->rows[i].stream->access_check != NULL &&
			b->rows[i].event.text[TL_EVENT_SUBJECT].data != NULL)
			rows[n++] = &b->rows[i];
	if (n == 0)
		return;
	qsort(rows, n, sizeof(TlEventRow *), compare_pointers);
	for (uint32 i = 0; i < n; i++)
	{
		const TlEvent *e = &rows[i]->event;
		const TlStream *stream = rows[i]->stream;

		CHECK_FOR_INTERRUPTS();
		/* One that was too slow is not asked again; the others are. */
		if (slow != NULL && strcmp(slow, stream->access_check) == 0)
			access = UNKNOWN;
		else if (i == 0 || compare_access(rows[i - 1], rows[i]) != 0)
		{
			timed_out = false;
			access = ask(stream, e->text[TL_EVENT_SUBJECT], e->text[TL_EVENT_USER]);
			if (timed_out)
				slow = stream->access_check;
		}
		if (access == DENIED)
			deny(rows[i], "the user may not access the subject");
		else if (access == UNKNOWN && stream->denies_unchecked)
			deny(rows[i], "whether the user may access the subject could not be checked");
		denied |= rows[i]->outcome == TL_EVENT_REJECTED;
	}
	if (denied)
		deny_parties(b);
}
