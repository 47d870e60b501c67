/*
 * standby.h
 *		What is refused where nothing can be written, with words that say why.
 */
#ifndef TL_STANDBY_H
#define TL_STANDBY_H

#include "base/compat.h"

/* Raises read_only_sql_transaction on a standby and in a transaction that may not write. */
extern void tl_require_writable(const char *what);

/* Statements that write to our tables are refused on a standby with the same words. */
extern void tl_standby_define(void);

#endif
