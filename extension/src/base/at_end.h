/*
 * at_end.h
 *		What a transaction's end changes in memory.
 */
#ifndef TL_AT_END_H
#define TL_AT_END_H

#include "base/compat.h"

/*
 * Sets a flag, which is static, when the transaction ends: what was read by a snapshot that is kept for all of it is
 * good until then, and may be old at once.
 */
extern void tl_set_at_end(bool *flag);

#endif
