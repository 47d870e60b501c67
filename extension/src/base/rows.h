/*
 * rows.h
 *		What set-returning functions begin with.
 */
#ifndef TL_ROWS_H
#define TL_ROWS_H

#include "base/compat.h"

#include "fmgr.h"
#include "nodes/execnodes.h"
#include "utils/tuplestore.h"

/*
 * Makes the function return the rows of its row type that are put into the tuplestore of what
 * this returns, and which keeps so many kB in memory.
 */
extern ReturnSetInfo *tl_rows_begin(FunctionCallInfo fcinfo, int memory_kb);

#endif
