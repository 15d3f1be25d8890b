/*
 * lib/ipaddr.h - one address type for both families: 16 bytes, IPv4 in its mapped form
 * (RFC 4291, 2.5.5.2), so that tcp, udp and socket never ask which family they carry.
 */
#pragma once
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ip_addr {
	union {
		uint8_t b[16]; /* network byte order */
		uint32_t w[4];
		uint64_t d[2];
	};
};

#define IP_ADDR_TEXT 48 /* longest text with its NUL; "/128" included */

extern const struct ip_addr ip_addr_any;    /* :: , the wildcard of both families */
extern const struct ip_addr ip_addr_any4;   /* ::ffff:0.0.0.0 */
extern const struct ip_addr ip_addr_bcast4; /* ::ffff:255.255.255.255 */
extern const struct ip_addr ip_addr_loop4;  /* ::ffff:127.0.0.1 */

static inline struct ip_addr ip_addr4_be(const void *four_bytes)
{
	struct ip_addr r = {.w = {0, 0, htobe32(0xffff)}};

	memcpy(&r.w[3], four_bytes, 4);
	return r;
}

/* `a` in host byte order: ip_addr4(0x0a000001) is 10.0.0.1. */
static inline struct ip_addr ip_addr4(uint32_t a)
{
	uint32_t be = htobe32(a);

	return ip_addr4_be(&be);
}

/* In host byte order. */
static inline uint32_t ip_addr_to4(const struct ip_addr *a)
{
	return be32toh(a->w[3]);
}

static inline bool ip_addr_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
}

static inline bool ip_addr_is4(const struct ip_addr *a)
{
	return a->d[0] == 0 && a->w[2] == htobe32(0xffff);
}

/* The unspecified address of either family. */
static inline bool ip_addr_is_any(const struct ip_addr *a)
{
	return a->d[0] == 0 && a->w[3] == 0 && (a->w[2] == 0 || ip_addr_is4(a));
}

static inline bool ip_addr_is_loopback(const struct ip_addr *a)
{
	if (ip_addr_is4(a))
		return a->b[12] == 127;
	return a->d[0] == 0 && a->d[1] == htobe64(1);
}

static inline bool ip_addr_is_multicast(const struct ip_addr *a)
{
	if (ip_addr_is4(a))
		return (a->b[12] & 0xf0) == 0xe0;
	return a->b[0] == 0xff;
}

/* 255.255.255.255 only */
static inline bool ip_addr_is_bcast(const struct ip_addr *a)
{
	return ip_addr_eq(a, &ip_addr_bcast4);
}

/* 240/4 but for the broadcast */
static inline bool ip_addr_is_class_e(const struct ip_addr *a)
{
	return ip_addr_is4(a) && (a->b[12] & 0xf0) == 0xf0 && !ip_addr_is_bcast(a);
}

bool ip_addr_is_linklocal(const struct ip_addr *a); /* 169.254/16, fe80::/10 */

/* Prefix lengths count in 128 bits: an IPv4 /24 is 120 here (IP_PREFIX4). */
#define IP_PREFIX4(len) ((len) + 96)
bool ip_addr_match(const struct ip_addr *a, const struct ip_addr *net, unsigned prefix);
struct ip_addr ip_addr_mask(const struct ip_addr *a, unsigned prefix);
struct ip_addr ip_addr_bcast_of(const struct ip_addr *a, unsigned prefix); /* host bits all ones */

/* "10.0.0.1" or "fe80::1"; returns buf (IP_ADDR_TEXT bytes). */
const char *ip_addr_text(const struct ip_addr *a, char *buf);
/* Strict dotted quad or RFC 4291 text.  0 or -EINVAL. */
int ip_addr_parse(const char *text, struct ip_addr *a);
/* "10.0.0.0/24"; without a slash the full length.  *prefix in 128 bits.  0 or -EINVAL. */
int ip_prefix_parse(const char *text, struct ip_addr *a, unsigned *prefix);
/* "10.0.0.1:80", "[::1]:80".  0 or -EINVAL. */
int ip_addrport_parse(const char *text, struct ip_addr *a, uint16_t *port);
