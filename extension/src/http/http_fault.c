/*
 * http_fault.c
 *		Which events of a body, and which of their fields, had to be mended.  See http_fault.h.
 */
#include "http/http_fault.h"

/* Whether steps from one on are members of these names. */
static bool
steps_are(const TlJsonFault *fault, int from, const TlPath *path)
{
	if (fault->n_steps - from < path->n_names)
		return false;
	for (int i = 0; i < path->n_names; i++)
		if (!tl_slice_equal(fault->steps[from + i].name, path->names[i]))
			return false;
	return true;
}

/* Whether a fault beside the events is in something that is read of the body. */
static bool
is_read(const TlDialect *dialect, const TlJsonFault *fault)
{
	if (dialect->batch_id.source == TL_PATH_BODY && dialect->batch_id.n_names > 0 &&
		steps_are(fault, 0, &dialect->batch_id))
		return true;
	for (int i = 0; i < dialect->n_mappings; i++)
	{
		const TlMapping *m = &dialect->mappings[i];

		for (int k = 0; k < m->n_paths; k++)
			if (m->paths[k].source == TL_PATH_BODY && steps_are(fault, 0, &m->paths[k]))
				return true;
	}
	return false;
}

const TlJsonFault *
tl_http_faults_find(TlHttpFaults *out, const TlDialect *dialect, const TlPath *list,
					const TlJsonFault *faults, uint32 n_faults, uint32 n)
{
	*out = (TlHttpFaults){.list = list, .steps = list != NULL ? list->n_names + 1 : 0};
	if (n_faults == 0)
		return NULL;
	out->of_event = palloc0(sizeof(TlJsonFault *) * n);
	for (uint32 i = 0; i < n_faults; i++)
	{
		const TlJsonFault *fault = &faults[i];
		uint32 index = 0;

		if (list != NULL)
		{
			if (!steps_are(fault, 0, list) || fault->n_steps < out->steps ||
				fault->steps[list->n_names].name.data != NULL)
			{
				if (is_read(dialect, fault))
					return fault;
				continue;
			}
			index = fault->steps[list->n_names].number;
		}
		/* A list that is there several times is the last one, of which there are n. */
		if (index < n && out->of_event[index] == NULL)
			out->of_event[index] = fault;
	}
	return NULL;
}

const TlMapping *
tl_http_fault_field(const TlHttpFaults *faults, const TlDialect *dialect, const TlJsonFault *fault)
{
	int item = faults->steps;
	int event = item;

	if (faults->list != NULL && steps_are(fault, item, &dialect->item))
		event += dialect->item.n_names;
	for (int i = 0; i < dialect->n_mappings; i++)
	{
		const TlMapping *m = &dialect->mappings[i];

		for (int k = 0; k < m->n_paths; k++)
			if (m->paths[k].source <= TL_PATH_ITEM &&
				steps_are(fault, m->paths[k].source == TL_PATH_ITEM ? item : event, &m->paths[k]))
				return m;
	}
	return NULL;
}
