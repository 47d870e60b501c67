/*
 * json_mend.c
 *		JSON texts with something in them that jsonb cannot hold.  See json_mend.h.
 *
 * One pass over the text, which need not be JSON: no more than the marks that structure it are looked
 * at.  Whether it is JSON is for the parser to say, before what is left of it could be taken for some.
 */
#include "value/json_mend.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "value/json_number.h"
#include "value/json_value.h"

#define NUL_PROBLEM "has the escape \\u0000, which no text can store"
#define SURROGATE_PROBLEM "has an escape that is half of a surrogate pair, which no text can store"

/* Deeper ones are beyond the stack of the parser. */
#define DEPTH_MAX 10000

/* An object or array that is open. */
typedef struct Level
{
	bool is_object;
	bool at_name;	 /* the next string is the name of a member */
	bool is_named;	 /* that has been read, and what is next is a colon */
	bool is_escaped; /* the step's name is as it stands in the text, and has escapes */
	TlJsonStep step;
} Level;

typedef struct Mender
{
	const char *p;
	const char *end;
	const char *kept; /* up to there the text has been written */
	StringInfoData out;
	bool is_split;
	bool is_doubtful; /* what it is made an array of may be no object */
	Level *levels;
	int depth;
	int levels_cap;
	TlJsonFault *faults;
	uint32 n_faults;
	uint32 faults_cap;
} Mender;

/* Faults -------------------------------------------------------------------------------------- */

/* How many steps it takes to what is told of once: to the first element of an array, or the member. */
static int
unit_of(const TlJsonStep *steps, int n)
{
	for (int i = 0; i < n; i++)
		if (steps[i].name.data == NULL)
			return i + 1;
	return Min(n, 1);
}

static bool
is_told(const Mender *m, const TlJsonStep *steps, int n)
{
	const TlJsonFault *last;
	int unit = unit_of(steps, n);

	if (m->n_faults == 0)
		return false;
	last = &m->faults[m->n_faults - 1];
	if (unit_of(last->steps, last->n_steps) != unit)
		return false;
	for (int i = 0; i < unit; i++)
		if (last->steps[i].number != steps[i].number)
			return false;
	return true;
}

/* A name is a JSON text by itself. */
static TlSlice
unescape(TlSlice name)
{
	char *text = psprintf("\"%.*s\"", (int) name.len, name.data);
	TlJsonMended mended;
	JsonbValue v;

	tl_json_mend((TlSlice){text, name.len + 2}, false, &mended);
	(void) JsonbExtractScalar(&mended.json->root, &v);
	return (TlSlice){v.val.string.val, (uint32) v.val.string.len};
}

static void
note_fault(Mender *m, const char *problem)
{
	int n = m->depth;
	TlJsonStep *steps = palloc(sizeof(TlJsonStep) * (Size) Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		Level *level = &m->levels[i];

		/* Once for all that is wrong below it. */
		if (level->is_escaped)
			level->step.name = unescape(level->step.name);
		level->is_escaped = false;
		steps[i] = level->step;
	}
	if (is_told(m, steps, n))
	{
		pfree(steps);
		return;
	}
	if (m->n_faults == m->faults_cap)
	{
		Size cap = Max((Size) m->faults_cap * 2, 16);

		m->faults = m->faults == NULL ? palloc(cap * sizeof(TlJsonFault))
									  : repalloc_huge(m->faults, cap * sizeof(TlJsonFault));
		m->faults_cap = (uint32) cap;
	}
	m->faults[m->n_faults++] = (TlJsonFault){
		.steps = steps,
		.n_steps = n,
		.in_name = n > 0 && m->levels[n - 1].at_name,
		.problem = problem,
	};
}

const char *
tl_json_fault_path(const TlJsonFault *fault, int from)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = from; i < fault->n_steps; i++)
	{
		const TlJsonStep *step = &fault->steps[i];

		if (step->name.data == NULL)
			appendStringInfo(&out, "[%u]", step->number);
		else
			appendStringInfo(&out, "%s%.*s", i > from ? "." : "", (int) step->name.len,
							 step->name.data);
	}
	return tl_json_quote((TlSlice){out.data, (uint32) out.len});
}

/* Text ---------------------------------------------------------------------------------------- */

/* Writes what has been read up to p. */
static void
keep(Mender *m, const char *p)
{
	appendBinaryStringInfo(&m->out, m->kept, (int) (p - m->kept));
	m->kept = p;
}

/* Writes another byte in place of the one at p. */
static void
replace(Mender *m, const char *p, char byte)
{
	keep(m, p);
	appendStringInfoChar(&m->out, byte);
	m->kept = p + 1;
}

/* The code of an escape at p, a backslash; -1 if it is another one, or cut off. */
static int
escape_code(const char *p, const char *end)
{
	int code = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++)
	{
		char c = p[i];

		code <<= 4;
		if (c >= '0' && c <= '9')
			code |= c - '0';
		else if (c >= 'a' && c <= 'f')
			code |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			code |= c - 'A' + 10;
		else
			return -1;
	}
	return code;
}

static bool
is_half(int code, int first)
{
	return (code & ~0x3ff) == first;
}

/* At a backslash; moves past the escape. */
static void
mend_escape(Mender *m)
{
	int code = escape_code(m->p, m->end);

	if (is_half(code, 0xd800) && is_half(escape_code(m->p + 6, m->end), 0xdc00))
		m->p += 12;
	else if (code == 0 || is_half(code, 0xd800) || is_half(code, 0xdc00))
	{
		note_fault(m, code == 0 ? NUL_PROBLEM : SURROGATE_PROBLEM);
		keep(m, m->p);
		appendStringInfoChar(&m->out, '\\');
		m->p += 6;
	}
	else
		m->p += m->end - m->p > 1 ? 2 : 1;
}

/* The end of a string from behind its opening quote on, and whether it has escapes. */
static const char *
find_quote(const char *p, const char *end, bool *is_escaped)
{
	*is_escaped = false;
	for (; p < end && *p != '"'; p++)
	{
		if (*p != '\\')
			continue;
		*is_escaped = true;
		if (++p == end)
			break;
	}
	return p;
}

/* At the opening quote. */
static void
mend_string(Mender *m)
{
	Level *level = m->depth > 0 ? &m->levels[m->depth - 1] : NULL;
	const char *start = m->p + 1;
	bool is_escaped;
	const char *quote = find_quote(start, m->end, &is_escaped);

	/* Known before its escapes are looked at, for whatever is wrong with them. */
	if (level != NULL && level->at_name)
	{
		level->step.name = (TlSlice){start, (uint32) (quote - start)};
		level->is_escaped = is_escaped;
		level->is_named = true;
	}
	for (m->p = start; is_escaped && m->p < quote;)
	{
		if (*m->p == '\\')
			mend_escape(m);
		else
			m->p++;
	}
	m->p = quote < m->end ? quote + 1 : quote;
}

static void
mend_number(Mender *m)
{
	const char *start = m->p;
	const char *p = start + 1;

	/* Most are short, and have no exponent. */
	while (p < m->end && ((*p >= '0' && *p <= '9') || *p == '.'))
		p++;
	m->p = p;
	if (p - start <= TL_JSON_NUMBER_MAX && (p == m->end || (*p != 'e' && *p != 'E')))
		return;
	if (tl_json_number_length(start, m->end, &m->p) <= TL_JSON_NUMBER_MAX)
		return;
	note_fault(m, TL_JSON_NUMBER_PROBLEM);
	keep(m, start);
	appendStringInfoChar(&m->out, '"');
	keep(m, m->p);
	appendStringInfoChar(&m->out, '"');
}

static void
open_level(Mender *m, bool is_object)
{
	if (m->depth == DEPTH_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("JSON is nested deeper than %d", DEPTH_MAX)));
	if (m->depth == m->levels_cap)
	{
		m->levels_cap = Max(m->levels_cap * 2, 16);
		m->levels = m->levels == NULL ? palloc(sizeof(Level) * (Size) m->levels_cap)
									  : repalloc(m->levels, sizeof(Level) * (Size) m->levels_cap);
	}
	m->levels[m->depth++] = (Level){.is_object = is_object, .at_name = is_object};
	if (m->is_split && m->depth == 1)
		replace(m, m->p, '[');
	m->p++;
}

static void
close_level(Mender *m)
{
	if (m->is_split && m->depth == 1)
	{
		m->is_doubtful |= *m->p != '}' || m->levels[0].at_name;
		replace(m, m->p, ']');
	}
	if (m->depth > 0)
		m->depth--;
	m->p++;
}

/* After a comma or a colon. */
static void
go_on(Mender *m, bool to_value)
{
	if (m->depth > 0)
	{
		Level *level = &m->levels[m->depth - 1];

		if (m->is_split && m->depth == 1)
		{
			m->is_doubtful |= to_value ? !level->is_named : level->at_name;
			if (to_value)
				replace(m, m->p, ',');
		}
		level->is_named = false;
		level->at_name = level->is_object && !to_value;
		level->step.number += !to_value;
	}
	m->p++;
}

static void
mend(Mender *m)
{
	while (m->p < m->end)
	{
		switch (*m->p)
		{
			case '"':
				mend_string(m);
				break;
			case '{':
			case '[':
				open_level(m, *m->p == '{');
				break;
			case '}':
			case ']':
				close_level(m);
				break;
			case ',':
			case ':':
				go_on(m, *m->p == ':');
				break;
			case '-':
			case '0':
			case '1':
			case '2':
			case '3':
			case '4':
			case '5':
			case '6':
			case '7':
			case '8':
			case '9':
				mend_number(m);
				break;
			default:
				m->p++;
		}
	}
	keep(m, m->end);
}

static bool
is_object(TlSlice s)
{
	uint32 i = 0;

	while (i < s.len &&
		   (s.data[i] == ' ' || s.data[i] == '\t' || s.data[i] == '\n' || s.data[i] == '\r'))
		i++;
	return i < s.len && s.data[i] == '{';
}

void
tl_json_mend(TlSlice text, bool split, TlJsonMended *mended)
{
	Mender m = {.p = text.data, .end = text.data + text.len, .kept = text.data};

	m.is_split = split && is_object(text);
	initStringInfo(&m.out);
	enlargeStringInfo(&m.out, (int) text.len);
	mend(&m);
	/* This might make JSON of what is none. */
	if (m.is_doubtful || m.n_faults > 0)
		(void) DirectFunctionCall1(json_in, CStringGetDatum(pnstrdup(text.data, text.len)));
	*mended = (TlJsonMended){
		.json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(m.out.data))),
		.split = m.is_split,
		.faults = m.faults,
		.n_faults = m.n_faults,
	};
	pfree(m.out.data);
}
