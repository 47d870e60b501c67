/*
 * run_builder.h
 *		Joins pieces of a series into runs, and runs into a block.
 *
 * A merge hands out short pieces, whose strings live only until the next one.  The builder
 * copies pieces of one key until the key changes or a frame's worth is there, and then gives
 * them to the block writer as one run.
 */
#ifndef TL_RUN_BUILDER_H
#define TL_RUN_BUILDER_H

#include "block/block.h"

typedef struct TlRunBuilder TlRunBuilder;

extern TlRunBuilder *tl_run_builder_create(TlBlockWriter *writer);
extern void tl_run_builder_add(TlRunBuilder *builder, const TlRun *piece);
/* Gives the last run to the writer; to be called before the block is finished. */
extern void tl_run_builder_flush(TlRunBuilder *builder);

#endif
