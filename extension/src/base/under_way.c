/*
 * under_way.c
 *		The stacks of statements under way, and their triggers.  See under_way.h.
 */
#include "base/under_way.h"

#include "base/statement.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/memutils.h"
#include "utils/rel.h"

static void
leave_stack(void *arg)
{
	TlUnderWay *statement = arg;

	for (TlUnderWay **s = statement->innermost; *s != NULL; s = &(*s)->outer)
	{
		if (*s != statement)
			continue;
		*s = statement->outer;
		return;
	}
}

void *
tl_under_way_begin(TlUnderWay **innermost, Size size, const char *context_name)
{
	MemoryContext context =
		AllocSetContextCreateInternal(CurTransactionContext, context_name, ALLOCSET_DEFAULT_MINSIZE,
									  ALLOCSET_DEFAULT_INITSIZE, ALLOCSET_DEFAULT_MAXSIZE);
	TlUnderWay *statement = MemoryContextAllocZero(context, size);

	Assert(size >= sizeof(TlUnderWay));
	statement->outer = *innermost;
	statement->innermost = innermost;
	statement->context = context;
	statement->on_delete.func = leave_stack;
	statement->on_delete.arg = statement;
	MemoryContextRegisterResetCallback(context, &statement->on_delete);
	*innermost = statement;
	return statement;
}

void
tl_under_way_end(TlUnderWay *statement)
{
	MemoryContextDelete(statement->context);
}

static void
refuse_call(const char *function, const char *view)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("telemetry.%s() is a trigger function of telemetry.%s", function, view)));
}

/* A trigger of anybody's own view would hand over rows of other types. */
static bool
is_of(const TriggerData *trigger, const char *view)
{
	return RelationGetRelid(trigger->tg_relation) == tl_relation(view);
}

bool
tl_under_way_is_begin(FunctionCallInfo fcinfo, const TlUnderWay *innermost, const char *function,
					  const char *view)
{
	const TriggerData *trigger = (const TriggerData *) fcinfo->context;
	bool is_begin;

	if (!CALLED_AS_TRIGGER(fcinfo) || TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) || !is_of(trigger, view))
		refuse_call(function, view);
	is_begin = TRIGGER_FIRED_BEFORE(trigger->tg_event);
	if (!is_begin && innermost == NULL)
		elog(ERROR, "no statement on telemetry.%s is under way", view);
	return is_begin;
}

TupleTableSlot *
tl_under_way_row(FunctionCallInfo fcinfo, const TlUnderWay *innermost, int columns,
				 const char *function, const char *view)
{
	const TriggerData *trigger = (const TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_INSTEAD(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) || !is_of(trigger, view) ||
		RelationGetNumberOfAttributes(trigger->tg_relation) != columns || innermost == NULL)
		refuse_call(function, view);
	slot_getallattrs(trigger->tg_trigslot);
	return trigger->tg_trigslot;
}
