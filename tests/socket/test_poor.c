/*
 * tests/socket/test_poor.c - each allocation of a stack, its devices and its sockets in turn finds no memory, by
 * itself and with all after it: the call says ENOMEM or ENOBUFS, nothing is half made, and nothing is left.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>

#include "arp/neigh.h"
#include "ip/route.h"
#include "lib/stack.h"
#include "net/capture.h"
#include "net/ifaddr.h"
#include "net/netem.h"
#include "tests/harness/poor.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct env *env;
static struct stack *st;
static struct sockaddr_in here; /* 127.0.0.1, port 7000 */

/* What a call without memory may answer; EAGAIN: a packet found none, and the wire lost it. */
static int said(int r)
{
	int err = r < 0 ? errno : 0;

	if (err == ENOTCONN || err == ENOMEM || err == ENOBUFS)
		ck_assert(poor_was());
	else
		ck_assert_msg(!err || err == EAGAIN || err == EINPROGRESS, "%s", strerror(err));
	return r;
}

static int said_internally(int err)
{
	ck_assert(err == 0 || ((err == -ENOMEM || err == -ENOBUFS) && poor_was()));
	return err;
}

static void world_open(void)
{
	bool was = poor_pause();

	env = env_lab_create(1);
	ck_assert_ptr_nonnull(env);
	here = in4("127.0.0.1", 7000);
	poor_resume(was);
	st = stack_create(env);
}

static void world_close(void)
{
	poor_end();
	if (st) {
		weft_use(NULL);
		stack_destroy(st);
	}
	env_lab_destroy(env);
}

/* --- the stack and its devices ------------------------------------------------------------------ */

static void scene_stack(void)
{
	poor_begin();
	world_open();
	ck_assert(st || poor_was());
	world_close();
}

static void probed(void *arg, bool conflict, const uint8_t *mac)
{
}

static void device_use(struct netdev *dev)
{
	struct ip_addr a = ip_addr4(0x0a000001), b = ip_addr4(0x0a000002), c = ip_addr4(0x0a000003);
	struct route r = {.net = ip_addr4(0x0a090000), .prefix = IP_PREFIX4(16), .gateway = b};
	struct netem_config n = {.delay = NSEC_PER_MSEC, .duplicate = netem_percent(100)};
	struct batch batch;
	uint8_t mac[6] = {2};

	batch_begin(&batch, st);
	netdev_up(dev);
	if (said_internally(ifaddr_add(dev, &a, IP_PREFIX4(24))) == 0 &&
	    said_internally(route_add(st, &r)) == 0)
		ck_assert(route_del(st, &r) == 0);
	said_internally(acd_probe(dev, &c, probed, NULL));
	said_internally(neigh_add_permanent(dev, &b, mac));
	said_internally(netem_set(dev, NETEM_OUT, &n));
	batch_end(&batch);
}

static void scene_devices(void)
{
	struct veth_end end[2];
	struct pcap *p;
	int err;

	world_open();
	for (unsigned i = 0; i < 2; i++)
		end[i] = (struct veth_end){.stack = st, .name = i ? "b" : "a"};
	poor_begin();
	if (said_internally(veth_create(&end[0], &end[1])) == 0) {
		p = pcap_open_dev(end[0].dev, "/dev/null", false, 0, &err);
		if (!p)
			said_internally(err);
		device_use(end[0].dev);
		env_lab_advance(env, 20 * NSEC_PER_SEC);
		if (p)
			pcap_close_dev(p);
	}
	world_close();
}

/* --- sockets -------------------------------------------------------------------------------------- */

static void begin(void)
{
	world_open();
	weft_use(st);
	poor_begin();
}

static void set(int fd, int level, int name, const void *v, socklen_t n)
{
	if (said(weft_setsockopt(fd, level, name, v, n)) == 0)
		return;
	ck_assert(poor_was());
}

static void set_int(int fd, int level, int name, int v)
{
	set(fd, level, name, &v, sizeof(v));
}

/* What needs memory of its own to be kept. */
static void options(int fd, bool tcp)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};
	uint32_t range = 40000 | 41000u << 16;

	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
	set_int(fd, SOL_SOCKET, SO_TIMESTAMPING, 0x18);
	set(fd, IPPROTO_IP, IP_OPTIONS, "\1\1\1", 3);
	set(fd, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, &range, sizeof(range));
	if (!tcp)
		return;
	set(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	set_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE, 1000000);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
	set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, 5);
	set(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, "0123456789abcdef", 16);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
}

static void groups(int fd)
{
	struct ip_mreqn m = {.imr_ifindex = 1};

	m.imr_multiaddr.s_addr = htonl(0xe0000105);
	set(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m));
	set_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, 3);
	if (said(weft_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m))) == 0)
		set(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m));
}

static void datagram_to(int fd)
{
	static char bytes[5000];
	struct pollfd p[40];

	said((int)weft_sendto(fd, bytes, sizeof(bytes), 0, sa(&here), SA_LEN));
	for (unsigned i = 0; i < 40; i++)
		p[i] = (struct pollfd){.fd = fd, .events = POLLIN};
	said(weft_poll(p, 40, 0));
	said((int)weft_recv(fd, bytes, sizeof(bytes), MSG_PEEK));
	said((int)weft_recv(fd, bytes, sizeof(bytes), 0));
	here.sin_port = htons(9);
	said((int)weft_sendto(fd, bytes, 10, 0, sa(&here), SA_LEN)); /* and an error comes back */
	weft_recv(fd, bytes, sizeof(bytes), MSG_ERRQUEUE);
}

static void scene_datagrams(void)
{
	int fd;

	begin();
	fd = said(weft_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	if (fd >= 0) {
		options(fd, false);
		groups(fd);
		set_int(fd, IPPROTO_IP, IP_RECVERR, 1);
		if (said(weft_bind(fd, sa(&here), SA_LEN)) == 0)
			datagram_to(fd);
		weft_close(fd);
	}
	env_lab_advance(env, 60 * NSEC_PER_SEC);
	world_close();
}

/* Two of them want what one sends. */
static void scene_raw(void)
{
	static const char echo[16] = {8};
	char bytes[100];
	int fd[3];

	begin();
	for (unsigned i = 0; i < 3; i++)
		fd[i] = said(weft_socket(AF_INET, (i < 2 ? SOCK_RAW : SOCK_DGRAM) | SOCK_NONBLOCK,
					 IPPROTO_ICMP));
	for (unsigned i = 0; i < 3; i++) {
		if (fd[i] < 0)
			continue;
		said((int)weft_sendto(fd[i], echo, sizeof(echo), 0, sa(&here), SA_LEN));
		said((int)weft_recv(fd[i], bytes, sizeof(bytes), 0));
		weft_close(fd[i]);
	}
	world_close();
}

static void watch(int ep, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	if (said(weft_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e)) == 0)
		said(weft_epoll_wait(ep, &e, 1, 0));
}

static void scene_epoll(void)
{
	int ep, fd;

	begin();
	ep = said(weft_epoll_create1(0));
	fd = said(weft_socket(AF_INET, SOCK_STREAM, 0));
	if (ep >= 0 && fd >= 0)
		watch(ep, fd);
	if (fd >= 0) {
		said(weft_eventfd(fd, POLLIN));
		weft_close(fd);
	}
	if (ep >= 0)
		weft_close(ep);
	world_close();
}

/* --- a connection by lo ------------------------------------------------------------------------- */

static int ends[3]; /* listener, and both of the connection; -1 */

static void connection_open(const char *cc)
{
	ends[0] = said(weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	ends[1] = said(weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	ends[2] = -1;
	if (ends[0] < 0 || ends[1] < 0)
		return;
	options(ends[0], true);
	options(ends[1], true);
	set(ends[1], IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc));
	if (said(weft_bind(ends[0], sa(&here), SA_LEN)) || said(weft_listen(ends[0], 5)))
		return;
	said(weft_connect(ends[1], sa(&here), SA_LEN));
	env_lab_advance(env, 4 * NSEC_PER_SEC); /* what found no memory goes again */
	ends[2] = said(weft_accept4(ends[0], NULL, NULL, SOCK_NONBLOCK));
}

/* Whatever is told to have been taken arrives, as long as only one allocation fails. */
static void connection_carry(enum poor_how how)
{
	static char out[30000], in[30000];
	ssize_t sent = weft_send(ends[1], out, sizeof(out), 0), got = 0, n;

	if (sent < 0) {
		ck_assert(poor_was());
		return;
	}
	for (unsigned i = 0; i < 10 && got < sent; i++) {
		env_lab_advance(env, NSEC_PER_SEC);
		while ((n = weft_recv(ends[2], in, sizeof(in), 0)) > 0)
			got += n;
	}
	if (how == POOR_ONCE)
		ck_assert(got == sent);
}

static void connection_scene(const char *cc, enum poor_how how)
{
	begin();
	connection_open(cc);
	if (ends[2] >= 0)
		connection_carry(how);
	for (unsigned i = 0; i < 3; i++) {
		if (ends[i] >= 0)
			weft_close(ends[i]);
	}
	env_lab_advance(env, 60 * NSEC_PER_SEC);
	poor_end();
	env_lab_advance(env, 600 * NSEC_PER_SEC);
	world_close();
}

static void scene_reno(void)
{
	connection_scene("reno", POOR_ONCE);
}

static void scene_cubic(void)
{
	connection_scene("cubic", POOR_ONCE);
}

static void scene_bbr(void)
{
	connection_scene("bbr", POOR_ONCE);
}

static void scene_reno_poor(void)
{
	connection_scene("reno", POOR_ALL);
}

START_TEST(test_each_allocation_fails_once)
{
	static void (*const scene[])(void) = {scene_stack, scene_devices, scene_datagrams,
					      scene_raw,   scene_epoll,   scene_reno,
					      scene_cubic, scene_bbr};

	poor_sweep(POOR_ONCE, scene[_i]);
}
END_TEST

START_TEST(test_each_allocation_fails_and_all_after_it)
{
	static void (*const scene[])(void) = {scene_stack, scene_devices, scene_datagrams,
					      scene_raw,   scene_epoll,   scene_reno_poor};

	poor_sweep(POOR_ALL, scene[_i]);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("poor");

	tcase_add_loop_test(tc, test_each_allocation_fails_once, 0, 8);
	tcase_add_loop_test(tc, test_each_allocation_fails_and_all_after_it, 0, 6);
	return unit_run("poor", tc);
}
