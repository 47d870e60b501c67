/*
 * under_way.h
 *		Statements under way: INSERT and COPY into views whose triggers collect the rows.
 *
 * A trigger before a statement begins something, one instead of each row hands the row to it, and
 * one after the statement ends it.  Nothing that PostgreSQL gives to a row's trigger says which
 * statement it is of, and statements nest, when a function that one calls inserts as well.  So those
 * under way are a stack, of which a row's is the innermost.
 *
 * What a statement keeps lives in a context of the (sub)transaction that began it, and leaves the
 * stack when that goes: at the statement's end, or when the (sub)transaction is rolled back.
 */
#ifndef TL_UNDER_WAY_H
#define TL_UNDER_WAY_H

#include "base/compat.h"

#include "fmgr.h"
#include "utils/palloc.h"

/* The first member of what a statement keeps. */
typedef struct TlUnderWay
{
	struct TlUnderWay *outer;
	struct TlUnderWay **innermost; /* the stack that it is on */
	MemoryContext context;		   /* holds all that the statement keeps, this too */
	MemoryContextCallback on_delete;
} TlUnderWay;

/*
 * Begins a statement: size zeroed bytes that begin with a TlUnderWay, on a stack of the caller.
 * The context's name is a constant.
 */
extern void *tl_under_way_begin(TlUnderWay **innermost, Size size, const char *context_name);

/* Ends a statement; its context goes. */
extern void tl_under_way_end(TlUnderWay *statement);

/*
 * A call of a view's trigger function for a statement, or for a row with so many columns; raises
 * if it is anything else, or if there is no statement for a row or for the end.
 */
extern bool tl_under_way_is_begin(FunctionCallInfo fcinfo, const TlUnderWay *innermost,
								  const char *function, const char *view);
extern struct TupleTableSlot *tl_under_way_row(FunctionCallInfo fcinfo, const TlUnderWay *innermost,
											   int columns, const char *function, const char *view);

#endif
