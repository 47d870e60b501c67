/*
 * sqlstate.h
 *		What an error of the database says of the request that it ended.
 */
#ifndef TL_SQLSTATE_H
#define TL_SQLSTATE_H

#include <stdbool.h>

/*
 * The request's own data are wrong: a text that is no number or time, one that is too long, or what a
 * function says by invalid_parameter_value.  Of class 22 that is not all: a division by zero is a
 * mistake of who wrote it.
 */
extern bool tl_sqlstate_blames_request(const char *sqlstate);

/* The statement was cancelled, by us or by somebody else. */
extern bool tl_sqlstate_is_cancel(const char *sqlstate);

/*
 * It is about the database's state or set-up, not about the request: once somebody has mended
 * that, the same request will do.
 */
extern bool tl_sqlstate_is_passing(const char *sqlstate);

#endif
