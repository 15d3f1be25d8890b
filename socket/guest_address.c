/*
 * socket/guest_address.c - addresses as programs write them, and getsockname and getpeername.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "socket/guest.h"

#define SIN6_LEN_MIN 24u

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static void address_copy(const void *in, socklen_t size, struct sockaddr *a, socklen_t *n)
{
	memcpy(a, in, *n < size ? *n : size);
	*n = size;
}

void guest_address_put(const struct program_addr *p, int family, struct sockaddr *a, socklen_t *n)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(p->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(p->port)};

	memcpy(&in.sin_addr, p->ip + 12, 4);
	memcpy(&in6.sin6_addr, p->ip, 16);
	if (family == AF_INET6)
		address_copy(&in6, sizeof(in6), a, n);
	else
		address_copy(&in, sizeof(in), a, n);
}

/* ::, as 0.0.0.0, is this host (Linux). */
int guest_address_check(const struct sockaddr *a, socklen_t n, int family)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)a;

	if (!a)
		return -EFAULT;
	if (n < (family == AF_INET6 ? SIN6_LEN_MIN : sizeof(struct sockaddr_in)))
		return -EINVAL;
	if (a->sa_family != family)
		return -EAFNOSUPPORT;
	if (family == AF_INET6 && memcmp(&in6->sin6_addr, mapped, sizeof(mapped)) != 0 &&
	    !IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
		return -ENETUNREACH;
	return 0;
}

uint32_t guest_address_ip4(const struct sockaddr *a, uint16_t *port)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)a;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)a;
	uint32_t ip;

	if (a->sa_family != AF_INET6) {
		*port = ntohs(in->sin_port);
		return ntohl(in->sin_addr.s_addr);
	}
	*port = ntohs(in6->sin6_port);
	memcpy(&ip, in6->sin6_addr.s6_addr + 12, 4);
	return ntohl(ip);
}

/* --- whose name ------------------------------------------------------------------------------------- */

static int name_put(const struct program_addr *p, int family, struct sockaddr *a, socklen_t *n)
{
	if (!a || !n)
		return -EFAULT;
	if ((int)*n < 0)
		return -EINVAL;
	guest_address_put(p, family, a, n);
	return 0;
}

/* A connect() that does not wait returns before the gateway has heard of it, which has when it answers. */
static void name_await(const struct guest_socket *s)
{
	if (s->slot && atomic_load(&s->slot->state) == PROGRAM_CONNECTING)
		guest_ask(s, PROGRAM_OPEN);
}

int guest_getsockname(const struct guest_socket *s, struct sockaddr *a, socklen_t *n)
{
	static const struct program_addr none;

	name_await(s);
	if (s->slot && atomic_load(&s->slot->has_local))
		return name_put(&s->slot->local, s->family, a, n);
	return name_put(&none, s->family, a, n);
}

int guest_getpeername(const struct guest_socket *s, struct sockaddr *a, socklen_t *n)
{
	if (!s->slot || atomic_load(&s->slot->state) != PROGRAM_CONNECTED)
		return -ENOTCONN;
	return name_put(&s->slot->remote, s->family, a, n);
}
