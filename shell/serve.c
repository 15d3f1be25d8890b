/*
 * shell/serve.c - a server of many connections in one thread, on weft_poll().
 */
#include "shell/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shell/parse.h"

#define SERVE_PAUSE_MS 100 /* a listener without descriptors looks again */
#define SERVE_BACKLOG 1024

static void serve_free(struct serve_entry *e)
{
	if (e->fd >= 0)
		weft_close(e->fd);
	if (e->free)
		e->free(e);
	else
		free(e);
}

static bool serve_grow(struct serve *s)
{
	unsigned room = s->room ? s->room * 2 : 64;
	struct serve_entry **entries = realloc(s->entries, room * sizeof(struct serve_entry *));
	struct pollfd *fds;

	if (!entries)
		return false;
	s->entries = entries;
	fds = realloc(s->fds, room * sizeof(*fds));
	if (!fds)
		return false;
	s->fds = fds;
	s->room = room;
	return true;
}

int serve_add(struct serve *s, struct serve_entry *e)
{
	if (s->n == s->room && !serve_grow(s)) {
		serve_free(e);
		return -ENOMEM;
	}
	s->entries[s->n++] = e;
	return 0;
}

int serve_open(struct serve *s, struct serve_entry *e, int type, uint16_t port)
{
	struct sockaddr_in sin;
	int on = 1, err;

	sockaddr_of(&ip_addr_any4, port, &sin);
	e->fd = weft_socket(AF_INET, type | SOCK_NONBLOCK, 0);
	e->listener = type == SOCK_STREAM;
	e->events = POLLIN;
	if (e->fd >= 0 && e->listener)
		weft_setsockopt(e->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (e->fd >= 0 && !weft_bind(e->fd, (struct sockaddr *)&sin, sizeof(sin)) &&
	    (!e->listener || !weft_listen(e->fd, SERVE_BACKLOG)))
		return serve_add(s, e);
	err = -errno;
	serve_free(e);
	return err;
}

int serve_accept(struct serve *s, struct serve_entry *e)
{
	int fd = weft_accept4(e->fd, NULL, NULL, SOCK_NONBLOCK);

	if (fd >= 0 || errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return fd;
	e->events = 0;
	s->paused = true;
	return -1;
}

static void serve_resume(struct serve *s)
{
	s->paused = false;
	for (unsigned i = 0; i < s->n; i++)
		if (s->entries[i]->listener)
			s->entries[i]->events = POLLIN;
}

/* Those added meanwhile stand behind `n`; the last one takes the place of one that has ended. */
static void serve_turn(struct serve *s, unsigned n)
{
	for (unsigned i = n; i-- > 0;) {
		struct serve_entry *e = s->entries[i];
		short revents = s->fds[i].revents;

		if (!revents || (!e->events && e->listener) || e->ready(s, e, revents))
			continue;
		serve_free(e);
		s->entries[i] = s->entries[--s->n];
	}
}

int serve_run(struct serve *s)
{
	int r;

	while (!cmd_cancelled(s->c)) {
		unsigned n = s->n;

		for (unsigned i = 0; i < n; i++)
			s->fds[i] = (struct pollfd){s->entries[i]->fd, s->entries[i]->events, 0};
		r = weft_poll(s->fds, n, s->paused ? SERVE_PAUSE_MS : -1);
		if (r < 0 && errno != EINTR)
			return cmd_error(s->c, "poll: %s", strerror(errno));
		if (s->paused)
			serve_resume(s);
		if (r > 0)
			serve_turn(s, n);
	}
	return CMD_INTERRUPTED;
}

void serve_end(struct serve *s)
{
	while (s->n)
		serve_free(s->entries[--s->n]);
	free(s->entries);
	free(s->fds);
}
