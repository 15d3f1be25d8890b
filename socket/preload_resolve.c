/*
 * socket/preload_resolve.c - getaddrinfo: numbers are libc's, names are c-ares's, whose sockets are hooked as
 * the program's own.
 *
 * libc's resolver calls the kernel behind our back, and is refused there.  Answers are laid out as
 * freeaddrinfo() expects them: a block each, with its sockaddr.
 */
#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "socket/preload.h"

/* One look-up, on its caller's frame. */
struct lookup {
	struct addrinfo *list, **end;
	int family; /* the program's wish */
	bool wants_name;
	int status; /* EAI_, 1: not answered yet */
};

static int eai_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_ENONAME:
	case ARES_EBADNAME:
		return EAI_NONAME;
	case ARES_ENOMEM:
		return EAI_MEMORY;
	case ARES_ESERVICE:
		return EAI_SERVICE;
	default:
		return EAI_AGAIN;
	}
}

/* IPv4 answers, in the family that was asked for. */
static int answer_add(struct lookup *l, const struct ares_addrinfo_node *n)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)n->ai_addr;
	struct {
		struct addrinfo ai;
		struct sockaddr_in6 sa;
	} *a = calloc(1, sizeof(*a));

	if (!a)
		return EAI_MEMORY;
	a->ai = (struct addrinfo){.ai_family = l->family == AF_INET6 ? AF_INET6 : AF_INET,
				  .ai_socktype = n->ai_socktype,
				  .ai_protocol = n->ai_protocol,
				  .ai_addr = (struct sockaddr *)&a->sa};
	if (l->family == AF_INET6) {
		a->sa.sin6_family = AF_INET6;
		a->sa.sin6_port = in->sin_port;
		a->sa.sin6_addr.s6_addr[10] = a->sa.sin6_addr.s6_addr[11] = 0xff;
		memcpy(a->sa.sin6_addr.s6_addr + 12, &in->sin_addr, 4);
		a->ai.ai_addrlen = sizeof(struct sockaddr_in6);
	} else {
		memcpy(&a->sa, in, sizeof(*in));
		a->ai.ai_addrlen = sizeof(*in);
	}
	*l->end = &a->ai;
	l->end = &a->ai.ai_next;
	return 0;
}

static void answered(void *arg, int status, int timeouts, struct ares_addrinfo *res)
{
	struct lookup *l = arg;

	l->status = eai_of(status);
	for (struct ares_addrinfo_node *n = res ? res->nodes : NULL; n && !l->status;
	     n = n->ai_next) {
		if (n->ai_family == AF_INET)
			l->status = answer_add(l, n);
	}
	if (!l->status && !l->list)
		l->status = EAI_NONAME;
	if (!l->status && l->wants_name && res->name)
		l->list->ai_canonname = strdup(res->name);
	if (res)
		ares_freeaddrinfo(res);
}

/* Until the answer has come: its sockets are polled here. */
static void lookup_run(ares_channel ch, struct lookup *l)
{
	while (l->status == 1) {
		ares_socket_t fds[ARES_GETSOCK_MAXNUM];
		struct pollfd p[ARES_GETSOCK_MAXNUM];
		int bits = ares_getsock(ch, fds, ARES_GETSOCK_MAXNUM);
		struct timeval most = {5, 0}, tv;
		unsigned n = 0;

		for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
			short ev = (short)((ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) |
					   (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0));

			if (ev)
				p[n++] = (struct pollfd){.fd = fds[i], .events = ev};
		}
		ares_timeout(ch, &most, &tv);
		poll(p, n, (int)(tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1));
		if (n == 0)
			ares_process_fd(ch, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		for (unsigned i = 0; i < n; i++)
			ares_process_fd(ch, p[i].revents & ~POLLOUT ? p[i].fd : ARES_SOCKET_BAD,
					p[i].revents & POLLOUT ? p[i].fd : ARES_SOCKET_BAD);
	}
}

static int lookup(const char *node, const char *service, const struct addrinfo *hints,
		  struct addrinfo **res)
{
	struct lookup l = {.status = 1, .family = hints->ai_family};
	struct ares_addrinfo_hints h = {.ai_family = AF_INET,
					.ai_socktype = hints->ai_socktype,
					.ai_protocol = hints->ai_protocol};
	const char *server = getenv(PROGRAM_DNS);
	ares_channel ch;

	if (l.family == AF_INET6 && !(hints->ai_flags & AI_V4MAPPED))
		return EAI_NONAME;
	l.end = &l.list;
	l.wants_name = (hints->ai_flags & AI_CANONNAME) != 0;
	h.ai_flags = (l.wants_name ? ARES_AI_CANONNAME : 0) |
		     (hints->ai_flags & AI_NUMERICSERV ? ARES_AI_NUMERICSERV : 0);
	if (ares_library_init(ARES_LIB_INIT_ALL) || ares_init(&ch))
		return EAI_MEMORY;
	if (server)
		ares_set_servers_csv(ch, server);
	ares_getaddrinfo(ch, node, service, &h, answered, &l);
	lookup_run(ch, &l);
	ares_destroy(ch);
	if (l.status)
		freeaddrinfo(l.list);
	else
		*res = l.list;
	return l.status;
}

/* Numbers and "this host" need nobody; an error of the service is libc's to tell too. */
static int of_libc(const char *node, const char *service, const struct addrinfo *hints,
		   struct addrinfo **res)
{
	struct addrinfo numeric = *hints;

	numeric.ai_flags &= ~AI_ADDRCONFIG; /* the host's interfaces are not ours */
	if (node)
		numeric.ai_flags |= AI_NUMERICHOST;
	return preload_next()->getaddrinfo(node, service, &numeric, res);
}

HOOK int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		     struct addrinfo **res)
{
	static const struct addrinfo any = {.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};
	int err;

	if (!hints)
		hints = &any;
	err = of_libc(node, service, hints, res);
	if (err != EAI_NONAME || !node || (hints->ai_flags & AI_NUMERICHOST))
		return err;
	return lookup(node, service, hints, res);
}
