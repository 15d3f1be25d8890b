/*
 * socket/eventfd.c - a kernel descriptor that shows a socket's readiness, for event loops.
 *
 * An entry on the socket's wait queue makes the eventfd readable; each call that may have used the
 * readiness up looks again and takes it back.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "socket/socket_priv.h"

static void eventfd_raise(struct socket *s)
{
	if (!s->eventfd_up && eventfd_write(s->eventfd, 1) == 0)
		s->eventfd_up = true;
}

static bool eventfd_event(struct wait_entry *w)
{
	eventfd_raise((struct socket *)((char *)w - offsetof(struct socket, eventfd_entry)));
	return true;
}

/* The queue's lock orders this against eventfd_event(). */
void eventfd_settle(struct socket *s)
{
	uint32_t ready;
	eventfd_t n;

	ready = events_all(s->sk->ops->poll(s->sk)) | (stream_has_errors(s) ? EPOLLERR : 0);
	ready &= s->eventfd_entry.events | EPOLLERR | EPOLLHUP;
	mutex_lock(&s->wait.lock);
	if (ready)
		eventfd_raise(s);
	else if (s->eventfd_up && eventfd_read(s->eventfd, &n) == 0)
		s->eventfd_up = false;
	mutex_unlock(&s->wait.lock);
}

int socket_eventfd(struct socket *s, uint32_t events)
{
	int fd;

	sock_lock(s->sk);
	if (atomic_load(&s->flags) & SOCKET_CLOSED) {
		sock_unlock(s->sk);
		return -EBADF;
	}
	fd = s->eventfd;
	if (fd < 0) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fd < 0)
			fd = -errno;
		else {
			s->eventfd = fd;
			s->eventfd_entry.fn = eventfd_event;
			s->eventfd_entry.events = events_wake(events);
			wait_add(s, &s->eventfd_entry);
		}
	}
	if (fd >= 0) {
		mutex_lock(&s->wait.lock);
		s->eventfd_entry.events = events_wake(events);
		mutex_unlock(&s->wait.lock);
		socket_eventfd_settle(s);
	}
	sock_unlock(s->sk);
	return fd;
}
