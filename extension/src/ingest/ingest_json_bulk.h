/*
 * ingest_json_bulk.h
 *		The devices of a bulk body, {device_id: [point, ...], ...}.
 *
 * What is wrong with the list of one device is that device's error and hurts no other.  A device that a
 * text names several times has the points of all its lists, in their order.
 */
#ifndef TL_INGEST_JSON_BULK_H
#define TL_INGEST_JSON_BULK_H

#include "ingest/ingest_json_body.h"
#include "ingest/receipt.h"

#define TL_JSON_LIST_MAX 1000
#define TL_JSON_BULK_MAX 10000

typedef struct TlJsonDevice
{
	TlSlice device;
	uint32 first;	  /* member of the body */
	uint32 total;	  /* points of all its lists */
	const char *code; /* why none of them is taken, or NULL */
	const char *message;

	/* What became of them, if they were taken. */
	bool has_receipt;
	bool is_repeated; /* they have come before, and nothing is stored */
	TlReceipt receipt;
} TlJsonDevice;

typedef struct TlJsonDevices
{
	TlJsonDevice *list; /* in the order of the body */
	uint32 n;
	const uint32
		*next;	  /* of each member of the body, the next one of the same device, or body->n */
	uint64 taken; /* points of those devices whose points are taken */
} TlJsonDevices;

extern void tl_json_devices_find(const TlJsonBody *body, TlJsonDevices *devices);

/* All points of a device whose points are taken, as one array. */
extern void tl_json_device_points(const TlJsonBody *body, const TlJsonDevices *devices,
								  const TlJsonDevice *d, JsonbValue *points);

/* An array of points. */
extern bool tl_json_is_list(const JsonbValue *json);

#endif
