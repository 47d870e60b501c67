/*
 * ingest_json_body.h
 *		A JSON body with points, whether it came as jsonb or as text.
 *
 * A text may have what jsonb cannot hold, in some of its points; see value/json_mend.h.  All lies in the
 * current memory context, and refers to what it was made of.
 */
#ifndef TL_INGEST_JSON_BODY_H
#define TL_INGEST_JSON_BODY_H

#include "value/json_mend.h"

typedef struct TlJsonMember
{
	TlSlice name;
	JsonbValue value;
} TlJsonMember;

typedef struct TlJsonBody
{
	bool is_object;
	Jsonb *json; /* of a text that was divided into members it is of no use */
	TlJsonMember *members;
	uint32 n;
	const TlJsonFault *faults;
	uint32 n_faults;
} TlJsonBody;

extern void tl_json_body_of_jsonb(Jsonb *json, TlJsonBody *body);

/* A body that is one point is not to be divided. */
extern void tl_json_body_of_text(TlSlice text, bool divide, TlJsonBody *body);

/* The last member of a name, or NULL, and how many there are. */
extern const TlJsonMember *tl_json_body_find(const TlJsonBody *body, const char *name);
extern uint32 tl_json_body_count(const TlJsonBody *body, const char *name);

/* The first thing that was mended anywhere in a member, or in an element of one that is an array; or NULL. */
extern const TlJsonFault *tl_json_body_fault(const TlJsonBody *body, uint32 member);
extern const TlJsonFault *tl_json_body_fault_at(const TlJsonBody *body, uint32 member,
												uint32 element);

#endif
