/*
 * tests/harness/differ/send.c - what a send and a connect of a datagram socket answer at once, a line each; the same
 * on the kernel's network and on weft's.
 *
 * On both tap0 is 10.0.0.1/24 with an MTU of 1500, 198.51.100.0/24 is behind 10.0.0.2, and there is no way elsewhere.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 70000

static char bytes[MOST] = {ICMP_ECHO};
static const char *kind;
static int protocol;

static int open_one(void)
{
	return socket(AF_INET, SOCK_DGRAM, protocol);
}

static void say(const char *what, const char *which, long r)
{
	printf("%s %s %s: %s\n", kind, what, which, r < 0 ? strerrorname_np(errno) : "well");
}

static struct sockaddr_in address(const char *a, int port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	inet_pton(AF_INET, a, &in.sin_addr);
	return in;
}

static long to(int s, const char *a, int port, size_t n)
{
	struct sockaddr_in in = address(a, port);

	return sendto(s, bytes, n, 0, (struct sockaddr *)&in, sizeof(in));
}

/* A control message. */
struct wish {
	int level, type;
	const void *v;
	size_t n;
};

static long message_to(int s, const char *a, const struct wish *w)
{
	char control[CMSG_SPACE(64)] = {0};
	struct sockaddr_in in = address(a, 9);
	struct iovec iov = {bytes, 10};
	struct msghdr m = {
	    .msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (w) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(w->n);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = w->level;
		c->cmsg_type = w->type;
		c->cmsg_len = CMSG_LEN(w->n);
		memcpy(CMSG_DATA(c), w->v, w->n);
	}
	return sendmsg(s, &m, 0);
}

static long several_to(int s, const char *a, const char *b)
{
	struct sockaddr_in in[2] = {address(a, 9), address(b, 9)};
	struct iovec iov = {bytes, 10};
	struct mmsghdr m[2] = {0};

	for (int i = 0; i < 2; i++)
		m[i].msg_hdr = (struct msghdr){.msg_name = &in[i],
					       .msg_namelen = sizeof(in[i]),
					       .msg_iov = &iov,
					       .msg_iovlen = 1};
	return sendmmsg(s, m, 2, 0);
}

static int joins(int s, const char *a, int port)
{
	struct sockaddr_in in = address(a, port);

	return connect(s, (struct sockaddr *)&in, sizeof(in));
}

static void set(int s, int level, int name, int v)
{
	if (setsockopt(s, level, name, &v, sizeof(v)))
		printf("%s option %d %d: %s\n", kind, level, name, strerrorname_np(errno));
}

static const char *const places[] = {"255.255.255.255", "10.0.0.255", "10.0.0.0",  "10.0.0.1",
				     "10.0.0.77",       "127.0.0.1",  "0.0.0.0",   "203.0.113.1",
				     "198.51.100.1",    "224.0.0.9",  "240.0.0.1", "239.1.2.3"};
#define PLACES (sizeof(places) / sizeof(places[0]))

/* Each of a socket of its own, again on one for all, and by connect(). */
static void where(void)
{
	int all = open_one(), s;

	for (unsigned i = 0; i < PLACES; i++) {
		s = open_one();
		say("to", places[i], to(s, places[i], 9, 10));
		say("again to", places[i], to(s, places[i], 9, 10));
		close(s);
		say("of one to", places[i], to(all, places[i], 9, 10));
		say("message to", places[i], message_to(all, places[i], NULL));
		s = open_one();
		say("connect", places[i], joins(s, places[i], 9));
		set(s, SOL_SOCKET, SO_BROADCAST, 1);
		say("broadcaster's connect", places[i], joins(s, places[i], 9));
		say("then send", places[i], send(s, bytes, 10, 0));
		close(s);
	}
	close(all);
}

/* The option counts at once, whichever way it goes. */
static void broadcast(void)
{
	int s = open_one();

	for (int i = 0; i < 6; i++) {
		say("broadcast", i & 1 ? "on" : "off", to(s, "10.0.0.255", 9, 10));
		say("all ones", i & 1 ? "on" : "off", to(s, "255.255.255.255", 9, 10));
		say("beside it", i & 1 ? "on" : "off", to(s, "10.0.0.77", 9, 10));
		say("several", i & 1 ? "on" : "off", several_to(s, "10.0.0.77", "10.0.0.255"));
		say("several others", i & 1 ? "on" : "off",
		    several_to(s, "10.0.0.255", "10.0.0.77"));
		set(s, SOL_SOCKET, SO_BROADCAST, !(i & 1));
	}
	close(s);
}

static const size_t sizes[] = {0,    1,     7,     8,     1471,  1472,  1473,  1480,  1481,
			       9000, 65507, 65508, 65515, 65516, 65535, 65536, 66001, MOST};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void size_of(int s, const char *how)
{
	char text[64];

	for (unsigned i = 0; i < SIZES; i++) {
		snprintf(text, sizeof(text), "%s %zu", how, sizes[i]);
		say("size to", text, to(s, "10.0.0.77", 9, sizes[i]));
		say("size to itself", text, to(s, "10.0.0.1", 9, sizes[i]));
	}
}

static void size(void)
{
	static const char *const ways[] = {"dont", "want", "do", "probe"};
	int s = open_one();

	for (int i = 0; i < 4; i++) {
		set(s, IPPROTO_IP, IP_MTU_DISCOVER, i);
		size_of(s, ways[i]);
	}
	set(s, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
	say("large", "again", to(s, "10.0.0.77", 9, 9000));
	close(s);
	for (int i = 0; i < 4; i++) {
		s = open_one();
		set(s, IPPROTO_IP, IP_MTU_DISCOVER, i);
		say("connect", ways[i], joins(s, "10.0.0.77", 9));
		for (unsigned k = 0; k < SIZES; k++) {
			char text[64];

			snprintf(text, sizeof(text), "%s %zu", ways[i], sizes[k]);
			say("connected", text, send(s, bytes, sizes[k], 0));
			say("connected writes", text, write(s, bytes, sizes[k]));
			say("connected sends to", text, to(s, "10.0.0.77", 9, sizes[k]));
		}
		close(s);
	}
}

/* Addresses that are none. */
static void wrong(void)
{
	union {
		struct sockaddr a;
		struct sockaddr_in in;
		char room[200];
	} u = {.in = address("10.0.0.77", 9)};
	int s = open_one();

	for (socklen_t n = 0; n <= 20; n++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", n);
		say("length", text, sendto(s, bytes, 10, 0, &u.a, n));
	}
	say("length", "129", sendto(s, bytes, 10, 0, &u.a, 129));
	u.a.sa_family = AF_UNSPEC;
	say("family", "none", sendto(s, bytes, 10, 0, &u.a, sizeof(u.in)));
	u.a.sa_family = AF_INET6;
	say("family", "inet6", sendto(s, bytes, 10, 0, &u.a, 28));
	u.a.sa_family = AF_UNIX;
	say("family", "unix", sendto(s, bytes, 10, 0, &u.a, sizeof(u.in)));
	u.a.sa_family = 77;
	say("family", "77", sendto(s, bytes, 10, 0, &u.a, sizeof(u.in)));
	say("connect family", "77", connect(s, &u.a, sizeof(u.in)));
	say("connect length", "8", connect(s, &u.a, 8));
	say("port", "0", to(s, "10.0.0.77", 0, 10));
	say("no", "address", sendto(s, bytes, 10, 0, NULL, 0));
	say("send", "unconnected", send(s, bytes, 10, 0));
	say("flags", "oob",
	    sendto(s, bytes, 10, MSG_OOB,
		   (struct sockaddr *)(struct sockaddr_in[]){address("10.0.0.77", 9)},
		   sizeof(u.in)));
	say("connect port", "0", joins(s, "10.0.0.77", 0));
	say("then send", "port 0", send(s, bytes, 10, 0));
	say("then send to", "another", to(s, "10.0.0.78", 9, 10));
	say("then send to", "nowhere", to(s, "203.0.113.1", 9, 10));
	close(s);
}

static void ended(void)
{
	int s = open_one();

	say("shutdown", "unconnected", shutdown(s, SHUT_WR));
	say("after it to", "somebody", to(s, "10.0.0.77", 9, 10));
	close(s);
	s = open_one();
	say("connect", "somebody", joins(s, "10.0.0.77", 9));
	say("shutdown", "connected", shutdown(s, SHUT_WR));
	say("after it to", "somebody", to(s, "10.0.0.77", 9, 10));
	say("after it", "send", send(s, bytes, 10, 0));
	close(s);
}

static void controlled(void)
{
	const struct in_pktinfo from = {.ipi_spec_dst = address("10.0.0.9", 0).sin_addr};
	const int ttl = 300, tos = 8, any = 1;
	const struct {
		const char *what, *to;
		struct wish wish;
	} rows[] = {
	    {"source not ours", "10.0.0.77", {IPPROTO_IP, IP_PKTINFO, &from, sizeof(from)}},
	    {"ttl 300", "10.0.0.77", {IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)}},
	    {"tos 8", "10.0.0.77", {IPPROTO_IP, IP_TOS, &tos, sizeof(tos)}},
	    {"unknown of ip", "10.0.0.77", {IPPROTO_IP, 177, &any, sizeof(any)}},
	    {"unknown level", "10.0.0.77", {277, 177, &any, sizeof(any)}},
	    {"tos 8 elsewhere", "203.0.113.1", {IPPROTO_IP, IP_TOS, &tos, sizeof(tos)}},
	};
	int s = open_one();

	for (unsigned i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned k = i % (sizeof(rows) / sizeof(rows[0]));

		say("control", rows[k].what, message_to(s, rows[k].to, &rows[k].wish));
	}
	close(s);
}

/* A source and a device of one's own. */
static void bound(void)
{
	struct sockaddr_in lo = address("127.0.0.1", 0), own = address("10.0.0.1", 0),
			   any = address("10.0.0.255", 0);
	int s = open_one();

	say("bind", "127.0.0.1", bind(s, (struct sockaddr *)&lo, sizeof(lo)));
	say("from 127.0.0.1", "out", to(s, "10.0.0.77", 9, 10));
	say("from 127.0.0.1", "to itself", to(s, "127.0.0.1", 9, 10));
	close(s);
	s = open_one();
	say("before bind", "out", to(s, "10.0.0.77", 9, 10));
	say("bind", "late", bind(s, (struct sockaddr *)&own, sizeof(own)));
	close(s);
	s = open_one();
	say("bind", "own", bind(s, (struct sockaddr *)&own, sizeof(own)));
	say("from own", "out", to(s, "10.0.0.77", 9, 10));
	say("from own", "nowhere", to(s, "203.0.113.1", 9, 10));
	say("from own", "all ones", to(s, "255.255.255.255", 9, 10));
	close(s);
	s = open_one();
	say("bind", "broadcast", bind(s, (struct sockaddr *)&any, sizeof(any)));
	say("from broadcast", "out", to(s, "10.0.0.77", 9, 10));
	close(s);
	s = open_one();
	say("device", "tap0", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "tap0", 5));
	say("by device", "nowhere", to(s, "203.0.113.1", 9, 10));
	say("by device", "out", to(s, "10.0.0.77", 9, 10));
	close(s);
}

int main(void)
{
	static const struct {
		const char *name;
		int protocol;
	} all[] = {{"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP}};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		kind = all[i].name;
		protocol = all[i].protocol;
		where();
		broadcast();
		size();
		wrong();
		ended();
		controlled();
		bound();
	}
	return 0;
}
