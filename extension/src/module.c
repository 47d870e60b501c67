/*
 * module.c
 *		What the library does when it is loaded.
 */
#include "base/compat.h"

#include "alert/alert_watch.h"
#include "base/guc.h"
#include "base/standby.h"
#include "fdw/fdw_statistics.h"
#include "fmgr.h"
#include "jobs/launcher.h"
#include "jobs/worker_command.h"
#include "jobs/worker_slot.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

void
_PG_init(void)
{
	tl_guc_define();
	tl_standby_define();
	tl_statistics_define();
	tl_alert_watch_define();
	if (process_shared_preload_libraries_in_progress)
	{
		tl_slots_define();
		tl_worker_command_define();
		tl_launcher_define();
	}
}
