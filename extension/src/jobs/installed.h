/*
 * installed.h
 *		Whether this database has the extension, and in which version.
 *
 * Whoever runs jobs calls tl_installed_lock first in each transaction and keeps the lock until
 * its end.  DROP EXTENSION and ALTER EXTENSION UPDATE lock the same object exclusively before
 * they touch anything else, so that neither can meet half-way with a job, nor deadlock with it.
 */
#ifndef TL_INSTALLED_H
#define TL_INSTALLED_H

#include "base/compat.h"

typedef enum TlInstalled
{
	TL_INSTALLED_NOT,	/* the database has no extension telemetry */
	TL_INSTALLED_OTHER, /* its objects are of another version than this library */
	TL_INSTALLED_THIS,
	TL_INSTALLED_LOCKED /* it is being dropped or updated, and the caller does not wait */
} TlInstalled;

/* AccessShareLock on the extension until the end of the transaction, if it is there. */
extern TlInstalled tl_installed_lock(bool wait);

#endif
