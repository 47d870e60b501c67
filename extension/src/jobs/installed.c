/*
 * installed.c
 *		Finds and locks the extension's row of pg_extension.  See installed.h.
 */
#include "jobs/installed.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"

static bool
is_this_version(Oid extension)
{
	Relation rel = table_open(ExtensionRelationId, AccessShareLock);
	bool same = false;
	SysScanDesc scan;
	HeapTuple tuple;
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;
		Datum version =
			heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(rel), &isnull);

		same = !isnull && strcmp(TextDatumGetCString(version), TL_VERSION) == 0;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return same;
}

TlInstalled
tl_installed_lock(bool wait)
{
	for (;;)
	{
		Oid extension = get_extension_oid("telemetry", true);
		LOCKTAG tag;

		if (!OidIsValid(extension))
			return TL_INSTALLED_NOT;
		/* LockDatabaseObject, but without waiting if so asked. */
		SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId, extension, 0);
		if (LockAcquire(&tag, AccessShareLock, false, !wait) == LOCKACQUIRE_NOT_AVAIL)
			return TL_INSTALLED_LOCKED;
		AcceptInvalidationMessages();
		if (get_extension_oid("telemetry", true) == extension)
			return is_this_version(extension) ? TL_INSTALLED_THIS : TL_INSTALLED_OTHER;
		/* It was dropped before we had the lock; there may be a new one. */
		LockRelease(&tag, AccessShareLock, false);
	}
}
