/*
 * http_dialect.h
 *		A row of telemetry.dialect: which fields an app's events have, and how it is answered.
 *
 * A dialect lies in one memory context, which belongs to whoever reads it.
 */
#ifndef TL_HTTP_DIALECT_H
#define TL_HTTP_DIALECT_H

#include "event/event_stream.h"
#include "http/http_template.h"

#include "access/htup.h"
#include "access/tupdesc.h"

/* Where a path begins. */
typedef enum TlPathSource
{
	TL_PATH_EVENT,	/* the object that is the event */
	TL_PATH_ITEM,	/* the element of the batch in which that lies; mostly the same */
	TL_PATH_BODY,	/* the whole body */
	TL_PATH_PARAMS, /* what the route and the caller say beside the body */
	TL_PATH_HEADER, /* a header of the request: its name, in lower case, is the path */
	TL_PATH_SOURCES
} TlPathSource;

/* Names of members, from object to object. */
typedef struct TlPath
{
	TlPathSource source;
	TlSlice *names;
	int n_names;
} TlPath;

/* A field of an event and where its value may be: the first path at which there is one counts. */
typedef struct TlMapping
{
	const char *field; /* as telemetry.stream_field has it */
	int place;		   /* TlEventText or TlFieldPlace */
	TlSlice member;	   /* the name in data, of TL_PLACE_MEMBER */
	TlPath *paths;
	int n_paths;
	const char *shown; /* what the sender calls the field */
} TlMapping;

/* What a text that tells the kind of event says of its type. */
typedef struct TlEventKind
{
	TlSlice name;
	TlSlice event_type; /* without data: it is told elsewhere */
} TlEventKind;

/* How a code is told. */
typedef struct TlProblem
{
	const char *code;
	int status;
	const char *type;
	const char *title;
} TlProblem;

typedef enum TlUnknown
{
	TL_UNKNOWN_KEEP,
	TL_UNKNOWN_IGNORE,
	TL_UNKNOWN_REFUSE
} TlUnknown;

typedef struct TlDialect
{
	TlSlice name;

	/* In. */
	TlPath events;	 /* without names: the body itself is the list */
	TlPath item;	 /* without names: the element itself is the event */
	TlPath batch_id; /* without names: none, as of kind */
	TlPath kind;
	TlEventKind *kinds;
	int n_kinds;
	TlMapping *mappings;
	int n_mappings;
	bool maps_headers; /* some mapping has a path that is a header */
	TlUnknown unknown;

	/* Out. */
	int success_status;
	TlTemplate success; /* of a single event */
	TlTemplate batch;
	TlTemplate result; /* of an event of a batch */
	bool only_rejected_results;
	const char *outcomes[TL_EVENT_REJECTED + 1];
	TlTemplate failure;
	const char *failure_type; /* Content-Type */
	TlProblem *problems;
	int n_problems;
} TlDialect;

/*
 * Reads a row of telemetry.dialect into the current memory context.  Errors:
 * invalid_parameter_value, naming the column and what is wrong with it.
 */
extern void tl_dialect_read(TlDialect *dialect, HeapTuple tuple, TupleDesc desc);

/*
 * How a dialect tells a code: what it has of its own, and otherwise status 400, a type in lower
 * case with hyphens, and a title in words.
 */
extern TlProblem tl_dialect_problem(const TlDialect *dialect, const char *code);

/* A message in which the field that it begins with has the sender's name. */
extern const char *tl_dialect_message(const TlDialect *dialect, const char *message);

#endif
