/*
 * socket/gateway_linger.c - SO_LINGER with a time: an end whose program has closed it and waits in close().
 *
 * It is kept until the peer has acknowledged everything, or the program waits no more (it alone has the time);
 * then the stack goes on by itself.  The thread never waits: the stack's own close() would.
 */
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

/* The FIN counts. */
static bool is_acknowledged(const struct gateway_end *e)
{
	int unsent = 0;

	return weft_ioctl(e->fd, SIOCOUTQ, &unsent) || unsent == 0;
}

bool gateway_linger(struct gateway_end *e)
{
	int unread = 0;

	if (e->fd < 0 || !gateway_is_awaited(e->gateway, e->id))
		return false;
	if (weft_ioctl(e->fd, SIOCINQ, &unread) || unread) /* its close is a reset */
		return false;
	if (weft_shutdown(e->fd, SHUT_WR) || is_acknowledged(e))
		return false;
	gateway_watch_off(e->gateway, &e->watch);
	e->role = GATEWAY_LINGERING;
	return true;
}

void gateway_linger_look(struct gateway_end *e)
{
	if (is_acknowledged(e))
		gateway_end_forget(e);
}

/* Others may have it: then it is not closed.  Events may not have told yet. */
bool gateway_linger_closed(struct gateway *g, uint32_t id)
{
	struct gateway_end *e = gateway_end_find(g, id);
	struct pollfd p;

	if (e && e->role == GATEWAY_STREAM && e->watch.fd >= 0) {
		p = (struct pollfd){.fd = e->watch.fd, .events = POLLIN | POLLPRI | POLLRDHUP};
		if (poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
			gateway_stream_ready(g, &e->watch, (uint32_t)p.revents);
		e = gateway_end_find(g, id);
	}
	return e && (e->role == GATEWAY_LINGERING || (e->role == GATEWAY_STREAM && e->hung_up));
}

void gateway_linger_over(struct gateway *g, uint32_t id)
{
	struct gateway_end *e = gateway_end_find(g, id);

	if (e && e->role == GATEWAY_LINGERING && !gateway_is_awaited(g, id))
		gateway_end_forget(e);
}
