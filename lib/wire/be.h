/* lib/wire/be.h - big-endian fields of wire formats, of any alignment, that cannot be used by mistake. */
#pragma once
#include <endian.h>
#include <stdint.h>

typedef struct {
	uint16_t raw; /* network byte order */
} __attribute__((packed)) be16;
typedef struct {
	uint32_t raw;
} __attribute__((packed)) be32;

static inline uint16_t be16_get(be16 x)
{
	return be16toh(x.raw);
}
static inline be16 be16_of(uint16_t x)
{
	return (be16){htobe16(x)};
}
static inline uint32_t be32_get(be32 x)
{
	return be32toh(x.raw);
}
static inline be32 be32_of(uint32_t x)
{
	return (be32){htobe32(x)};
}
