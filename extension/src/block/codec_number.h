/*
 * codec_number.h
 *		float8 values of one series, bit for bit.
 *
 * Sensor readings are decimals with few digits.  A decimal m / 10^e with |m| <= 2^51 and
 * e <= 15 is the double that division yields (both operands are exact, IEEE division rounds
 * correctly), so a series whose values all pass that test is stored as integers:
 *
 *	TL_NUMBER_DECIMAL	e (1 byte), zigzag varint of the first mantissa, zigzag varints of the
 *						differences between neighbours
 *	TL_NUMBER_XOR		each value's bits XOR those of the one before, as eight byte planes,
 *						most significant first, which a general compressor then takes apart
 *	TL_NUMBER_CONSTANT	the 8 bytes of the one value that all have
 *
 * Not-a-number, infinities and minus zero fail the decimal test and keep their bits.
 */
#ifndef TL_CODEC_NUMBER_H
#define TL_CODEC_NUMBER_H

#include "base/bytes.h"

typedef enum TlNumberMode
{
	TL_NUMBER_DECIMAL = 0,
	TL_NUMBER_XOR = 1,
	TL_NUMBER_CONSTANT = 2
} TlNumberMode;

/* Appends n >= 1 values: a mode byte, then as above. */
extern void tl_number_encode(TlBuf *buf, const double *v, uint32 n);

/* Fills v[n]. */
extern void tl_number_decode(TlReader *r, uint32 n, double *v);

#endif
