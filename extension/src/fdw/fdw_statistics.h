/*
 * fdw_statistics.h
 *		What the planner would have from ANALYZE for joins and groups, from the store.
 */
#ifndef TL_FDW_STATISTICS_H
#define TL_FDW_STATISTICS_H

#include "base/compat.h"

/* When the library is loaded. */
extern void tl_statistics_define(void);

#endif
