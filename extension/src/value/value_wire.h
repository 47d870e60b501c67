/*
 * value_wire.h
 *		What kinds read of the binary wire form of telemetry.value.
 */
#ifndef TL_VALUE_WIRE_H
#define TL_VALUE_WIRE_H

#include "base/compat.h"

pg_noreturn extern void tl_wire_reject(const char *problem);

/* A float8 in network order. */
extern double tl_wire_double(const char *bytes);

/* Text of the client as text of the server: *text may come to point to a converted copy. */
extern void tl_wire_receive_text(const char **text, Size *len);

#endif
