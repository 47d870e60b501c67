/*
 * json_mend.h
 *		JSON texts with something in them that jsonb cannot hold.
 *
 * JSON has texts that no text of PostgreSQL is: with the escape \u0000, or half of a surrogate pair.
 * And it has numbers of any size.  jsonb_in() raises at the first of these, however much else the
 * text has that could be stored.  So a text is mended first: a bad escape becomes what it looks like, a
 * bad number a string, and each place where that was done is told, so that nobody stores what is
 * there now.
 *
 * All lies in the current memory context.
 */
#ifndef TL_JSON_MEND_H
#define TL_JSON_MEND_H

#include "base/slice.h"

#include "utils/jsonb.h"

/* A member of an object, or an element of an array. */
typedef struct TlJsonStep
{
	TlSlice name;  /* as it is in the mended text; without data: of an array */
	uint32 number; /* 0-based */
} TlJsonStep;

/* What was mended. */
typedef struct TlJsonFault
{
	const TlJsonStep *steps; /* to it from the outermost object or array */
	int n_steps;
	bool in_name;		 /* the name of the last step's member, not its value */
	const char *problem; /* to go after the name of the field */
} TlJsonFault;

typedef struct TlJsonMended
{
	Jsonb *json;
	bool split; /* an object whose members are the array [name, value, name, value ...] */
	/*
	 * In the order of the text.  Of those within one element of an outermost array, and of those
	 * within one member that are in no array, the first.
	 */
	const TlJsonFault *faults;
	uint32 n_faults;
} TlJsonMended;

/*
 * With `split` an object is made an array of its members, because jsonb keeps one of those that have
 * the same name, and not their order.  Raises invalid_text_representation if the text is not JSON.
 */
extern void tl_json_mend(TlSlice text, bool split, TlJsonMended *mended);

/* A path from the given step on, such as tags.list[2]; empty if there is no more. */
extern const char *tl_json_fault_path(const TlJsonFault *fault, int from);

#endif
