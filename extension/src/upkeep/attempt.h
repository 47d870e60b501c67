/*
 * attempt.h
 *		Work on blocks that may turn out to be impossible because of one of them.
 */
#ifndef TL_ATTEMPT_H
#define TL_ATTEMPT_H

#include "base/compat.h"

/* So many in a transaction: of more subtransactions than 64 others would have to look them up. */
#define TL_ATTEMPTS_AT_ONCE 48

typedef void (*TlAttemptFn)(void *arg);

/*
 * Calls the function in a subtransaction and a memory context of its own.  If it raises an error that the same blocks would raise
 * again, the subtransaction is rolled back, and the error returned, in the current context; NULL if
 * all went well.  Any other error goes on to the caller.
 */
extern ErrorData *tl_attempt(TlAttemptFn function, void *arg);

/*
 * The same, where what is left undone is to be tried again and again: whether all went well, and else a
 * warning, but not each time.
 */
extern bool tl_attempt_or_warn(TlAttemptFn function, void *arg, const char *what);

#endif
