/*
 * lib/ipaddr.c - addresses of both families: classes, prefixes, text (RFC 4291, 2.2; RFC 5952).
 *
 * The text forms themselves are the C library's inet_pton() and inet_ntop(), which are strict: a
 * dotted quad has four decimal parts without leading zeros.  A zone ("%eth0") is the device's, not
 * the address's, and refused.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>

#include "lib/ipaddr.h"

const struct ip_addr ip_addr_any = {.d = {0, 0}};
const struct ip_addr ip_addr_any4 = {.b = {[10] = 0xff, 0xff, 0, 0, 0, 0}};
const struct ip_addr ip_addr_bcast4 = {.b = {[10] = 0xff, 0xff, 255, 255, 255, 255}};
const struct ip_addr ip_addr_loop4 = {.b = {[10] = 0xff, 0xff, 127, 0, 0, 1}};

bool ip_addr_is_linklocal(const struct ip_addr *a)
{
	if (ip_addr_is4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* Ones in the first `prefix` of 64 bits, in network byte order. */
static uint64_t mask64(unsigned prefix)
{
	if (prefix == 0)
		return 0;
	return prefix >= 64 ? UINT64_MAX : htobe64(UINT64_MAX << (64 - prefix));
}

static struct ip_addr mask_of(unsigned prefix)
{
	struct ip_addr m = {{{0}}};

	m.d[0] = mask64(prefix);
	m.d[1] = prefix > 64 ? mask64(prefix - 64) : 0;
	return m;
}

bool ip_addr_match(const struct ip_addr *a, const struct ip_addr *net, unsigned prefix)
{
	struct ip_addr m = mask_of(prefix);

	return (((a->d[0] ^ net->d[0]) & m.d[0]) | ((a->d[1] ^ net->d[1]) & m.d[1])) == 0;
}

struct ip_addr ip_addr_mask(const struct ip_addr *a, unsigned prefix)
{
	struct ip_addr m = mask_of(prefix);

	m.d[0] &= a->d[0];
	m.d[1] &= a->d[1];
	return m;
}

struct ip_addr ip_addr_bcast_of(const struct ip_addr *a, unsigned prefix)
{
	struct ip_addr m = mask_of(prefix);

	m.d[0] = a->d[0] | ~m.d[0];
	m.d[1] = a->d[1] | ~m.d[1];
	return m;
}

const char *ip_addr_text(const struct ip_addr *a, char *buf)
{
	if (ip_addr_is4(a))
		inet_ntop(AF_INET, &a->b[12], buf, IP_ADDR_TEXT);
	else
		inet_ntop(AF_INET6, a->b, buf, IP_ADDR_TEXT);
	return buf;
}

int ip_addr_parse(const char *text, struct ip_addr *a)
{
	struct ip_addr r = ip_addr_any4;
	int ok;

	if (strchr(text, ':'))
		ok = inet_pton(AF_INET6, text, r.b);
	else
		ok = inet_pton(AF_INET, text, &r.b[12]);
	if (ok != 1)
		return -EINVAL;
	*a = r;
	return 0;
}

/* A decimal number from 0 to max: digits only, no leading zero. */
static int number_parse(const char *text, unsigned max, unsigned *n)
{
	unsigned v = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		v = v * 10 + (unsigned)(*text - '0');
		if (v > max)
			return -EINVAL;
	}
	*n = v;
	return 0;
}

/* The address in text[0..n), which is followed by a slash, a bracket or a colon. */
static int part_parse(const char *text, size_t n, struct ip_addr *a)
{
	char part[IP_ADDR_TEXT];

	if (n >= sizeof(part))
		return -EINVAL;
	memcpy(part, text, n);
	part[n] = '\0';
	return ip_addr_parse(part, a);
}

int ip_prefix_parse(const char *text, struct ip_addr *a, unsigned *prefix)
{
	size_t n = strcspn(text, "/");
	bool v4 = memchr(text, ':', n) == NULL;
	unsigned len = v4 ? 32 : 128;
	struct ip_addr r;

	if (text[n] == '/' && number_parse(text + n + 1, len, &len) != 0)
		return -EINVAL;
	if (part_parse(text, n, &r) != 0)
		return -EINVAL;
	*a = r;
	*prefix = v4 ? IP_PREFIX4(len) : len;
	return 0;
}

int ip_addrport_parse(const char *text, struct ip_addr *a, uint16_t *port)
{
	const char *colon = strrchr(text, ':'), *end = colon;
	bool bracketed = *text == '[';
	struct ip_addr r;
	unsigned n;

	if (!colon || number_parse(colon + 1, 65535, &n) != 0)
		return -EINVAL;
	if (bracketed) {
		text++;
		end--;
		if (end < text || *end != ']')
			return -EINVAL;
	}
	/* Without brackets it would be open where an address with colons ends and the port starts.
	 */
	if (bracketed != (memchr(text, ':', (size_t)(end - text)) != NULL))
		return -EINVAL;
	if (part_parse(text, (size_t)(end - text), &r) != 0)
		return -EINVAL;
	*a = r;
	*port = (uint16_t)n;
	return 0;
}
