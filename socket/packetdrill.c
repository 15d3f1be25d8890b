/*
 * socket/packetdrill.c - libweft_packetdrill.so: packetdrill --so_filename=libweft_packetdrill.so.
 *
 * packetdrill's table of calls over one stack and the wire to it.  Each descriptor it sees is a real
 * one of the kernel (packetdrill closes what is left itself), and stands for one of weft's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/stack.h"
#include "socket/packetdrill_priv.h"

#define SPLICE_MAX 65536u
#define PATIENCE_NS (300 * NSEC_PER_SEC) /* virtual, for a packet that does not come */
#define PATIENCE_MS 5000                 /* real */

/* weft's descriptor; -1 is none of weft's either, and answers EBADF. */
static int weft_fd(const struct packetdrill *d, int fd)
{
	return fd >= 0 && fd < PACKETDRILL_FDS && d->weft_fd[fd] ? d->weft_fd[fd] : -1;
}

/* A kernel descriptor that stands for `fd`, or -1 with errno. */
static int pd_install(struct packetdrill *d, int fd)
{
	int k;

	if (fd < 0)
		return -1;
	k = eventfd(0, EFD_CLOEXEC);
	if (k >= 0 && k < PACKETDRILL_FDS) {
		d->weft_fd[k] = fd;
		return k;
	}
	if (k >= 0)
		close(k);
	weft_close(fd);
	errno = EMFILE;
	return -1;
}

/* One call: in, the call itself with weft's descriptor `wfd`, out. */
#define DRILL_CALL(type, expr)                                                                     \
	struct packetdrill *d = ud;                                                                \
	int wfd;                                                                                   \
	type r;                                                                                    \
	packetdrill_enter(d);                                                                      \
	wfd = weft_fd(d, fd);                                                                      \
	r = (expr);                                                                                \
	packetdrill_leave(d);                                                                      \
	return r

static int pd_socket(void *ud, int domain, int type, int protocol)
{
	struct packetdrill *d = ud;
	uint64_t any = UINT64_MAX - 1; /* a limit that is none: the window's own pace */
	int r, fd;

	packetdrill_enter(d);
	fd = weft_socket(domain, type, protocol);
	if (fd >= 0 && d->paced)
		weft_setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &any, sizeof(any));
	r = pd_install(d, fd);
	packetdrill_leave(d);
	return r;
}

static int pd_bind(void *ud, int fd, const struct sockaddr *a, socklen_t n)
{
	DRILL_CALL(int, weft_bind(wfd, a, n));
}

static int pd_listen(void *ud, int fd, int backlog)
{
	DRILL_CALL(int, weft_listen(wfd, backlog));
}

static int pd_accept(void *ud, int fd, struct sockaddr *a, socklen_t *n)
{
	DRILL_CALL(int, pd_install(d, weft_accept(wfd, a, n)));
}

static int pd_connect(void *ud, int fd, const struct sockaddr *a, socklen_t n)
{
	DRILL_CALL(int, weft_connect(wfd, a, n));
}

static ssize_t pd_read(void *ud, int fd, void *buf, size_t n)
{
	DRILL_CALL(ssize_t, weft_read(wfd, buf, n));
}

static ssize_t pd_readv(void *ud, int fd, const struct iovec *v, int nv)
{
	DRILL_CALL(ssize_t, weft_readv(wfd, v, nv));
}

static ssize_t pd_recv(void *ud, int fd, void *buf, size_t n, int flags)
{
	DRILL_CALL(ssize_t, weft_recv(wfd, buf, n, flags));
}

static ssize_t pd_recvfrom(void *ud, int fd, void *buf, size_t n, int flags, struct sockaddr *a,
			   socklen_t *an)
{
	DRILL_CALL(ssize_t, weft_recvfrom(wfd, buf, n, flags, a, an));
}

static ssize_t pd_recvmsg(void *ud, int fd, struct msghdr *m, int flags)
{
	DRILL_CALL(ssize_t, weft_recvmsg(wfd, m, flags));
}

static ssize_t pd_write(void *ud, int fd, const void *buf, size_t n)
{
	DRILL_CALL(ssize_t, weft_write(wfd, buf, n));
}

static ssize_t pd_writev(void *ud, int fd, const struct iovec *v, int nv)
{
	DRILL_CALL(ssize_t, weft_writev(wfd, v, nv));
}

static ssize_t pd_send(void *ud, int fd, const void *buf, size_t n, int flags)
{
	DRILL_CALL(ssize_t, weft_send(wfd, buf, n, flags));
}

static ssize_t pd_sendto(void *ud, int fd, const void *buf, size_t n, int flags,
			 const struct sockaddr *a, socklen_t an)
{
	DRILL_CALL(ssize_t, weft_sendto(wfd, buf, n, flags, a, an));
}

static ssize_t pd_sendmsg(void *ud, int fd, const struct msghdr *m, int flags)
{
	DRILL_CALL(ssize_t, weft_sendmsg(wfd, m, flags));
}

static int pd_fcntl(void *ud, int fd, int cmd, ...)
{
	va_list ap;
	int arg;

	va_start(ap, cmd);
	arg = cmd == F_SETFL || cmd == F_SETFD ? va_arg(ap, int) : 0;
	va_end(ap);
	DRILL_CALL(int, weft_fcntl(wfd, cmd, arg));
}

static int pd_ioctl(void *ud, int fd, unsigned long request, ...)
{
	va_list ap;
	int *arg;

	va_start(ap, request);
	arg = va_arg(ap, int *);
	va_end(ap);
	DRILL_CALL(int, weft_ioctl(wfd, request, arg));
}

static int pd_close(void *ud, int fd)
{
	struct packetdrill *d = ud;
	int wfd, r;

	packetdrill_enter(d);
	wfd = weft_fd(d, fd);
	r = wfd == PIPE_END ? 0 : weft_close(wfd);
	if (wfd >= 0 || wfd == PIPE_END) {
		int err = errno;

		d->weft_fd[fd] = 0;
		close(fd);
		errno = err;
	}
	packetdrill_leave(d);
	return r;
}

static int pd_shutdown(void *ud, int fd, int how)
{
	DRILL_CALL(int, weft_shutdown(wfd, how));
}

static int pd_getsockopt(void *ud, int fd, int level, int name, void *v, socklen_t *n)
{
	DRILL_CALL(int, weft_getsockopt(wfd, level, name, v, n));
}

static int pd_setsockopt(void *ud, int fd, int level, int name, const void *v, socklen_t n)
{
	DRILL_CALL(int, weft_setsockopt(wfd, level, name, v, n));
}

static int pd_poll(void *ud, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct packetdrill *d = ud;
	struct pollfd *own = calloc(n ? n : 1, sizeof(*own));
	int r;

	if (!own) {
		errno = ENOMEM;
		return -1;
	}
	packetdrill_enter(d);
	for (nfds_t i = 0; i < n; i++) {
		own[i] = fds[i];
		if (weft_fd(d, fds[i].fd) >= 0)
			own[i].fd = weft_fd(d, fds[i].fd);
	}
	r = weft_poll(own, n, timeout_ms);
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = own[i].revents;
	packetdrill_leave(d);
	free(own);
	return r;
}

static int pd_epoll_create(void *ud, int size)
{
	struct packetdrill *d = ud;
	int r;

	packetdrill_enter(d);
	r = pd_install(d, weft_epoll_create(size));
	packetdrill_leave(d);
	return r;
}

static int pd_epoll_ctl(void *ud, int epfd, int op, int fd, struct epoll_event *ev)
{
	DRILL_CALL(int, weft_epoll_ctl(weft_fd(d, epfd), op, wfd, ev));
}

static int pd_epoll_wait(void *ud, int fd, struct epoll_event *ev, int max, int timeout_ms)
{
	DRILL_CALL(int, weft_epoll_wait(wfd, ev, max, timeout_ms));
}

/* --- packets and time --------------------------------------------------------------------------
 */

static int pd_netdev_send(void *ud, const void *packet, size_t n)
{
	struct packetdrill *d = ud;
	int err;

	packetdrill_enter(d);
	err = wire_in(d->wire, packet, n);
	if (!world_is_real(d->world)) /* what is due now, the loop device's queue for one */
		while (world_step(d->world, env_now(d->stack->env)))
			;
	packetdrill_leave(d);
	return err ? -1 : 0;
}

static int pd_netdev_receive(void *ud, void *buf, size_t *n, long long *time_us)
{
	struct packetdrill *d = ud;
	uint64_t until, when = 0;
	size_t len;

	packetdrill_enter(d);
	until = env_now(d->stack->env) + PATIENCE_NS;
	if (world_is_real(d->world))
		wire_wait(d->wire, PATIENCE_MS);
	while (!(len = wire_take(d->wire, buf, *n, &when))) {
		if (world_is_real(d->world) || !world_step(d->world, until))
			break;
	}
	packetdrill_leave(d);
	*n = len;
	*time_us = (long long)(when / NSEC_PER_USEC);
	return 0;
}

static int pd_usleep(void *ud, useconds_t us)
{
	struct packetdrill *d = ud;

	world_sleep(d->world, us * NSEC_PER_USEC);
	return 0;
}

static int pd_gettimeofday(void *ud, struct timeval *tv, struct timezone *tz)
{
	struct packetdrill *d = ud;
	uint64_t us = world_look(d->world) / NSEC_PER_USEC;

	*tv = (struct timeval){.tv_sec = (time_t)(us / 1000000),
			       .tv_usec = (suseconds_t)(us % 1000000)};
	return 0;
}

/* --- pipes, which are the kernel's ------------------------------------------------------------- */

static int pd_pipe(void *ud, int fds[2])
{
	struct packetdrill *d = ud;

	if (pipe2(fds, O_CLOEXEC))
		return -1;
	if (fds[0] >= PACKETDRILL_FDS || fds[1] >= PACKETDRILL_FDS) {
		close(fds[0]);
		close(fds[1]);
		errno = EMFILE;
		return -1;
	}
	d->weft_fd[fds[0]] = d->weft_fd[fds[1]] = PIPE_END;
	return 0;
}

/* Linux stops a splice at the urgent mark, and does not go past it. */
static ssize_t splice_in(struct packetdrill *d, int in, char *buf, size_t n, unsigned flags)
{
	int mark = 0;

	if (weft_fd(d, in) == PIPE_END)
		return read(in, buf, n);
	if (weft_ioctl(weft_fd(d, in), SIOCATMARK, &mark) == 0 && mark)
		return 0;
	return weft_recv(weft_fd(d, in), buf, n, flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0);
}

/* By way of a buffer: what counts here is what the program and the peer see. */
static int pd_splice(void *ud, int in, loff_t *off_in, int out, loff_t *off_out, size_t n,
		     unsigned flags)
{
	struct packetdrill *d = ud;
	char *buf = malloc(SPLICE_MAX);
	ssize_t r = -1;

	packetdrill_enter(d);
	if (buf)
		r = splice_in(d, in, buf, n < SPLICE_MAX ? n : SPLICE_MAX, flags);
	if (r > 0 && weft_fd(d, out) == PIPE_END)
		r = write(out, buf, (size_t)r);
	else if (r > 0)
		r = weft_send(weft_fd(d, out), buf, (size_t)r, 0);
	packetdrill_leave(d);
	free(buf);
	return (int)r;
}

static void pd_free(void *ud)
{
	packetdrill_end(ud);
}

static const struct packetdrill_interface table = {
    .free = pd_free,
    .socket = pd_socket,
    .bind = pd_bind,
    .listen = pd_listen,
    .accept = pd_accept,
    .connect = pd_connect,
    .read = pd_read,
    .readv = pd_readv,
    .recv = pd_recv,
    .recvfrom = pd_recvfrom,
    .recvmsg = pd_recvmsg,
    .write = pd_write,
    .writev = pd_writev,
    .send = pd_send,
    .sendto = pd_sendto,
    .sendmsg = pd_sendmsg,
    .fcntl = pd_fcntl,
    .ioctl = pd_ioctl,
    .close = pd_close,
    .shutdown = pd_shutdown,
    .getsockopt = pd_getsockopt,
    .setsockopt = pd_setsockopt,
    .poll = pd_poll,
    .netdev_send = pd_netdev_send,
    .netdev_receive = pd_netdev_receive,
    .usleep = pd_usleep,
    .gettimeofday = pd_gettimeofday,
    .epoll_create = pd_epoll_create,
    .epoll_ctl = pd_epoll_ctl,
    .epoll_wait = pd_epoll_wait,
    .pipe = pd_pipe,
    .splice = pd_splice,
};

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc)
{
	*ifc = table;
	ifc->userdata = packetdrill_start(flags);
}
