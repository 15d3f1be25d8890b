/*
 * socket/preload_hosts.c - gethostbyname and its like, by our getaddrinfo.
 *
 * What they return lies in the caller's buffer, or, of those without one, in memory of this thread.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "socket/preload.h"

#define ADDRESSES 32

/* The caller's buffer, from which pieces are cut. */
struct space {
	char *at;
	size_t left;
};

static void *space_take(struct space *s, size_t n, size_t align)
{
	size_t skip = (align - (uintptr_t)s->at % align) % align;
	char *p = s->at + skip;

	if (s->left < skip + n)
		return NULL;
	s->at = p + n;
	s->left -= skip + n;
	return p;
}

static int h_errno_of(int eai)
{
	switch (eai) {
	case 0:
		return 0;
	case EAI_NONAME:
	case EAI_FAMILY:
		return HOST_NOT_FOUND;
	case EAI_AGAIN:
		return TRY_AGAIN;
	default:
		return NO_RECOVERY;
	}
}

/* Its addresses as the list of h: 0 or ERANGE. */
static int list_fill(struct hostent *h, const struct addrinfo *list, struct space *s)
{
	char **addrs = space_take(s, (ADDRESSES + 1) * sizeof(*addrs), sizeof(*addrs));
	int n = 0;

	h->h_addr_list = addrs;
	for (; addrs && list && n < ADDRESSES; list = list->ai_next) {
		const struct sockaddr_in *in =
		    (const struct sockaddr_in *)(const void *)list->ai_addr;
		const struct sockaddr_in6 *in6 =
		    (const struct sockaddr_in6 *)(const void *)list->ai_addr;
		char *a = space_take(s, (size_t)h->h_length, 4);

		if (!a)
			return ERANGE;
		if (h->h_addrtype == AF_INET6)
			memcpy(a, &in6->sin6_addr, 16);
		else
			memcpy(a, &in->sin_addr, 4);
		addrs[n++] = a;
	}
	if (!addrs)
		return ERANGE;
	addrs[n] = NULL;
	return 0;
}

static int host_fill(struct hostent *h, const char *name, const struct addrinfo *list,
		     struct space *s)
{
	char **aliases = space_take(s, sizeof(*aliases), sizeof(*aliases));
	char *own = space_take(s, strlen(name) + 1, 1);

	if (!aliases || !own)
		return ERANGE;
	*aliases = NULL;
	h->h_name = strcpy(own, name);
	h->h_aliases = aliases;
	return list_fill(h, list, s);
}

HOOK int gethostbyname2_r(const char *name, int family, struct hostent *h, char *buf, size_t size,
			  struct hostent **result, int *error)
{
	const struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	struct space s = {buf, size};
	struct addrinfo *list;
	int err;

	*result = NULL;
	if (family != AF_INET && family != AF_INET6) {
		*error = NO_RECOVERY;
		return EAFNOSUPPORT;
	}
	*error = h_errno_of(getaddrinfo(name, NULL, &hints, &list));
	if (*error)
		return *error == TRY_AGAIN ? EAGAIN : 0;
	*h = (struct hostent){.h_addrtype = family, .h_length = family == AF_INET6 ? 16 : 4};
	err = host_fill(h, name, list, &s);
	freeaddrinfo(list);
	if (err)
		*error = NETDB_INTERNAL;
	else
		*result = h;
	return err;
}

HOOK int gethostbyname_r(const char *name, struct hostent *h, char *buf, size_t size,
			 struct hostent **result, int *error)
{
	return gethostbyname2_r(name, AF_INET, h, buf, size, result, error);
}

HOOK struct hostent *gethostbyname2(const char *name, int family)
{
	static __thread struct {
		struct hostent h;
		char buf[2048];
	} own;
	struct hostent *result;

	gethostbyname2_r(name, family, &own.h, own.buf, sizeof(own.buf), &result, &h_errno);
	return result;
}

HOOK struct hostent *gethostbyname(const char *name)
{
	return gethostbyname2(name, AF_INET);
}
