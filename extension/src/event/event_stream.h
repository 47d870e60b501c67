/*
 * event_stream.h
 *		The rules of telemetry.stream and telemetry.stream_field.
 *
 * All streams are read at once and kept for the session until either table changes, of which
 * a trigger tells every session (telemetry.stream_changed), or any function.
 */
#ifndef TL_EVENT_STREAM_H
#define TL_EVENT_STREAM_H

#include "event/event.h"

typedef enum TlStreamIdentity
{
	TL_SAME_EVENT_ID,
	TL_SAME_TYPE_SESSION
} TlStreamIdentity;

typedef enum TlStreamScope
{
	TL_SCOPE_NONE,
	TL_SCOPE_DEVICE,
	TL_SCOPE_USER
} TlStreamScope;

typedef enum TlStreamStrategy
{
	TL_FIRST_WINS,
	TL_LAST_WRITE_WINS,
	TL_CLIENT_PRIORITY
} TlStreamStrategy;

typedef enum TlFieldKind
{
	TL_FIELD_TEXT,
	TL_FIELD_NUMBER,
	TL_FIELD_INTEGER,
	TL_FIELD_BOOLEAN,
	TL_FIELD_OBJECT,
	TL_FIELD_ARRAY,
	TL_FIELD_JSON_TEXT,
	TL_FIELD_ULID,
	TL_FIELD_UUID,
	TL_FIELD_ANY
} TlFieldKind;

/* What a rule is about: a text of the event, or one of these. */
typedef enum TlFieldPlace
{
	TL_PLACE_OCCURRED_AT = TL_EVENT_TEXTS,
	TL_PLACE_DURATION,
	TL_PLACE_DATA,	/* all of it */
	TL_PLACE_MEMBER /* of data */
} TlFieldPlace;

/* By its name; whatever is no column is a member of data. */
extern int tl_field_place(const char *field);

typedef struct TlFieldRule
{
	const char *field; /* as the table has it */
	int place;		   /* TlEventText or TlFieldPlace */
	TlSlice member;	   /* the name in data */
	TlFieldKind kind;
	bool required;
	TlSlice *required_for; /* event types */
	int n_required_for;
	double minimum; /* -infinity, infinity: none */
	double maximum;
	int max_length;		 /* in characters, 0: none */
	const char *code;	 /* or NULL */
	const char *message; /* or NULL */
} TlFieldRule;

typedef struct TlSamplingRule
{
	TlSlice type;
	double rate; /* 0 to 1 */
} TlSamplingRule;

typedef struct TlStream
{
	TlSlice name;
	int32 number;
	bool any_type;
	TlSlice *types;
	int n_types;
	TlStreamIdentity identity;
	TlStreamScope scope;
	TlStreamStrategy strategy;
	const char *strategy_name;
	int64 max_age; /* microseconds; PG_INT64_MAX: none */
	int64 max_batch_age;
	int64 max_future;
	TlSamplingRule *sampling;
	int n_sampling;
	const char *access_check; /* the function's name, or NULL */
	Oid access_function;	  /* InvalidOid if there is none of that name */
	bool denies_unchecked;	  /* when it takes too long, or fails */
	TlFieldRule *rules;
	int n_rules;
} TlStream;

/*
 * Makes sure that the streams are as of now.  What tl_stream_find returns is good until the end
 * of the transaction.
 */
extern void tl_streams_refresh(void);

/* NULL if there is no such stream. */
extern const TlStream *tl_stream_find(TlSlice name);

/* The code that an event is rejected with for a field, a constant or as good as one. */
extern const char *tl_stream_code(const TlStream *stream, const char *field);
/* What its rule says then, or NULL. */
extern const char *tl_stream_message(const TlStream *stream, const char *field);

#endif
