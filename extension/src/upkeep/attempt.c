/*
 * attempt.c
 *		Work on blocks in a subtransaction.  See attempt.h.
 */
#include "upkeep/attempt.h"

#include "base/subtransaction.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Of a session, whichever job it is. */
#define WARNINGS_EVERY USECS_PER_MINUTE

/*
 * Damaged bytes, and sizes beyond what is possible.  Not what is wrong with the server, another
 * session, this one or a setting (memory, disk, locks, a time zone that is not there, a cancelled
 * statement), nor mistakes of ours, nor what somebody's own index or column cannot take: those would concern
 * any block, and whoever sets them right wants the job to go on at once.
 */
static bool
is_of_the_data(int code)
{
	return code == ERRCODE_DATA_CORRUPTED ||
		   ERRCODE_TO_CATEGORY(code) == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

typedef struct Attempt
{
	TlAttemptFn function;
	void *arg;
	MemoryContext context;
} Attempt;

static void
call_in_context(void *arg)
{
	const Attempt *a = arg;
	MemoryContext old = MemoryContextSwitchTo(a->context);

	a->function(a->arg);
	MemoryContextSwitchTo(old);
}

ErrorData *
tl_attempt(TlAttemptFn function, void *arg)
{
	Attempt attempt = {
		function, arg,
		AllocSetContextCreate(CurrentMemoryContext, "telemetry attempt", ALLOCSET_DEFAULT_SIZES)};
	ErrorData *error = tl_subtransaction(call_in_context, &attempt);

	if (error != NULL && !is_of_the_data(error->sqlerrcode))
		ReThrowError(error);
	MemoryContextDelete(attempt.context);
	return error;
}

bool
tl_attempt_or_warn(TlAttemptFn function, void *arg, const char *what)
{
	static TimestampTz warned = DT_NOBEGIN;
	ErrorData *error = tl_attempt(function, arg);
	TimestampTz now;

	if (error == NULL)
		return true;
	now = GetCurrentTimestamp();
	if (now - WARNINGS_EVERY < warned)
		return false;
	warned = now;
	ereport(WARNING,
			(errcode(error->sqlerrcode), errmsg("%s: %s", what, error->message),
			 error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 error->context != NULL ? errcontext_msg("%s", error->context) : 0,
			 errhint("The rest goes on. telemetry.damaged_blocks() lists what cannot be read.")));
	return false;
}
