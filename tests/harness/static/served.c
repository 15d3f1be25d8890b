/*
 * tests/harness/static/served.c - a program that loads no library, for tests/interop/run-static.sh: each word is
 * one thing that programs do with sockets.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/static/served.h"

#define FETCHED 3000000u

struct sockaddr_in address(const char *ip, const char *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	must(inet_pton(AF_INET, ip, &sa.sin_addr) == 1);
	return sa;
}

static int socket_to(const struct sockaddr_in *sa)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	must(fd >= 0);
	must(connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0);
	return fd;
}

static int listener(const char *port)
{
	struct sockaddr_in sa = address("0.0.0.0", port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	must(fd >= 0);
	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	must(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	must(listen(fd, 600) == 0);
	return fd;
}

static void echo_all(int fd)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0, k; at < n; at += k)
			must((k = write(fd, buf + at, (size_t)(n - at))) > 0);
	}
	close(fd);
}

/* A blocking accept, a process a connection; the name that accept told is the peer's. */
static int run_serve(char **v)
{
	int fd = listener(v[0]);

	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		struct sockaddr_in sa, peer;
		socklen_t n = sizeof(sa), m = sizeof(peer);
		int child = accept(fd, (struct sockaddr *)&sa, &n);

		must(child >= 0);
		must(n == sizeof(sa) && sa.sin_family == AF_INET);
		must(getpeername(child, (struct sockaddr *)&peer, &m) == 0);
		must(memcmp(&sa, &peer, sizeof(sa)) == 0);
		if (fork() == 0) {
			close(fd);
			echo_all(child);
			_exit(0);
		}
		close(child);
	}
}

/* Serves all in one thread. */
static int run_poll(char **v)
{
	static struct pollfd p[1024];
	int n = 1;

	p[0] = (struct pollfd){.fd = listener(v[0]), .events = POLLIN};
	must(fcntl(p[0].fd, F_SETFL, O_NONBLOCK) == 0);
	while (poll(p, (nfds_t)n, -1) > 0) {
		char buf[4096];
		int fd;

		for (int i = 1; i < n; i++) {
			ssize_t k = p[i].revents ? read(p[i].fd, buf, sizeof(buf)) : -1;

			if (k > 0)
				must(write(p[i].fd, buf, (size_t)k) == k);
			if (!p[i].revents || k > 0)
				continue;
			close(p[i].fd);
			p[i--] = p[--n];
		}
		while (n < 1024 && (fd = accept4(p[0].fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
			p[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
		must(errno == EAGAIN);
	}
	return 0;
}

static void *fetch_send(void *arg)
{
	int fd = *(int *)arg;
	static uint8_t out[FETCHED];

	for (unsigned i = 0; i < FETCHED; i++)
		out[i] = (uint8_t)(i * 2654435761u >> 24);
	for (size_t at = 0; at < FETCHED;) {
		ssize_t n = write(fd, out + at, FETCHED - at);

		must(n > 0);
		at += (size_t)n;
	}
	must(shutdown(fd, SHUT_WR) == 0);
	return NULL;
}

/* Bytes there and back through an echo service, half closed. */
static int run_fetch(char **v)
{
	struct sockaddr_in sa = address(v[0], v[1]);
	int fd = socket_to(&sa);
	uint8_t buf[65536];
	unsigned got = 0;
	pthread_t t;
	ssize_t n;

	must(pthread_create(&t, NULL, fetch_send, &fd) == 0);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++, got++)
			must(buf[i] == (uint8_t)(got * 2654435761u >> 24));
	}
	must(n == 0 && got == FETCHED);
	return pthread_join(t, NULL);
}

/* ADDR PORT N: so many at once. */
static int run_many(char **v)
{
	struct sockaddr_in sa = address(v[0], v[1]);
	int n = atoi(v[2]), *fd = calloc((size_t)n, sizeof(*fd));

	must(fd);
	for (int i = 0; i < n; i++)
		fd[i] = socket_to(&sa);
	for (int i = 0; i < n; i++)
		must(write(fd[i], &i, sizeof(i)) == sizeof(i));
	for (int i = 0; i < n; i++) {
		int got = -1;

		must(recv(fd[i], &got, sizeof(got), MSG_WAITALL) == sizeof(got) && got == i);
	}
	return 0;
}

static int connect_error(int fd)
{
	int e = -1;
	socklen_t n = sizeof(e);

	must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) == 0);
	return e;
}

static void connect_begins(int ep, int fd, const struct sockaddr_in *sa)
{
	struct epoll_event ev = {.events = EPOLLOUT, .data.fd = fd};

	must(connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == -1 && errno == EINPROGRESS);
	must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	must(epoll_wait(ep, &ev, 1, 10000) == 1 && ev.data.fd == fd);
}

/* ADDR PORT REFUSED: without blocking, by epoll. */
static int run_epoll(char **v)
{
	struct sockaddr_in sa = address(v[0], v[1]), refused = address(v[0], v[2]);
	int ep = epoll_create1(0), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char byte;

	connect_begins(ep, fd, &refused);
	must(connect_error(fd) == ECONNREFUSED && connect_error(fd) == 0);
	must(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	connect_begins(ep, fd, &sa);
	must(connect_error(fd) == 0);
	must(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EISCONN);
	must(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 && errno == EISCONN);
	must(write(fd, "x", 1) == 1);
	must(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000) == 1);
	must(read(fd, &byte, 1) == 1 && byte == 'x');
	return 0;
}

/* ADDR PORT REFUSED: blocking; the same number then connects elsewhere, and keeps its flag. */
static int run_refused(char **v)
{
	struct sockaddr_in sa = address(v[0], v[1]), refused = address(v[0], v[2]);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;

	must(connect(fd, (struct sockaddr *)&refused, sizeof(sa)) == -1 && errno == ECONNREFUSED);
	must(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	must(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	must(write(fd, "y", 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'y');
	return 0;
}

static void caught(int signal)
{
}

static void alarms(int flags)
{
	const struct sigaction act = {.sa_handler = caught, .sa_flags = flags};
	const struct itimerval tick = {.it_interval = {.tv_usec = 20000},
				       .it_value = {.tv_usec = 20000}};

	must(sigaction(SIGALRM, &act, NULL) == 0);
	must(setitimer(ITIMER_REAL, &tick, NULL) == 0);
}

/* PORT: signals end what waits, or with SA_RESTART do not; a time-out ends it too. */
static int run_signals(char **v)
{
	const struct timeval soon = {.tv_usec = 100000}, never = {0};
	struct sockaddr_in sa = address("127.0.0.1", v[0]);
	int fd = listener(v[0]), udp = socket(AF_INET, SOCK_DGRAM, 0), child;
	socklen_t n = sizeof(sa);
	char byte;

	alarms(0);
	must(accept(fd, NULL, NULL) == -1 && errno == EINTR);
	must(bind(udp, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	must(recvfrom(udp, &byte, 1, 0, (struct sockaddr *)&sa, &n) == -1 && errno == EINTR);
	alarms(SA_RESTART);
	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) == 0);
	must(setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) == 0);
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	must(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
	must(recvfrom(udp, &byte, 1, 0, (struct sockaddr *)&sa, &n) == -1 && errno == EAGAIN);
	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never)) == 0);
	alarms(SA_RESTART);
	puts("waits");
	fflush(stdout);
	child = accept(fd, NULL, NULL);
	must(child >= 0);
	must(read(child, &byte, 1) == 1 && byte == 'z');
	return 0;
}

static int asked = -1;

/* A handler that makes calls of its own. */
static void asks(int signal)
{
	struct sockaddr_in sa;
	socklen_t n = sizeof(sa);
	int was = errno;

	must(getsockname(asked, (struct sockaddr *)&sa, &n) == 0);
	errno = was;
}

/* How many of n calls of bind() were made and not told. */
static int binds_lost(int n)
{
	struct sockaddr_in sa = address("127.0.0.1", "0");
	int lost = 0;

	for (int i = 0; i < n; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		must(fd >= 0);
		if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
			lost++;
		must(close(fd) == 0);
	}
	return lost;
}

/*
 * What a signal has kept back of a call that was made is told when the handler has returned.  Now and then one
 * is lost, several in a row on a busy machine: the kernel throws an answer away that comes when the signal has woken
 * its thread.  Of ten rounds one loses none; where nothing is told each loses some, up to a third.
 */
static int run_handler(char **v)
{
	const struct sigaction act = {.sa_handler = asks, .sa_flags = SA_RESTART};
	const struct itimerval tick = {.it_interval = {.tv_usec = 150},
				       .it_value = {.tv_usec = 150}};
	int lost = 1;

	asked = socket(AF_INET, SOCK_STREAM, 0);
	must(sigaction(SIGALRM, &act, NULL) == 0);
	must(setitimer(ITIMER_REAL, &tick, NULL) == 0);
	for (int round = 0; round < 10 && lost; round++) {
		lost = binds_lost(300);
		printf("lost %d\n", lost);
	}
	must(lost == 0);
	return 0;
}

/* A message with the name of who sent it asked for, or with control messages asked for. */
static ssize_t stream_in(int fd, void *buf, size_t n, int i)
{
	struct sockaddr_in from = {.sin_port = 77};
	socklen_t len = sizeof(from);
	char control[64];
	struct iovec iov = {buf, n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct mmsghdr several = {.msg_hdr = m};
	ssize_t k;

	m.msg_name = several.msg_hdr.msg_name = &from;
	m.msg_namelen = several.msg_hdr.msg_namelen = len;
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	switch (i % 3) {
	case 0:
		k = recvfrom(fd, buf, n, MSG_WAITALL, (struct sockaddr *)&from, &len);
		break;
	case 1:
		k = recvmsg(fd, &m, MSG_WAITALL);
		must(k < 0 || m.msg_controllen == 0);
		break;
	default:
		k = recvmmsg(fd, &several, 1, MSG_WAITALL, NULL) == 1 ? (ssize_t)several.msg_len
								      : -1;
	}
	must(from.sin_port == 77); /* of a stream nobody is told */
	return k;
}

/* ADDR PORT: of an echo service's stream a signal loses nothing, though its handler makes calls. */
static int run_stream(char **v)
{
	const struct sigaction act = {.sa_handler = asks, .sa_flags = SA_RESTART};
	const struct itimerval tick = {.it_interval = {.tv_usec = 300},
				       .it_value = {.tv_usec = 300}};
	struct sockaddr_in sa = address(v[0], v[1]);
	static uint8_t buf[100000];
	sigset_t alarm;
	unsigned got = 0;
	pthread_t t;
	ssize_t n = 1;
	int fd = socket_to(&sa);

	asked = fd;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	must(pthread_sigmask(SIG_BLOCK, &alarm, NULL) == 0); /* it is ours */
	must(pthread_create(&t, NULL, fetch_send, &fd) == 0);
	must(sigaction(SIGALRM, &act, NULL) == 0);
	must(pthread_sigmask(SIG_UNBLOCK, &alarm, NULL) == 0);
	must(setitimer(ITIMER_REAL, &tick, NULL) == 0);
	for (int i = 0; n > 0; i++) {
		n = stream_in(fd, buf, i % 50 ? (size_t)i % 1000 + 1 : sizeof(buf), i);
		for (ssize_t k = 0; k < n; k++, got++)
			must(buf[k] == (uint8_t)(got * 2654435761u >> 24));
	}
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	must(n == 0 && got == FETCHED);
	return pthread_join(t, NULL);
}

static void *accept_one(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);
	char byte;

	must(fd >= 0 && read(fd, &byte, 1) == 1 && byte == 'z');
	must(close(fd) == 0);
	return NULL;
}

/* PORT: so many threads wait for one socket, and each gets its connection. */
static int run_threads(char **v)
{
	enum { MANY = 800 };
	static pthread_t thread[MANY];
	struct sockaddr_in sa = address("127.0.0.1", v[0]);
	int fd = listener(v[0]);
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (int i = 0; i < MANY; i++)
		must(pthread_create(&thread[i], &small, accept_one, &fd) == 0);
	for (int i = 0; i < MANY; i++) {
		int to = socket_to(&sa);

		must(write(to, "z", 1) == 1);
		must(close(to) == 0);
	}
	for (int i = 0; i < MANY; i++)
		must(pthread_join(thread[i], NULL) == 0);
	return 0;
}

/* ADDR PORT: what a descriptor says of itself. */
static int run_names(char **v)
{
	struct sockaddr_in sa = address(v[0], v[1]), name;
	int fd = socket_to(&sa), x = 1;
	struct tcp_info info = {0};
	struct ifreq r = {.ifr_name = "tap0"};
	socklen_t n = sizeof(x);

	must(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &x, &n) == 0 && x == AF_INET);
	must(getsockopt(fd, SOL_SOCKET, SO_TYPE, &x, &n) == 0 && x == SOCK_STREAM);
	x = 1;
	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &x, sizeof(x)) == 0);
	must(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &x, &n) == 0 && x == 1);
	x = 7;
	must(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &x, sizeof(x)) == 0);
	must(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &x, &n) == 0 && x == 7);
	n = sizeof(info);
	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
	     info.tcpi_state == TCP_ESTABLISHED);
	n = 3; /* cut off, and told how long it is */
	must(getpeername(fd, (struct sockaddr *)&name, &n) == 0 && n == sizeof(name));
	n = sizeof(name);
	must(getsockname(fd, (struct sockaddr *)&name, &n) == 0 && name.sin_port != 0);
	must(getsockname(fd, NULL, &n) == -1 && errno == EFAULT);
	must(bind(fd, (struct sockaddr *)8, sizeof(sa)) == -1 && errno == EFAULT);
	must(ioctl(fd, SIOCGIFADDR, &r) == 0);
	puts(inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
	return 0;
}

/* What is not served is refused, by name; the kernel's own families go past; raw is for root. */
static int run_others(char **v)
{
	int pair[2], fd;

	must(socket(AF_INET, SOCK_RAW, 0) == -1 && errno == EPROTONOSUPPORT);
	must(socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EAFNOSUPPORT);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	must(write(pair[0], "p", 1) == 1);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	must(fd >= 0 && listen(fd, 1) == -1 && errno == EINVAL);
	must(bind(-1, NULL, 0) == -1 && errno == EBADF);
	must(listen(0, 1) == -1 && errno == ENOTSOCK);
	must(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0);
	must(setuid(65534) == 0);
	must(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) == -1 && errno == EPERM);
	must(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) >= 0);
	return 0;
}

/* PORT: it goes on behind its parent, as daemons do. */
static int run_daemon(char **v)
{
	if (fork() > 0)
		return 0;
	must(setsid() > 0);
	return run_poll(v);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int words;
		int (*run)(char **words);
	} all[] = {
	    {"serve", 1, run_serve},     {"poll", 1, run_poll},     {"fetch", 2, run_fetch},
	    {"many", 3, run_many},       {"epoll", 3, run_epoll},   {"refused", 3, run_refused},
	    {"signals", 1, run_signals}, {"udp", 2, run_udp},       {"names", 2, run_names},
	    {"others", 0, run_others},   {"daemon", 1, run_daemon}, {"handler", 0, run_handler},
	    {"threads", 1, run_threads}, {"stream", 2, run_stream},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(argv[1], all[i].name) == 0 && argc - 2 == all[i].words)
			return all[i].run(argv + 2);
	}
	return 2;
}
