/*
 * fdw_window.h
 *		The rows of many series in the order of time, for who may stop early.
 */
#ifndef TL_FDW_WINDOW_H
#define TL_FDW_WINDOW_H

#include "base/compat.h"

#include "executor/tuptable.h"
#include "fdw/row_maker.h"
#include "read/source.h"

typedef struct TlWindows TlWindows;

/* Everything is allocated in the current memory context; row is a slot to make rows in. */
extern TlWindows *tl_windows_begin(const TlFilter *filter, bool backward, AttrNumber ts,
								   TlRowMaker *maker, TupleTableSlot *row, TlReadStats *stats);
/* The next row, valid until the next call; NULL at the end. */
extern TupleTableSlot *tl_windows_next(TlWindows *windows);
extern void tl_windows_end(TlWindows *windows);

#endif
