/*
 * socket/addr.c - sockaddrs to family-neutral addresses and back: the one place above ip that looks
 * at a family.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "socket/socket_priv.h"

int sockaddr_get(const struct sockaddr *a, socklen_t n, int family, struct ip_addr *addr,
		 uint16_t *port)
{
	struct sockaddr_in in;

	if (!a)
		return -EFAULT;
	if (n < sizeof(in))
		return -EINVAL;
	memcpy(&in, a, sizeof(in));
	if (in.sin_family != family)
		return -EAFNOSUPPORT;
	*addr = ip_addr4_be(&in.sin_addr);
	*port = ntohs(in.sin_port);
	return 0;
}

/* Truncates to *n and tells the true length, as accept(2) and its like do. */
void sockaddr_put(const struct ip_addr *addr, uint16_t port, struct sockaddr *a, socklen_t *n)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (!a || !n)
		return;
	if (ip_addr_is4(addr))
		memcpy(&in.sin_addr, addr->b + 12, 4);
	memcpy(a, &in, *n < sizeof(in) ? *n : sizeof(in));
	*n = sizeof(in);
}
