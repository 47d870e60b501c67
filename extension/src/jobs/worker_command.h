/*
 * worker_command.h
 *		Commands that need a database, or the extension, for themselves; see worker_command.c.
 */
#ifndef TL_WORKER_COMMAND_H
#define TL_WORKER_COMMAND_H

#include "base/compat.h"

/* Called when the library is preloaded: without, there are no workers to be in the way. */
extern void tl_worker_command_define(void);

#endif
