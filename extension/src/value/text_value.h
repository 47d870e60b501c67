/*
 * text_value.h
 *		Values as files have them: the text form of telemetry.value, and what spreadsheets, scripts and
 *		loggers write for it.
 *
 *	25.5  +25.5  .5  5.  007  1e-3	numbers; with a decimal comma 25,5
 *	NaN  inf  -Infinity				in any case
 *	true  FALSE						in any case
 *	"open"  {"a": 1}  {"$geo": [48.2, 16.4]}
 *	open							only where bare words are texts
 */
#ifndef TL_TEXT_VALUE_H
#define TL_TEXT_VALUE_H

#include "base/slice.h"

/* Room for the value of a number, so that none is allocated for each. */
typedef union TlNumberValue
{
	int32 aligned;
	char bytes[VARHDRSZ + 1 + sizeof(double)];
} TlNumberValue;

typedef struct TlTextValue
{
	bool decimal_comma;
	bool words; /* what reads as nothing else is a text */
} TlTextValue;

/*
 * The value of a text that is not empty and without spaces around it: in *number, or in the current
 * memory context.  Does not raise; NULL with *problem, a phrase that goes after the text.
 */
extern const struct varlena *tl_text_value(TlSlice text, const TlTextValue *how,
										   TlNumberValue *number, const char **problem);

/* Whether a text is a number, which may be NaN or an infinity if it is written so. */
extern bool tl_text_number(TlSlice text, bool decimal_comma, double *number);

/* A text without the spaces, tabs and ends of lines around it. */
extern TlSlice tl_text_trim(TlSlice text);

#endif
