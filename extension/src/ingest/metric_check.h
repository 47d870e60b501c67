/*
 * metric_check.h
 *		A row against the definition of its metric.
 */
#ifndef TL_METRIC_CHECK_H
#define TL_METRIC_CHECK_H

#include "ingest/metric_definition.h"
#include "ingest/row_check.h"

/*
 * Makes a row, whose fields are good by themselves, what is to be stored: its value is of the metric's
 * kind then, and it has the metric's unit if it had none.  What is made is in the current memory context
 * or the definition's.  False with the reason; the row may have changed then, too.
 */
extern bool tl_metric_check(const TlMetricDefinition *definition, TlIngestRow *row,
							TlRejection *why);

#endif
