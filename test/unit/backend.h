/*
 * backend.h
 *		What the server gives to the codecs and blocks, for programs without one.
 *
 * palloc's memory lives until backend_reset.  Each piece is an allocation of its own, so that a
 * sanitizer sees every access outside it.  Corruption ends the action under backend_catch.
 */
#ifndef BACKEND_H
#define BACKEND_H

#include "base/compat.h"

typedef void (*BackendAction)(void *arg);

/* Runs the action; NULL if it returned, else what it said is corrupted. */
extern const char *backend_catch(BackendAction action, void *arg);

/* Frees all that was palloc'd. */
extern void backend_reset(void);

/* Ends the program: something that must never happen did. */
pg_noreturn extern void backend_die(const char *what);

#endif
