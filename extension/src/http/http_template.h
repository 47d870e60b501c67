/*
 * http_template.h
 *		JSON texts with blanks to be filled in.
 *
 * A template is a JSON text in whose strings $name stands for a value.  A string of nothing but
 * $name becomes the value itself, a number, null or whatever it is; within a longer string stands
 * its text.
 */
#ifndef TL_HTTP_TEMPLATE_H
#define TL_HTTP_TEMPLATE_H

#include "base/slice.h"

#include "lib/stringinfo.h"

/* The values that there are, by their names in templates. */
typedef enum TlHttpName
{
	/* of a request */
	TL_HTTP_CORRELATION_ID,
	TL_HTTP_BATCH_ID,
	TL_HTTP_RECEIVED,
	TL_HTTP_ACCEPTED,
	TL_HTTP_DUPLICATES,
	TL_HTTP_CONFLICTS,
	TL_HTTP_REPEATED,
	TL_HTTP_SETTLED,
	TL_HTTP_REJECTED,
	TL_HTTP_RESULTS,
	/* of an event */
	TL_HTTP_INDEX,
	TL_HTTP_EVENT_ID,
	TL_HTTP_KIND,
	TL_HTTP_OUTCOME,
	TL_HTTP_RESOLUTION,
	TL_HTTP_IS_REPEATED,
	TL_HTTP_RECEIVED_AT,
	/* of a failure, of a request or of an event */
	TL_HTTP_STATUS,
	TL_HTTP_CODE,
	TL_HTTP_TYPE,
	TL_HTTP_TITLE,
	TL_HTTP_DETAIL
} TlHttpName;

#define TL_HTTP_NAMES (TL_HTTP_DETAIL + 1)

typedef enum TlHttpValueKind
{
	TL_HTTP_NULL,
	TL_HTTP_NUMBER,
	TL_HTTP_BOOLEAN,
	TL_HTTP_TEXT,
	TL_HTTP_JSON
} TlHttpValueKind;

typedef struct TlHttpValue
{
	TlHttpValueKind kind;
	int64 number; /* or boolean */
	TlSlice text; /* or JSON text */
} TlHttpValue;

typedef struct TlHttpValues
{
	TlHttpValue of[TL_HTTP_NAMES];
} TlHttpValues;

typedef struct TlTemplatePart
{
	TlSlice literal; /* and then */
	int name;		 /* a TlHttpName, or -1 at the end */
	bool whole;		 /* the value itself, not its text within a string */
} TlTemplatePart;

typedef struct TlTemplate
{
	TlTemplatePart *parts;
	int n_parts;
	uint32 uses; /* bit n: there is the name n */
} TlTemplate;

/*
 * Reads a template that is valid JSON, in the current memory context; it refers to the text.
 * Error invalid_parameter_value, naming what it is, if there is no value of a name.
 */
extern void tl_template_read(TlTemplate *t, TlSlice text, const char *what);

extern bool tl_template_uses(const TlTemplate *t, TlHttpName name);
extern void tl_template_fill(StringInfo out, const TlTemplate *t, const TlHttpValues *values);

static inline void
tl_http_set_number(TlHttpValues *values, TlHttpName name, int64 number)
{
	values->of[name] = (TlHttpValue){.kind = TL_HTTP_NUMBER, .number = number};
}

/* A text whose data is NULL is a null. */
static inline void
tl_http_set_text(TlHttpValues *values, TlHttpName name, TlSlice text)
{
	values->of[name] =
		(TlHttpValue){.kind = text.data == NULL ? TL_HTTP_NULL : TL_HTTP_TEXT, .text = text};
}

static inline void
tl_http_set_string(TlHttpValues *values, TlHttpName name, const char *text)
{
	tl_http_set_text(values, name, (TlSlice){text, text == NULL ? 0 : (uint32) strlen(text)});
}

#endif
