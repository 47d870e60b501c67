/*
 * attempt.c
 *		Work on blocks in a subtransaction.  See attempt.h.
 */
#include "upkeep/attempt.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/*
 * Damaged bytes, values that something cannot be computed of, sizes beyond what is possible.  Not what
 * is wrong with the server, another session or this one (memory, disk, locks, a cancelled
 * statement), nor mistakes of ours, which would concern any block.
 */
static bool
is_of_the_data(int code)
{
	int category = ERRCODE_TO_CATEGORY(code);

	return code == ERRCODE_DATA_CORRUPTED || code == ERRCODE_INDEX_CORRUPTED ||
		   category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
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
