/*
 * shell/notify_kept.c - what came of calls whose threads a signal took out of them before they were answered.
 *
 * The thread is told when it makes the call again: at once, by a restart or of itself; or after its signal's
 * handler, which may have made calls of its own.  By then the descriptor's number may be another socket's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shell/notify_priv.h"

#define KEPT_MOST 8 /* results of a thread */

static void kept_forget(struct notify_kept *k)
{
	LIST_REMOVE(k, next);
	if (k->call.give >= 0)
		close(k->call.give);
	free(k);
}

/* Of those that will not ask again. */
static void kept_of_ended_forget(struct notify *n)
{
	struct notify_kept *k, *following;

	for (k = LIST_FIRST(&n->kept); k; k = following) {
		following = LIST_NEXT(k, next);
		if (target_ended(&k->call))
			kept_forget(k);
	}
}

/* The eldest, where its thread has more than enough. */
static void kept_limit(struct notify *n, int tid)
{
	struct notify_kept *k, *eldest = NULL;
	unsigned most = KEPT_MOST;

	LIST_FOREACH(k, &n->kept, next)
	{
		if (k->call.tid == tid) {
			eldest = k;
			most -= most > 0;
		}
	}
	if (!most)
		kept_forget(eldest);
}

/* It changes nothing to make it again; a result of then might not be true of a call that looks the same. */
static bool kept_is_vain(const struct notify_call *c)
{
	switch (c->data.nr) {
	case SYS_setsockopt:
	case SYS_getsockname:
	case SYS_getpeername:
	case SYS_ioctl:
		return true;
	default:
		return c->value == -EAGAIN;
	}
}

void notify_kept_add(const struct notify_call *c)
{
	struct notify_kept *k = kept_is_vain(c) ? NULL : calloc(1, sizeof(*k));

	kept_of_ended_forget(c->notify);
	if (!k) {
		if (c->give >= 0)
			close(c->give);
		return;
	}
	kept_limit(c->notify, c->tid);
	k->call = *c;
	LIST_INSERT_HEAD(&c->notify->kept, k, next);
}

/* Is it the socket that the result is of?  The number may be another's by now. */
static bool kept_is_of(const struct notify_kept *k, struct notify_call *c)
{
	struct guest_socket s;
	bool same;
	int fd;

	if (c->data.nr == SYS_socket)
		return true;
	fd = target_fd(c, (int)c->data.args[0]);
	if (fd < 0)
		return false;
	same = guest_find(&c->notify->guest, fd, &s) && s.id == k->call.s.id;
	close(fd);
	return same;
}

/* The same call made again, from the same place. */
static bool kept_is(const struct notify_kept *k, struct notify_call *c)
{
	return k->call.data.nr == c->data.nr &&
	       k->call.data.instruction_pointer == c->data.instruction_pointer &&
	       memcmp(k->call.data.args, c->data.args, sizeof(c->data.args)) == 0 &&
	       kept_is_of(k, c);
}

/* One like another may be a new one, if the thread has made any other call since: messages, SO_ERROR. */
static bool kept_is_once(const struct notify_kept *k)
{
	switch (k->call.data.nr) {
	case SYS_getsockopt:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
		return true;
	default:
		return false;
	}
}

/* Others of the thread's wait: a handler may make this one. */
bool notify_kept_take(struct notify_call *c)
{
	struct notify_kept *k, *following;
	bool same = false;

	for (k = LIST_FIRST(&c->notify->kept); k && !same; k = following) {
		following = LIST_NEXT(k, next);
		if (k->call.tid != c->tid)
			continue;
		same = kept_is(k, c);
		if (same) {
			c->end = k->call.end;
			c->value = k->call.value;
			c->s.id = k->call.s.id; /* it may be kept again */
			c->give = k->call.give;
			c->cloexec = k->call.cloexec;
			k->call.give = -1;
		}
		if (same || kept_is_once(k))
			kept_forget(k);
	}
	return same;
}

void notify_kept_end(struct notify *n)
{
	while (!LIST_EMPTY(&n->kept))
		kept_forget(LIST_FIRST(&n->kept));
}
