/*
 * socket/addr.c - sockaddrs to family-neutral addresses and back: the one place above ip that looks
 * at a family.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "socket/socket_priv.h"

#define SIN6_LEN_MIN 24u /* without the scope: RFC 2133 had none */

static int sockaddr_get4(const struct sockaddr *a, socklen_t n, struct ip_addr *addr,
			 uint16_t *port)
{
	struct sockaddr_in in;

	if (n < sizeof(in))
		return -EINVAL;
	memcpy(&in, a, sizeof(in));
	if (in.sin_family != AF_INET)
		return -EAFNOSUPPORT;
	*addr = ip_addr4_be(&in.sin_addr);
	*port = ntohs(in.sin_port);
	return 0;
}

/* The unspecified address is that of both families: here it is IPv4's. */
static int sockaddr_get6(const struct sockaddr *a, socklen_t n, struct ip_addr *addr,
			 uint16_t *port)
{
	struct sockaddr_in6 in6 = {0};

	if (n < SIN6_LEN_MIN)
		return -EINVAL;
	memcpy(&in6, a, n < sizeof(in6) ? n : sizeof(in6));
	if (in6.sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(addr->b, &in6.sin6_addr, sizeof(addr->b));
	if (ip_addr_is_any(addr))
		*addr = ip_addr_any4;
	*port = ntohs(in6.sin6_port);
	return 0;
}

int sockaddr_get(const struct sockaddr *a, socklen_t n, int family, struct ip_addr *addr,
		 uint16_t *port)
{
	if (n > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (!a)
		return -EFAULT;
	return family == AF_INET6 ? sockaddr_get6(a, n, addr, port)
				  : sockaddr_get4(a, n, addr, port);
}

/* Truncates to *n and tells the true length, as accept(2) and its like do. */
static void sockaddr_copy(const void *in, size_t size, struct sockaddr *a, socklen_t *n)
{
	memcpy(a, in, *n < size ? *n : size);
	*n = (socklen_t)size;
}

void sockaddr_put(const struct ip_addr *addr, uint16_t port, int family, struct sockaddr *a,
		  socklen_t *n)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (!a || !n)
		return;
	if (ip_addr_is4(addr))
		memcpy(&in.sin_addr, addr->b + 12, 4);
	if (!ip_addr_is_any(addr))
		memcpy(&in6.sin6_addr, addr->b, sizeof(addr->b));
	if (family == AF_INET6)
		sockaddr_copy(&in6, sizeof(in6), a, n);
	else
		sockaddr_copy(&in, sizeof(in), a, n);
}
