/*
 * run_as.h
 *		Functions of users that we call: by the name in a row, or by a name that they must have.
 *
 * Such a function runs as its owner, who in turn must not be able to use the caller's session for
 * anything else; but where the owner has the rights of the current user and of the session's
 * anyway (a superuser, the same role, a member of it), it runs as the current user.  So nobody's function ever has rights
 * that its owner lacks, and nobody's session lends its rights to a function.  The search path is
 * that of statements of ours, so that the caller cannot put anything in its way, either; what it
 * sets ends with the call.
 */
#ifndef TL_RUN_AS_H
#define TL_RUN_AS_H

#include "base/compat.h"

typedef struct TlRunAs
{
	Oid user;
	int security_context;
	int guc_level;
} TlRunAs;

/* An error between the two restores all with the (sub)transaction's state. */
extern void tl_run_as_begin(TlRunAs *scope, Oid function);
extern void tl_run_as_end(const TlRunAs *scope);

#endif
