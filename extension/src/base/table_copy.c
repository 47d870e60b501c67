/*
 * table_copy.c
 *		Counts who holds a copy of a table, and reads it anew.  See table_copy.h.
 */
#include "base/table_copy.h"

#include "access/xact.h"
#include "base/at_end.h"
#include "base/statement.h"
#include "utils/inval.h"
#include "utils/memutils.h"

static TlKeptTable *kept_tables = NULL;

void *
tl_table_copy_create(MemoryContext parent, Size size, const char *context_name)
{
	MemoryContext context =
		AllocSetContextCreateInternal(parent, context_name, ALLOCSET_SMALL_MINSIZE,
									  ALLOCSET_SMALL_INITSIZE, ALLOCSET_DEFAULT_MAXSIZE);
	TlTableCopy *copy = MemoryContextAllocZero(context, size);

	Assert(size >= sizeof(TlTableCopy));
	copy->context = context;
	return copy;
}

static void
delete_if_unused(TlTableCopy *copy)
{
	if (copy->is_replaced && copy->holders == 0)
		MemoryContextDelete(copy->context);
}

static void
let_go(void *arg)
{
	TlTableCopy *copy = arg;

	Assert(copy->holders > 0);
	copy->holders--;
	delete_if_unused(copy);
}

static void
hold(TlTableCopy *copy, MemoryContext holder)
{
	MemoryContextCallback *callback = MemoryContextAlloc(holder, sizeof(MemoryContextCallback));

	callback->func = let_go;
	callback->arg = copy;
	MemoryContextRegisterResetCallback(holder, callback);
	copy->holders++;
}

/* Nobody finds it any more. */
static void
replace(TlTableCopy *copy)
{
	copy->is_replaced = true;
	delete_if_unused(copy);
}

static void
on_change(Datum arg, Oid relid)
{
	for (TlKeptTable *kept = kept_tables; kept != NULL; kept = kept->next)
		if (relid == InvalidOid || relid == kept->known_of)
			kept->is_stale = true;
}

static void
register_table(TlKeptTable *kept)
{
	if (kept_tables == NULL)
		CacheRegisterRelcacheCallback(on_change, (Datum) 0);
	kept->next = kept_tables;
	kept_tables = kept;
	kept->is_registered = true;
}

static void
read_anew(TlKeptTable *kept, Oid relid)
{
	TlStatementScope scope;

	if (kept->known != NULL)
		replace(kept->known);
	kept->known = NULL;
	kept->known = tl_table_copy_create(CacheMemoryContext, kept->size, kept->context_name);
	kept->known_of = relid;
	/* What changes while it is read makes it stale again. */
	kept->is_stale = false;
	PG_TRY();
	{
		tl_statement_begin(&scope);
		kept->read(kept->known);
		tl_statement_end(&scope);
	}
	PG_CATCH();
	{
		replace(kept->known);
		kept->known = NULL;
		kept->is_stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
	/* This snapshot may be older than changes that we have been told of already. */
	if (IsolationUsesXactSnapshot())
		tl_set_at_end(&kept->is_stale);
}

void *
tl_kept_table_now(TlKeptTable *kept, MemoryContext holder)
{
	Oid relid = tl_relation(kept->table);

	if (!kept->is_registered)
		register_table(kept);
	if (kept->known == NULL || kept->known_of != relid || kept->is_stale)
		read_anew(kept, relid);
	return tl_kept_table_as_known(kept, holder);
}

bool
tl_kept_table_is_old(TlKeptTable *kept)
{
	return kept->known != NULL && kept->known_of == tl_relation(kept->table) && kept->is_stale;
}

void *
tl_kept_table_as_known(TlKeptTable *kept, MemoryContext holder)
{
	hold(kept->known, holder);
	return kept->known;
}
