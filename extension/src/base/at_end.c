/*
 * at_end.c
 *		Flags that a transaction's end sets.  See at_end.h.
 */
#include "base/at_end.h"

#include "access/xact.h"

#define FLAGS_MAX 8

static bool *flags[FLAGS_MAX];
static int n_flags = 0;

static void
set_flags(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	for (int i = 0; i < n_flags; i++)
		*flags[i] = true;
	n_flags = 0;
}

void
tl_set_at_end(bool *flag)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(set_flags, NULL);
		registered = true;
	}
	for (int i = 0; i < n_flags; i++)
		if (flags[i] == flag)
			return;
	if (n_flags == FLAGS_MAX)
		elog(ERROR, "too many flags for the end of a transaction");
	flags[n_flags++] = flag;
}
