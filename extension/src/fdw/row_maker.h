/*
 * row_maker.h
 *		Fills the wanted columns of rows from runs, and leaves the others alone.
 *
 * The datums of a row stay valid until the next row.
 */
#ifndef TL_ROW_MAKER_H
#define TL_ROW_MAKER_H

#include "block/run.h"
#include "fdw/point_column.h"

typedef struct TlRowMaker TlRowMaker;

/* wanted is a set of columns; one that the table lacks is left out. */
extern TlRowMaker *tl_row_maker_create(const TlPointMap *map, int wanted);

/* The run whose points are to become rows. */
extern void tl_row_maker_run(TlRowMaker *maker, const TlRun *run);

/* Makes a row of the run's point i. */
extern void tl_row_maker_fill(TlRowMaker *maker, uint32 i, Datum *values, bool *nulls);

#endif
