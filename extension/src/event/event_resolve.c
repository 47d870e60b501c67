/*
 * event_resolve.c
 *		Which of several events of a key is to be stored.  See event_buffer.h.
 */
#include "event/event_buffer.h"

#include "event/event_text.h"
#include "rollup/zone.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

double
tl_event_priority(const Jsonb *data)
{
	static const char name[] = "priority";
	JsonbValue v;

	if (data == NULL || !JB_ROOT_IS_OBJECT(unconstify(Jsonb *, data)) ||
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &data->root), name,
									 (int) strlen(name), &v) == NULL ||
		v.type != jbvNumeric)
		return 0;
	return DatumGetFloat8(
		DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(v.val.numeric)));
}

static TlEventVersion
version_of(const TlEventRow *row)
{
	return (TlEventVersion){
		.content = row->identity.content,
		.occurred_at = row->event.has_occurred_at ? row->event.occurred_at : row->received_at,
		.priority = tl_event_priority(row->event.data),
		.received_at = row->received_at,
		.event_id = tl_event_row_id(row),
		.row = row,
	};
}

/* Whether an event takes the place of the version before it, which has other content. */
static bool
wins(TlStreamStrategy strategy, const TlEventVersion *incoming, const TlEventVersion *before)
{
	/* What was removed stays so. */
	if (before->removed)
		return false;
	switch (strategy)
	{
		case TL_FIRST_WINS:
			return false;
		case TL_LAST_WRITE_WINS:
			return incoming->occurred_at >= before->occurred_at;
		case TL_CLIENT_PRIORITY:
			return incoming->priority >= before->priority;
	}
	elog(ERROR, "unknown strategy %d", (int) strategy);
}

static void
note_conflict(TlEventBuffer *b, const TlEventRow *incoming, const TlEventVersion *before,
			  bool replaced)
{
	TlEventConflict *conflict;
	bool whole;

	if (b->n_conflicts == b->conflicts_cap)
	{
		Size cap = Max((Size) b->conflicts_cap * 2, 16);

		b->conflicts = b->conflicts == NULL
						   ? MemoryContextAllocHuge(b->context, cap * sizeof(TlEventConflict))
						   : repalloc_huge(b->conflicts, cap * sizeof(TlEventConflict));
		b->conflicts_cap = (uint32) cap;
	}
	conflict = &b->conflicts[b->n_conflicts++];
	conflict->incoming = incoming;
	conflict->replaced = replaced;
	conflict->stored =
		before->row != NULL ? tl_event_to_json(&before->row->event, &whole) : before->json;
}

/* By either clock; hours are parts of days. */
static bool
counts_in_the_same_hour(const TlEventVersion *stored, const TlEventVersion *version)
{
	pg_tz *zone = tl_zone_load();
	TlHour before;
	TlHour after;

	tl_zone_hour(zone, stored->received_at, &before);
	tl_zone_hour(zone, version->received_at, &after);
	if (before.start != after.start)
		return false;
	tl_zone_hour(zone, stored->occurred_at, &before);
	tl_zone_hour(zone, version->occurred_at, &after);
	return before.start == after.start;
}

/* Whether uniques must be counted again when an event takes the place of one that was stored. */
static bool
counts_otherwise(const TlEventVersion *stored, const TlEventRow *row)
{
	static const TlEventText counted[] = TL_EVENT_COUNTED_TEXTS;
	TlEventVersion version = version_of(row);

	for (size_t i = 0; i < lengthof(counted); i++)
	{
		TlSlice a = stored->text[counted[i]];
		TlSlice b = row->event.text[counted[i]];

		if ((a.data == NULL) != (b.data == NULL) || (a.data != NULL && !tl_slice_equal(a, b)))
			return true;
	}
	/* What was received last of a user is counted, too. */
	return version.received_at < stored->received_at || !counts_in_the_same_hour(stored, &version);
}

void
tl_event_resolve(TlEventBuffer *b, TlEventSet *set, const TlEventVersion *stored,
				 bool note_conflicts)
{
	TlEventRow **rows = b->order + set->first;
	MemoryContext old = MemoryContextSwitchTo(b->context);
	TlEventVersion current;
	uint32 i = 0;

	set->winner = NULL;
	if (stored != NULL)
		current = *stored;
	else
	{
		current = version_of(rows[0]);
		rows[0]->outcome = TL_EVENT_ACCEPTED;
		rows[0]->stored_at = current.received_at;
		rows[0]->stored_id = current.event_id;
		set->winner = rows[0];
		i = 1;
	}
	for (; i < set->n; i++)
	{
		TlEventRow *row = rows[i];
		TlEventVersion incoming;
		bool replaced;

		if (row->identity.content == current.content)
		{
			row->outcome = TL_EVENT_DUPLICATE;
			row->code = "duplicate";
			row->message = current.row == NULL ? "the event is stored already"
											   : "the event came before in this batch";
			row->stored_at = current.received_at;
			row->stored_id = current.event_id;
			continue;
		}
		incoming = version_of(row);
		replaced = wins(row->stream->strategy, &incoming, &current);
		if (note_conflicts)
			note_conflict(b, row, &current, replaced);
		if (replaced)
		{
			row->outcome = TL_EVENT_REPLACED;
			row->code = "replaced";
			row->message = "the event was there with other content, which this one replaces";
			row->stored_at = row->received_at;
			row->stored_id = incoming.event_id;
			current = incoming;
			set->winner = row;
		}
		else
		{
			row->outcome = TL_EVENT_KEPT;
			row->code = "kept";
			row->message = "the event is there with other content, which stays";
			row->stored_at = current.received_at;
			row->stored_id = current.event_id;
		}
	}
	if (stored != NULL && set->winner != NULL)
		set->recount = counts_otherwise(stored, set->winner);
	MemoryContextSwitchTo(old);
}

bool
tl_event_set_differs(const TlEventBuffer *b, const TlEventSet *set)
{
	for (uint32 i = 0; i < set->n; i++)
		if (b->order[set->first + i]->identity.content != set->content)
			return true;
	return false;
}
