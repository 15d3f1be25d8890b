/*
 * socket/guest_linger.c - SO_LINGER with a time: what close() waits for, and by which connection it is told.
 *
 * The gateway is asked before the close, so that it keeps the end, and told after it: whether that was the last
 * of the socket's descriptors only the kernel knows, who shows it to the gateway.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "socket/guest.h"
#include "socket/guest_kernel.h"

void guest_linger_set(const struct guest_socket *s, const void *v, socklen_t n)
{
	struct linger l;

	if (!s->slot || s->type != SOCK_STREAM || n < sizeof(l))
		return;
	memcpy(&l, v, sizeof(l));
	if (!l.l_onoff || l.l_linger <= 0)
		l.l_linger = 0;
	atomic_store(&s->slot->linger, l.l_linger < UINT16_MAX ? (uint16_t)l.l_linger : UINT16_MAX);
	if (l.l_linger)
		atomic_store(&s->guest->lingers, true);
}

/* Of a process that has none no system call is made: a filter of its own may not allow it. */
bool guest_may_linger(const struct guest *g)
{
	return atomic_load_explicit(&g->lingers, memory_order_relaxed);
}

int guest_linger_begin(const struct guest_socket *s, int *ms)
{
	struct program_request q = {.kind = PROGRAM_LINGER, .id = s->id};
	struct program_reply r;
	int was = errno, tells;

	*ms = s->slot && s->type == SOCK_STREAM ? atomic_load(&s->slot->linger) * 1000 : 0;
	if (!*ms)
		return -1;
	tells = guest_request_staying(s->guest, &q, &r);
	errno = was;
	return tells;
}

void guest_linger_end(const struct guest_socket *s, int tells, int ms)
{
	struct program_request q = {.kind = PROGRAM_LINGER, .id = s->id, .name = 1};
	struct pollfd p = {.fd = tells, .events = POLLIN};
	int was = errno;

	guest_request_sign(s->guest, &q);
	if (kernel_send(tells, &q, sizeof(q), MSG_NOSIGNAL) == sizeof(q))
		poll(&p, 1, ms);
	kernel_close(tells);
	errno = was;
}
