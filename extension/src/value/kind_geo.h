/*
 * kind_geo.h
 *		Places on Earth.
 */
#ifndef TL_KIND_GEO_H
#define TL_KIND_GEO_H

#include "value/kind.h"

/*
 * Makes a value of latitude, longitude and, if there is one, altitude; NULL, or what is wrong with
 * them as a message without full stop.
 */
extern const char *tl_geo_make(const double place[3], bool has_altitude, struct varlena **value);

#endif
