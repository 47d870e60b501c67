/*
 * http_parts.c
 *		telemetry.http_parts(): an answer in parts, so that nobody needs to hold all of it.
 *
 *	function of the route ──row by row──> text ──PART_SIZE at a time──> parts
 *
 * A function that returns SETOF telemetry.http_part is asked for its next row when the part before has
 * been taken, unless it is of a language that makes all rows first (PL/pgSQL), which PostgreSQL then
 * keeps in a temporary file.  An answer of telemetry.http_response is cut.
 *
 * All lives until the executor has no more use for the answer, which it tells the function, and us.
 */
#include "http/http_function.h"

#include "access/htup_details.h"
#include "base/run_as.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/regproc.h"

PG_FUNCTION_INFO_V1(telemetry_http_parts);

/* Bytes of a part; the last one, and one that is cut between characters, have less. */
#define PART_SIZE (64 * 1024)

/* Columns of telemetry.http_part, in their order. */
enum
{
	COLUMN_STATUS,
	COLUMN_CONTENT_TYPE,
	COLUMN_BODY,
	COLUMNS
};

/* Those of telemetry.http_response. */
enum
{
	RESPONSE_STATUS = 1,
	RESPONSE_BODY,
	RESPONSE_CONTENT_TYPE
};

typedef struct Parts
{
	MemoryContext context; /* of all of it */
	Oid function;
	SetExprState *rows; /* NULL: it has no more */
	MemoryContext arguments;
	MemoryContext row; /* what one row needs */
	TupleDesc desc;	   /* of a part */
	StringInfoData text;
	int taken; /* bytes of it */
	bool begun;
	bool is_head_told;
	Datum head[COLUMNS]; /* status and content type of the first row */
	bool head_nulls[COLUMNS];
} Parts;

/* Keeps the head of the answer, which its first row has. */
static void
parts_begin(Parts *parts, Datum status, bool has_status, Datum content_type, bool has_type)
{
	parts->begun = true;
	if (!has_status)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the status of an answer must not be null")));
	parts->head[COLUMN_STATUS] = status;
	parts->head_nulls[COLUMN_STATUS] = false;
	parts->head_nulls[COLUMN_CONTENT_TYPE] = !has_type;
	if (has_type)
		parts->head[COLUMN_CONTENT_TYPE] = PointerGetDatum(PG_DETOAST_DATUM_COPY(content_type));
}

static Const *
argument(const NullableDatum *value)
{
	return makeConst(JSONBOID, -1, InvalidOid, -1, value->value, value->isnull, false);
}

static void
parts_open_rows(Parts *parts, const NullableDatum *args, ExprContext *context)
{
	FuncExpr *call = makeFuncExpr(parts->function, parts->desc->tdtypeid,
								  list_make2(argument(&args[0]), argument(&args[1])), InvalidOid,
								  InvalidOid, COERCE_EXPLICIT_CALL);

	call->funcretset = true;
	parts->rows = ExecInitFunctionResultSet((Expr *) call, context, NULL);
}

/* Adds the next row's text. */
static void
parts_read_row(Parts *parts, ExprContext *context)
{
	MemoryContext old = MemoryContextSwitchTo(parts->row);
	Datum values[COLUMNS];
	bool nulls[COLUMNS];
	HeapTupleData tuple = {0};
	ExprDoneCond done;
	bool is_null;
	Datum row = ExecMakeFunctionResultSet(parts->rows, context, parts->arguments, &is_null, &done);

	MemoryContextSwitchTo(old);
	if (done == ExprEndResult)
		parts->rows = NULL;
	else if (!is_null)
	{
		tuple.t_data = DatumGetHeapTupleHeader(row);
		tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
		heap_deform_tuple(&tuple, parts->desc, values, nulls);
		if (!parts->begun)
			parts_begin(parts, values[COLUMN_STATUS], !nulls[COLUMN_STATUS],
						values[COLUMN_CONTENT_TYPE], !nulls[COLUMN_CONTENT_TYPE]);
		if (!nulls[COLUMN_BODY])
		{
			text *body = DatumGetTextPP(values[COLUMN_BODY]);

			appendBinaryStringInfo(&parts->text, VARDATA_ANY(body), (int) VARSIZE_ANY_EXHDR(body));
		}
	}
	MemoryContextReset(parts->row);
}

/* A body as it is sent: JSON, or the text that it is. */
static void
add_response_body(StringInfo out, Jsonb *body, bool as_text)
{
	JsonbValue value;

	if (as_text && JB_ROOT_IS_SCALAR(body) && JsonbExtractScalar(&body->root, &value) &&
		value.type == jbvString)
		appendBinaryStringInfo(out, value.val.string.val, value.val.string.len);
	else
		(void) JsonbToCString(out, &body->root, (int) VARSIZE(body));
}

static bool
is_json_type(Datum content_type)
{
	return strstr(TextDatumGetCString(content_type), "json") != NULL;
}

/* The whole text of an answer at once. */
static void
parts_read_response(Parts *parts, const NullableDatum *args)
{
	HeapTupleHeader answer;
	Datum status;
	Datum body;
	Datum type;
	Datum response;
	bool no_status;
	bool no_body;
	bool no_type;

	if (!tl_http_function_call(parts->function, args, &response))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("an answer must not be null")));
	answer = DatumGetHeapTupleHeader(response);
	status = GetAttributeByNum(answer, RESPONSE_STATUS, &no_status);
	body = GetAttributeByNum(answer, RESPONSE_BODY, &no_body);
	type = GetAttributeByNum(answer, RESPONSE_CONTENT_TYPE, &no_type);
	parts_begin(parts, status, !no_status, type, !no_type);
	if (!no_body)
		add_response_body(&parts->text, DatumGetJsonbP(body), !no_type && !is_json_type(type));
}

/* At the end of the query, or when the answer is asked for anew; the function has been told before. */
static void
parts_free(Datum parts)
{
	MemoryContextDelete(((Parts *) DatumGetPointer(parts))->context);
}

static Parts *
parts_create(FunctionCallInfo fcinfo, ExprContext *econtext, TupleDesc desc)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "answer in parts", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TlHttpFunction function;
	Parts *parts = palloc0(sizeof(Parts));

	parts->context = context;
	/* The last to be registered is the first to be called, and the function registers its own. */
	RegisterExprContextCallback(econtext, parts_free, PointerGetDatum(parts));
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("route must not be null")));
	function = tl_http_function(PG_GETARG_DATUM(0));
	parts->function = function.oid;
	parts->desc = BlessTupleDesc(CreateTupleDescCopy(desc));
	parts->arguments =
		AllocSetContextCreate(CurrentMemoryContext, "arguments", ALLOCSET_SMALL_SIZES);
	parts->row =
		AllocSetContextCreate(CurrentMemoryContext, "row of an answer", ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&parts->text);
	memset(parts->head_nulls, true, sizeof(parts->head_nulls));
	if (function.is_set)
	{
		TlRunAs scope;

		tl_run_as_begin(&scope, function.oid);
		parts_open_rows(parts, &fcinfo->args[1], econtext);
		tl_run_as_end(&scope);
	}
	else
		parts_read_response(parts, &fcinfo->args[1]);
	MemoryContextSwitchTo(old);
	return parts;
}

static int
parts_left(const Parts *parts)
{
	return parts->text.len - parts->taken;
}

/* Reads rows until there is a part's text, or no more. */
static void
parts_fill(Parts *parts, ExprContext *context)
{
	MemoryContext old = CurrentMemoryContext;
	TlRunAs scope;

	if (parts->rows == NULL || parts_left(parts) >= PART_SIZE)
		return;
	memmove(parts->text.data, parts->text.data + parts->taken, (size_t) parts_left(parts));
	parts->text.len -= parts->taken;
	parts->taken = 0;
	tl_run_as_begin(&scope, parts->function);
	PG_TRY();
	{
		while (parts->rows != NULL && parts->text.len < PART_SIZE)
		{
			CHECK_FOR_INTERRUPTS();
			parts_read_row(parts, context);
		}
	}
	PG_CATCH();
	{
		tl_http_function_failed(parts->function, old);
	}
	PG_END_TRY();
	tl_run_as_end(&scope);
	if (!parts->begun)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("function %s returned no part", format_procedure(parts->function))));
}

/* Bytes of whole characters in a part of a longer text.  In UTF-8 no character before needs a look. */
static int
part_length(const char *text, int len)
{
	int length = PART_SIZE;

	if (GetDatabaseEncoding() != PG_UTF8)
		return pg_mbcliplen(text, len, PART_SIZE);
	while (length > PART_SIZE - MAX_MULTIBYTE_CHAR_LEN &&
		   ((unsigned char) text[length] & 0xC0) == 0x80)
		length--;
	return length;
}

/* The next part, a row; 0 if the answer is complete. */
static Datum
parts_next(Parts *parts)
{
	Datum values[COLUMNS] = {0};
	bool nulls[COLUMNS] = {true, true, true};
	const char *start = parts->text.data + parts->taken;
	int len = parts_left(parts);

	if (len == 0 && parts->is_head_told)
		return (Datum) 0;
	if (!parts->is_head_told)
	{
		memcpy(values, parts->head, sizeof(values));
		memcpy(nulls, parts->head_nulls, sizeof(nulls));
		parts->is_head_told = true;
	}
	if (len > PART_SIZE)
		len = part_length(start, len);
	values[COLUMN_BODY] = PointerGetDatum(cstring_to_text_with_len(start, len));
	nulls[COLUMN_BODY] = false;
	parts->taken += len;
	return HeapTupleGetDatum(heap_form_tuple(parts->desc, values, nulls));
}

/* The answer has been told; what is large of it need not wait for the end. */
static void
parts_end(Parts *parts)
{
	pfree(parts->text.data);
	MemoryContextDelete(parts->row);
}

Datum
telemetry_http_parts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	FuncCallContext *call;
	Datum part;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		TupleDesc desc;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
			desc->natts != COLUMNS)
			elog(ERROR, "the row type of telemetry.http_parts() is another");
		call->user_fctx = parts_create(fcinfo, info->econtext, desc);
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	parts_fill(call->user_fctx, info->econtext);
	part = parts_next(call->user_fctx);
	if (part == (Datum) 0)
	{
		parts_end(call->user_fctx);
		SRF_RETURN_DONE(call);
	}
	SRF_RETURN_NEXT(call, part);
}
