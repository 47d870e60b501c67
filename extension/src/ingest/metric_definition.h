/*
 * metric_definition.h
 *		The definitions of telemetry.metric: what values of a metric must be.
 *
 * All definitions are read at once and kept for the session until the table changes, of which a trigger
 * tells every session (telemetry.metric_definitions_changed).  What was found is good as long as the memory
 * context by which it is held.  A row that makes no definition, which constraints refuse, is left out.
 */
#ifndef TL_METRIC_DEFINITION_H
#define TL_METRIC_DEFINITION_H

#include "base/slice.h"
#include "value/kind.h"

typedef struct TlMetricDefinition
{
	TlSlice metric; /* no data: by pattern */
	text *pattern;
	const char *data_type;
	TlKind kind;
	bool coerces;
	TlSlice unit; /* of points that have none; no data: none */

	/* Of numbers; without a bound it is an infinity, and NaN is within if there is none. */
	bool has_bounds;
	double min;
	double max;

	/* What is allowed, by the kind; sorted. */
	bool has_allowed;
	int n_allowed;
	double *numbers;
	TlSlice *texts;
	bool booleans[2];
} TlMetricDefinition;

typedef struct TlMetricDefinitions TlMetricDefinitions;

/*
 * The definitions as of now; while somebody has the table for himself (LOCK TABLE, TRUNCATE, DDL), as they
 * were before.  Only a session that knows none yet waits.
 */
extern TlMetricDefinitions *tl_metric_definitions_at_hand(MemoryContext holder);

/* The number of the one that counts for a metric, from 1; 0: there is none. */
extern uint32 tl_metric_definition_find(TlMetricDefinitions *definitions, TlSlice metric);
extern const TlMetricDefinition *tl_metric_definition(const TlMetricDefinitions *definitions,
													  uint32 number);

#endif
