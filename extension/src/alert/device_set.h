/*
 * device_set.h
 *		Which devices, or which of their points, a rule or a maintenance is about.
 */
#ifndef TL_DEVICE_SET_H
#define TL_DEVICE_SET_H

#include "block/run.h"
#include "utils/jsonb.h"

/* Devices, sorted. */
typedef struct TlDeviceList
{
	TlSlice *ids;
	int n;
} TlDeviceList;

/* Devices by list, by patterns of LIKE, and points by tags of which they have all. */
typedef struct TlDeviceSet
{
	bool all;
	TlDeviceList *lists; /* its own, and those of groups, which other sets share */
	int n_lists;
	text **patterns;
	int n_patterns;
	Jsonb **tags;
	int n_tags;
} TlDeviceSet;

/* Whether a set has a device: always, never, or only points with certain tags. */
typedef enum TlMembership
{
	TL_MEMBER_NEVER,
	TL_MEMBER_ALWAYS,
	TL_MEMBER_BY_TAGS
} TlMembership;

extern TlMembership tl_device_set_has(const TlDeviceSet *set, TlSlice device);
/* For the last of these: whether a point with such attributes (NULL: none) is of the set. */
extern bool tl_device_set_has_tags(const TlDeviceSet *set, const TlAttrs *attrs);

#endif
