/*
 * table_copy.c
 *		Counts who holds a copy of a table.  See table_copy.h.
 */
#include "base/table_copy.h"

#include "utils/memutils.h"

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

void
tl_table_copy_hold(TlTableCopy *copy, MemoryContext holder)
{
	MemoryContextCallback *callback = MemoryContextAlloc(holder, sizeof(MemoryContextCallback));

	callback->func = let_go;
	callback->arg = copy;
	MemoryContextRegisterResetCallback(holder, callback);
	copy->holders++;
}

void
tl_table_copy_replace(TlTableCopy *copy)
{
	copy->is_replaced = true;
	delete_if_unused(copy);
}
