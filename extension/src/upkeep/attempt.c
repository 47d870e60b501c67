/*
 * attempt.c
 *		Work on blocks in a subtransaction.  See attempt.h.
 */
#include "upkeep/attempt.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* Of the same job in the same session. */
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

ErrorData *
tl_attempt(TlAttemptFn function, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(caller, "telemetry attempt", ALLOCSET_DEFAULT_SIZES);
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(work);
	PG_TRY();
	{
		function(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (!is_of_the_data(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	MemoryContextDelete(work);
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
