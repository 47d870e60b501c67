/*
 * launcher.h
 *		The process that starts and watches the workers; see launcher.c.
 */
#ifndef TL_LAUNCHER_H
#define TL_LAUNCHER_H

#include "base/compat.h"

/* Registers the launcher; called when the library is preloaded. */
extern void tl_launcher_define(void);

extern PGDLLEXPORT void tl_launcher_main(Datum arg);

#endif
