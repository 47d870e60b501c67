/*
 * fdw_option.h
 *		Options of foreign tables over the store.
 */
#ifndef TL_FDW_OPTION_H
#define TL_FDW_OPTION_H

#include "store/store.h"

/* The blocks that a foreign table shows, by its option rolled_up. */
extern TlLevels tl_fdw_levels(Oid table);

/* Whether a foreign table shows only the newest point of each series, by its option newest. */
extern bool tl_fdw_is_newest(Oid table);

/* Whether a foreign table takes points as texts and shows none, by its option text. */
extern bool tl_fdw_is_text(Oid table);

#endif
