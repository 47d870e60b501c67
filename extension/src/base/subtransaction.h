/*
 * subtransaction.h
 *		What may fail without taking the transaction with it.
 */
#ifndef TL_SUBTRANSACTION_H
#define TL_SUBTRANSACTION_H

#include "base/compat.h"

/*
 * Calls a function in a subtransaction.  NULL if all went well; if it raises an error, what it did is
 * rolled back, and the error, palloc'd in the current memory context, is the caller's: to tell of it,
 * or to raise it again (ReThrowError) if it is of a kind that is not to be caught.
 */
extern ErrorData *tl_subtransaction(void (*function)(void *arg), void *arg);

/*
 * Whether an error asks this process to stop, or the statement, and so is to be raised again whatever it was
 * that failed.
 */
extern bool tl_error_is_to_be_raised(const ErrorData *error);

#endif
