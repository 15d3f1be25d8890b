/*
 * socket/gateway_stranger.c - who has connected to the gateway and not said the secret yet.
 *
 * Any user can, and say nothing: so many are kept, and no more.
 */
#include <stdlib.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

/* Who has said nothing for longest makes room: of the last one's user, who else could push out others; or of all. */
static void strangers_limit(struct gateway *g, struct gateway_strangers *all,
			    const struct gateway_stranger *last)
{
	struct gateway_stranger *s, *eldest = NULL, *own = NULL;

	if (all->silent <= GATEWAY_STRANGERS)
		return;
	LIST_FOREACH(s, &all->list, next)
	{
		if (s->known || s == last)
			continue;
		eldest = s;
		own = s->who.uid == last->who.uid ? s : own;
	}
	gateway_stranger_end(g, all, own ? own : eldest);
}

void gateway_stranger_begin(struct gateway *g, struct gateway_strangers *all,
			    struct gateway_stranger *s, int fd)
{
	socklen_t n = sizeof(s->who);

	if (!s || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &s->who, &n)) {
		close(fd);
		free(s);
		return;
	}
	s->watch.fd = fd;
	s->watch.ready = all->ready;
	LIST_INSERT_HEAD(&all->list, s, next);
	all->silent++;
	all->ready(g, &s->watch, EPOLLIN); /* most have spoken by now */
	if (!s->watch.gone && gateway_watch_add(g, &s->watch, EPOLLIN))
		gateway_stranger_end(g, all, s);
	strangers_limit(g, all, s);
}

void gateway_stranger_known(struct gateway_strangers *all, struct gateway_stranger *s)
{
	all->silent -= !s->known;
	s->known = true;
}

void gateway_stranger_end(struct gateway *g, struct gateway_strangers *all,
			  struct gateway_stranger *s)
{
	LIST_REMOVE(s, next);
	all->silent -= !s->known;
	gateway_watch_close(g, &s->watch);
	gateway_free_later(g, s);
}

void gateway_strangers_end(struct gateway *g, struct gateway_strangers *all)
{
	while (!LIST_EMPTY(&all->list))
		gateway_stranger_end(g, all, LIST_FIRST(&all->list));
}
