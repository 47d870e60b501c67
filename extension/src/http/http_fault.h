/*
 * http_fault.h
 *		Which events of a body, and which of their fields, had to be mended.
 *
 * See value/json_mend.h for what that is.  All lies in the current memory context.
 */
#ifndef TL_HTTP_FAULT_H
#define TL_HTTP_FAULT_H

#include "http/http_route.h"
#include "value/json_mend.h"

typedef struct TlHttpFaults
{
	const TlJsonFault **of_event; /* by index, NULL: nothing in that one; itself NULL: in none */
	const TlPath *list;			  /* where the events are, or NULL: the body is the only one */
	int steps;					  /* the first ones of each path, which lead to the event */
} TlHttpFaults;

/*
 * Finds out which of n events of a body, which lie in `list` of it if that is not NULL, each fault is in.
 * Returns one that is in none of them but in something else that the dialect reads, or NULL.
 */
extern const TlJsonFault *tl_http_faults_find(TlHttpFaults *out, const TlDialect *dialect,
											  const TlPath *list, const TlJsonFault *faults,
											  uint32 n_faults, uint32 n);

/* The first field one of whose paths leads to a fault; NULL: none does. */
extern const TlMapping *tl_http_fault_field(const TlHttpFaults *faults, const TlDialect *dialect,
											const TlJsonFault *fault);

#endif
