/*
 * lib/checksum.h - the Internet checksum (RFC 1071), incremental update (RFC 1624).
 *
 * Partial sums are 64 bits wide, in network byte order as read from memory, and may be added to each
 * other in any order as long as each part but the last has an even length.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Adds n bytes to a partial sum. */
uint64_t csum_add(uint64_t sum, const void *data, size_t n);
/* The same of a few words, n a multiple of 4, as a header is. */
static inline uint64_t csum_add_words(uint64_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t w;

	for (; n >= sizeof(w); n -= sizeof(w), p += sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		sum += w;
	}
	return sum;
}

/* The part that a pseudo header gives (RFC 9293, 3.1; RFC 768): addresses of alen bytes (4 or 16). */
uint64_t csum_pseudo(const void *src, const void *dst, size_t alen, uint8_t proto, uint32_t len);
/* Folded to 16 bits, not complemented: what NEEDS_CSUM leaves in the field. */
uint16_t csum_fold(uint64_t sum);
/* The checksum as it stands in a header (network byte order as stored); 0 over correct data. */
static inline uint16_t csum_finish(uint64_t sum)
{
	return (uint16_t)~csum_fold(sum);
}
/* A sum that starts at an odd offset of the whole: swap it before it is added. */
uint64_t csum_odd(uint64_t sum);
/* RFC 1624, eqn 3: a header's checksum after a 16-bit word (network order) changed. */
uint16_t csum_update16(uint16_t csum, uint16_t from, uint16_t to);
