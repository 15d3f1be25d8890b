/*
 * <weft/weft.h> - a TCP/IP stack in your program.
 *
 *	weft_stack *s;
 *	struct weft_device dev = {.spec = "tap:tap0", .addr = "10.0.0.1/24"};
 *	struct weft_config cfg = {.devices = &dev, .ndevices = 1};
 *	int err = weft_start(&cfg, &s);
 *	int fd = weft_socket(AF_INET, SOCK_STREAM, 0);
 *	...
 *	weft_stop(s);
 *
 * The calls have the semantics, option names and errno values of the BSD calls they are named after
 * (socket(7), tcp(7), udp(7), raw(7)); what this stack does not have answers ENOPROTOOPT or
 * EOPNOTSUPP.  Descriptors are weft's own, from WEFT_FD_FIRST on.  Any thread may use any socket.
 *
 * In a program weft is a guest: its threads block every signal, its kernel descriptors are
 * close-on-exec, a broken connection answers EPIPE and raises no SIGPIPE, nothing runs at exit.  A
 * forked child has no stack: every call there fails with ENETDOWN.
 */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_API __attribute__((visibility("default")))
#define WEFT_FD_FIRST (1 << 30)

#ifdef __cplusplus
typedef struct weft_stack weft_stack; /* std::stack keeps its name to itself */
#else
typedef struct stack weft_stack;
#endif

/* One device of a stack. */
struct weft_device {
	/*
	 * "tap:NAME", "tun:NAME", where NAME may be empty: the kernel chooses; "packet:NAME": the
	 * interface NAME that is there, a veth or a NIC, on which weft needs an address of its own
	 */
	const char *spec;
	const char *addr; /* "10.0.0.1/24", or NULL: none */
	const char *mac;  /* "02:00:00:00:00:01", or NULL: drawn at random */
	unsigned mtu;    /* bytes of a datagram, 68 to 65535; 0: 1500; of packet: the interface's */
	unsigned queues; /* read by one thread each; 0: 1; at most 16 */
	int no_offload;  /* not 0: no checksum or segmentation offload */
};

struct weft_config {
	const struct weft_device *devices;
	unsigned ndevices;
	const char *gateway; /* default route, or NULL */
};

/*
 * Starts a stack: opens the devices, configures weft's end of them (the host's end is the caller's
 * matter), starts its threads.  The first one started is the default of every thread.
 * 0, or -errno: -EINVAL (text of cfg), -ENOENT (no /dev/net/tun), -EPERM, -EBUSY (device in use),
 * -ENODEV (no interface of a "packet:"), -ENOTSUP (it is not Ethernet),
 * -ENETUNREACH (no device has the gateway on its net), -ENOMEM, -EAGAIN (no thread), -ENETDOWN (a
 * forked child).
 */
WEFT_API int weft_start(const struct weft_config *cfg, weft_stack **stack);
/*
 * Ends it: connections get FIN or RST, blocked calls end with ENETDOWN, threads are joined, devices
 * closed.  Other threads may be anywhere in their calls.  Its descriptors stay taken, and answer
 * ENETDOWN, until they are closed.  0, -EINVAL (it was stopped already), -ENETDOWN (a forked child).
 */
WEFT_API int weft_stop(weft_stack *stack);
/*
 * The stack on which this thread's weft_socket() makes sockets, ENETDOWN after its end; NULL: the
 * default again, which is the oldest one that weft_start() made and nobody stopped yet.
 */
WEFT_API void weft_use(weft_stack *stack);
/*
 * A setting of a running stack, by Linux's name and as text: "net.ipv4.tcp_congestion_control", "bbr".
 * 0, or -errno: -ENOENT (no such setting), -EINVAL, -ERANGE (the value; or of get, n is too small),
 * -EPERM (only to be read).
 */
WEFT_API int weft_sysctl_set(weft_stack *stack, const char *name, const char *value);
WEFT_API int weft_sysctl_get(weft_stack *stack, const char *name, char *value, size_t n);
/* "0.1.0" */
WEFT_API const char *weft_version(void);

WEFT_API int weft_socket(int domain, int type, int protocol);
WEFT_API int weft_bind(int fd, const struct sockaddr *addr, socklen_t len);
WEFT_API int weft_connect(int fd, const struct sockaddr *addr, socklen_t len);
WEFT_API int weft_listen(int fd, int backlog);
WEFT_API int weft_accept(int fd, struct sockaddr *addr, socklen_t *len);
WEFT_API int weft_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
WEFT_API ssize_t weft_send(int fd, const void *buf, size_t n, int flags);
WEFT_API ssize_t weft_sendto(int fd, const void *buf, size_t n, int flags,
			     const struct sockaddr *to, socklen_t len);
WEFT_API ssize_t weft_sendmsg(int fd, const struct msghdr *msg, int flags);
/*
 * Of a stream and a buffer of 128 KB or more: bytes behind those that are returned may have been written to, too
 * (net.weft.place, docs/architecture.md).
 */
WEFT_API ssize_t weft_recv(int fd, void *buf, size_t n, int flags);
WEFT_API ssize_t weft_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from,
			       socklen_t *len);
WEFT_API ssize_t weft_recvmsg(int fd, struct msghdr *msg, int flags);
/*
 * Several messages in one call, as sendmmsg(2) and recvmmsg(2): how many, or -1 when the first failed.  The
 * time-out of weft_recvmmsg() is looked at after each message (as on Linux); MSG_WAITFORONE.
 */
struct mmsghdr;
struct timespec;
WEFT_API int weft_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags);
WEFT_API int weft_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags,
			   struct timespec *timeout);
WEFT_API ssize_t weft_read(int fd, void *buf, size_t n);
WEFT_API ssize_t weft_readv(int fd, const struct iovec *iov, int niov);
WEFT_API ssize_t weft_write(int fd, const void *buf, size_t n);
WEFT_API ssize_t weft_writev(int fd, const struct iovec *iov, int niov);
WEFT_API int weft_shutdown(int fd, int how);
WEFT_API int weft_close(int fd);
WEFT_API int weft_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
WEFT_API int weft_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
WEFT_API int weft_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
WEFT_API int weft_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
/* F_GETFL, F_SETFL (O_NONBLOCK), F_GETFD, F_SETFD. */
WEFT_API int weft_fcntl(int fd, int cmd, ...);
/* FIONBIO, FIONREAD, SIOCINQ, SIOCOUTQ; streams: SIOCOUTQNSD, SIOCATMARK. */
WEFT_API int weft_ioctl(int fd, unsigned long request, ...);
/* poll(2) over weft's and the kernel's descriptors in one array. */
WEFT_API int weft_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
/*
 * epoll(7) over weft's sockets, with EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE and EPOLLRDHUP.  An instance
 * is one of weft's descriptors: weft_close() ends it, weft_poll() may wait for it.  It watches sockets
 * of the stack it was made on (EINVAL: of another, or an instance; EPERM: a kernel descriptor).
 */
WEFT_API int weft_epoll_create(int size);
WEFT_API int weft_epoll_create1(int flags); /* EPOLL_CLOEXEC */
WEFT_API int weft_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
WEFT_API int weft_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms);
/*
 * A kernel descriptor (an eventfd) that is readable while `fd` has one of `events` (POLLIN, POLLOUT,
 * ...; POLLERR and POLLHUP always count): for epoll, select and event loops.  The same one each time;
 * the events become the last asked for.  It closes with fd; do not read it.
 */
WEFT_API int weft_eventfd(int fd, short events);

/*
 * --- Callbacks: connections without a thread of the program's -----------------------------------
 *
 *	int got(void *arg, int fd, const void *data, size_t n)
 *	{
 *		if (n == 0)
 *			return weft_close(fd);
 *		weft_cb_recved(fd, n);
 *		return weft_send(fd, data, n, 0) == (ssize_t)n ? 0 : weft_cb_abort(fd);
 *	}
 *	int came(void *arg, int fd)
 *	{
 *		return weft_cb_recv(fd, got);
 *	}
 *	weft_listen(fd, 128);
 *	weft_cb_accept(fd, came);
 *
 * The first weft_cb_ call on a stream socket makes it one with callbacks, and not blocking; all else that is
 * done with a descriptor is done with it still, but reading: what comes is told.  NULL takes a callback away.
 *
 * Which thread: one of the stack's own, `callback`, begun when it is first needed, runs the callbacks of
 * all its sockets, one after another and holding no lock of weft.  So they need no lock against each other,
 * and one that waits holds up all others: no sleeping, no blocking call.  They may make any call of weft
 * that does not block, close their socket or another among them; weft_stop() answers -EDEADLK there.
 *
 * Other threads may make each of these calls too.  A callback that one of them takes away, or whose
 * socket it closes, may be at work for the last time when that call returns; after a weft_close() made
 * by a callback none comes any more.
 *
 * All but weft_cb_recved() and weft_cb_abort() answer 0 or -1 with errno: EOPNOTSUPP (no stream), ENOMEM,
 * EAGAIN (no thread), EBADF, ENETDOWN, or what is said below.
 */

/* Given to every callback of the socket; NULL at first.  An accepted socket begins with its listener's. */
WEFT_API int weft_cb_arg(int fd, void *arg);
/*
 * Of a listener: a connection has come, `fd` is its descriptor.  Not 0: it is reset, unless fn has closed it.
 * Without one connections wait for weft_accept().
 */
WEFT_API int weft_cb_accept(int fd, int (*fn)(void *arg, int fd));
/*
 * n bytes have come, at most WEFT_CB_WINDOW; `data` is good until fn returns.  n 0, data NULL: the peer has
 * closed its side, once.  Not 0: refused; the same bytes are told again within 250 ms, and nothing behind
 * them before.  Without one what comes is thrown away, and the peer's end closes the socket.
 * EINVAL: a listener.
 */
WEFT_API int weft_cb_recv(int fd, int (*fn)(void *arg, int fd, const void *data, size_t n));
/* Bytes told and not yet given to weft_cb_recved(): no more than these, then the receive window closes. */
#define WEFT_CB_WINDOW 65536
/* The program has done with n of the bytes told.  EINVAL: more than those. */
WEFT_API int weft_cb_recved(int fd, size_t n);
/* n more bytes of what was sent are acknowledged; there may be room again.  EINVAL: a listener. */
WEFT_API int weft_cb_sent(int fd, void (*fn)(void *arg, int fd, size_t n));
/* Every interval_ms, 1 to 86,400,000, as long as the socket is open.  EINVAL: a listener; the interval. */
WEFT_API int weft_cb_poll(int fd, void (*fn)(void *arg, int fd), unsigned interval_ms);
/*
 * The connection is gone, its descriptor closed: ECONNRESET, ETIMEDOUT, ..., or ENETDOWN, in the thread
 * that called weft_stop().  No other callback comes behind it.  Not called for one that
 * weft_cb_accept()'s fn has not seen, and not for what the program closes or resets itself.
 */
WEFT_API int weft_cb_err(int fd, void (*fn)(void *arg, int err));
/*
 * Begins to connect as weft_connect() does, whose errors it has.  fn is told how that ends: 0, or an errno,
 * then the socket is as new.
 */
WEFT_API int weft_cb_connect(int fd, const struct sockaddr *addr, socklen_t len,
			     void (*fn)(void *arg, int fd, int err));
/* Resets the connection and closes the descriptor.  0, or -1: EBADF. */
WEFT_API int weft_cb_abort(int fd);

/* The same by one function for all, which an accepted socket begins with too. */
enum weft_cb_type {
	WEFT_CB_ACCEPT,    /* fd: the connection */
	WEFT_CB_CONNECTED, /* err */
	WEFT_CB_RECV,      /* data, n */
	WEFT_CB_SENT,      /* n */
	WEFT_CB_POLL,      /* weft_cb_poll(), with NULL, says how often */
	WEFT_CB_ERR,       /* err; fd is closed */
};
struct weft_cb_event {
	enum weft_cb_type type;
	int fd;
	int err; /* errno */
	const void *data;
	size_t n;
};
/* In the place of all others.  The answer counts for ACCEPT and RECV, as above. */
WEFT_API int weft_cb_event(int fd, int (*fn)(void *arg, const struct weft_cb_event *e));

#ifdef __cplusplus
}
#endif
#endif
