/*
 * socket/gateway_probe.c - sockets of programs that were closed unseen: those nobody is connected to.
 *
 * A name of the kernel's is free again when its socket is closed: who can bind it knows.  Looked at is
 * what a process had that has ended (its pidfd says so), and two ends in turn when a new one comes, so
 * that the dead are never many more than the living.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

#define PROBES 256 /* at once: then others have their turn */

static bool name_is_free(struct gateway *g, uint32_t id, bool dgram)
{
	const struct program_name n = {.kind = dgram ? PROGRAM_DGRAM : PROGRAM_STREAM, .id = id};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, g->token.instance, &n);
	int s = socket(AF_UNIX, (dgram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	bool is_free = s >= 0 && bind(s, (struct sockaddr *)&sa, len) == 0;

	if (s >= 0)
		close(s);
	return is_free;
}

bool gateway_name_is_free(struct gateway_end *e)
{
	return name_is_free(e->gateway, e->id, e->role == GATEWAY_DGRAM);
}

/* What is connected tells its end itself. */
bool gateway_probe(struct gateway_end *e)
{
	bool dgram = e->role == GATEWAY_DGRAM;

	if (e->child || e->role == GATEWAY_LINGERING || (e->watch.fd >= 0 && !dgram) ||
	    !name_is_free(e->gateway, e->id, dgram))
		return false;
	gateway_end_forget(e);
	return true;
}

void gateway_probe_two(struct gateway *g)
{
	for (int i = 0; i < 2; i++) {
		struct gateway_end *e = g->probe;

		if (!e)
			e = RB_MIN(gateway_end_tree, &g->ends);
		if (!e)
			return;
		g->probe = RB_NEXT(gateway_end_tree, &g->ends, e);
		gateway_probe(e);
	}
}

static void slot_probe(struct gateway *g, uint32_t id, int owner)
{
	struct program_slot *s = &g->table->slot[id % PROGRAM_SLOTS];
	struct gateway_end *e = gateway_end_find(g, id);

	if (e)
		gateway_probe(e);
	else if (owner && name_is_free(g, id, s->type != SOCK_STREAM) &&
		 atomic_load(&s->pid) == owner) /* not taken meanwhile */
		program_slot_free(g->table, id);
}

/* So many of a process's from *at on, pid 0: of anybody's, for a program can forge all.  True: there are no more. */
static bool slots_probe(struct gateway *g, int pid, uint32_t *at)
{
	struct program_table *t = g->table;
	uint32_t top = atomic_load(&t->top);

	if (top > PROGRAM_SLOTS)
		top = PROGRAM_SLOTS;
	for (int n = 0; *at < top; ++*at) {
		uint32_t word = atomic_load(&t->slot[*at].word);
		int owner = atomic_load(&t->slot[*at].pid);

		if (!(word & 1) || (pid && owner != pid))
			continue;
		if (n++ == PROBES)
			return false;
		slot_probe(g, (word >> 1 & 0xffff) << 16 | *at, owner);
	}
	return true;
}

void gateway_probe_ends(struct gateway *g)
{
	struct gateway_end *e, *next;

	for (e = RB_MIN(gateway_end_tree, &g->ends); e; e = next) {
		next = RB_NEXT(gateway_end_tree, &g->ends, e);
		gateway_probe(e);
	}
}

bool gateway_collect(struct gateway *g)
{
	bool all = slots_probe(g, 0, &g->collect);

	if (all)
		g->collect = 0;
	atomic_store(&g->table->first, 1);
	return all;
}

/* --- processes ------------------------------------------------------------------------------------ */

static void process_end(struct gateway *g, struct gateway_process *p)
{
	LIST_REMOVE(p, next);
	gateway_watch_close(g, &p->watch);
	gateway_free_later(g, p);
}

static void process_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct gateway_process *p = (struct gateway_process *)(void *)w;

	if (slots_probe(g, p->pid, &p->at))
		process_end(g, p);
	else
		gateway_watch_again(g, w, EPOLLIN);
}

void gateway_process_seen(struct gateway *g, int pid)
{
	struct gateway_process *p;

	LIST_FOREACH(p, &g->processes, next)
	{
		if (p->pid == pid)
			return;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return;
	p->pid = pid;
	p->watch.ready = process_ready;
	p->watch.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	LIST_INSERT_HEAD(&g->processes, p, next);
	if (p->watch.fd < 0 || gateway_watch_add(g, &p->watch, EPOLLIN))
		process_end(g, p);
}

void gateway_processes_end(struct gateway *g)
{
	while (!LIST_EMPTY(&g->processes))
		process_end(g, LIST_FIRST(&g->processes));
}
