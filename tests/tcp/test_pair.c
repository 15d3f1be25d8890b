/*
 * tests/tcp/test_pair.c - two stacks on a wire: streams exact in both directions, through loss,
 * reordering, duplicates and corruption, and nothing left when both are closed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mib.h"
#include "net/ifaddr.h"
#include "net/netem.h"
#include "socket/socket.h"
#include "tests/harness/unit.h"

#define PORT 5001
#define STEP_NS (5 * NSEC_PER_MSEC)
#define LIMIT_NS (900 * NSEC_PER_SEC)
#define CHUNK 65536

/* One end of the connection: what it has to send, and what it has read. */
struct end {
	struct stack *st;
	struct netdev *dev;
	int fd;
	uint32_t salt, to_send, sent, to_read, got;
	bool shut, eof;
};

static struct env *env;
static struct end a, b;
static int64_t gauge[2][GAUGE_MAX];

static uint8_t byte_at(uint32_t salt, uint32_t at)
{
	uint32_t x = (at + salt) * 2654435761u;

	return (uint8_t)(x >> 24 ^ x >> 13);
}

static void gauges_read(struct stack *st, int64_t *g)
{
	for (unsigned i = 0; i < GAUGE_MAX; i++)
		g[i] = gauge_read(st, i);
}

static void end_address(struct end *e, uint32_t addr, uint32_t features)
{
	struct ip_addr own = ip_addr4(addr);
	struct batch batch;

	batch_begin(&batch, e->st);
	e->dev->features = features;
	netdev_up(e->dev);
	ck_assert_int_eq(ifaddr_add(e->dev, &own, IP_PREFIX4(24)), 0);
	batch_end(&batch);
}

static void pair_open(uint32_t features)
{
	struct veth_end x = {.name = "v0"}, y = {.name = "v1"};

	env = env_lab_create(11);
	a = (struct end){.st = stack_create(env), .fd = -1, .salt = 1};
	b = (struct end){.st = stack_create(env), .fd = -1, .salt = 1000003};
	x.stack = a.st;
	y.stack = b.st;
	ck_assert_int_eq(veth_create(&x, &y), 0);
	a.dev = x.dev;
	b.dev = y.dev;
	end_address(&a, 0x0a000001, features);
	end_address(&b, 0x0a000002, features);
	env_lab_advance(env, 20 * NSEC_PER_SEC);
	gauges_read(a.st, gauge[0]);
	gauges_read(b.st, gauge[1]);
}

static void end_close(struct end *e, const int64_t *before)
{
	int64_t g[GAUGE_MAX];

	gauges_read(e->st, g);
	for (unsigned i = 0; i < GAUGE_MAX; i++) {
		if (i == GAUGE_neighs || i == GAUGE_timers)
			continue; /* the neighbour stays for its ten minutes */
		ck_assert_msg(g[i] == before[i], "%s: %lld, was %lld", gauge_info[i].name,
			      (long long)g[i], (long long)before[i]);
	}
	weft_use(NULL);
	stack_destroy(e->st);
}

static void pair_close(void)
{
	if (a.fd >= 0)
		weft_close(a.fd);
	if (b.fd >= 0)
		weft_close(b.fd);
	env_lab_advance(env, 400 * NSEC_PER_SEC);
	end_close(&a, gauge[0]);
	end_close(&b, gauge[1]);
	env_lab_destroy(env);
}

static struct sockaddr_in addr_of(const char *host)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	inet_pton(AF_INET, host, &sa.sin_addr);
	return sa;
}

static void pair_connect(const char *host)
{
	struct sockaddr_in sa = addr_of(host);
	int ls;

	weft_use(strcmp(host, "10.0.0.2") ? a.st : b.st);
	ls = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(weft_bind(ls, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(weft_listen(ls, 5), 0);
	weft_use(a.st);
	a.fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(weft_connect(a.fd, (struct sockaddr *)&sa, sizeof(sa)), -1);
	ck_assert_int_eq(errno, EINPROGRESS);
	for (int i = 0; i < 20000 && b.fd < 0; i++) {
		env_lab_advance(env, STEP_NS);
		b.fd = weft_accept4(ls, NULL, NULL, SOCK_NONBLOCK);
	}
	ck_assert_int_ge(b.fd, 0);
	weft_close(ls);
}

static void end_send(struct end *e)
{
	static uint8_t buf[CHUNK];

	while (e->sent < e->to_send) {
		uint32_t n = e->to_send - e->sent < CHUNK ? e->to_send - e->sent : CHUNK;
		ssize_t r;

		for (uint32_t i = 0; i < n; i++)
			buf[i] = byte_at(e->salt, e->sent + i);
		r = weft_send(e->fd, buf, n, 0);
		if (r < 0) {
			ck_assert_str_eq(strerror(errno), strerror(EAGAIN));
			return;
		}
		e->sent += (uint32_t)r;
	}
	if (!e->shut)
		ck_assert_int_eq(weft_shutdown(e->fd, SHUT_WR), 0);
	e->shut = true;
}

static void end_read(struct end *e, const struct end *from)
{
	static uint8_t buf[CHUNK];
	ssize_t r;

	while ((r = weft_recv(e->fd, buf, sizeof(buf), 0)) > 0) {
		for (ssize_t i = 0; i < r; i++) {
			if (buf[i] != byte_at(from->salt, e->got + (uint32_t)i))
				ck_abort_msg("byte %u is wrong", e->got + (uint32_t)i);
		}
		e->got += (uint32_t)r;
	}
	if (r < 0)
		ck_assert_str_eq(strerror(errno), strerror(EAGAIN));
	else
		e->eof = true;
}

/* Virtual time that it took. */
static uint64_t pair_run(uint32_t there, uint32_t back)
{
	uint64_t start = env_now(env);

	a.to_send = b.to_read = there;
	b.to_send = a.to_read = back;
	while (!(a.eof && b.eof && a.shut && b.shut)) {
		end_send(&a);
		end_send(&b);
		env_lab_advance(env, STEP_NS);
		end_read(&a, &b);
		end_read(&b, &a);
		ck_assert_msg(env_now(env) - start < LIMIT_NS, "stuck: sent %u %u, got %u %u",
			      a.sent, b.sent, a.got, b.got);
	}
	ck_assert_uint_eq(a.got, back);
	ck_assert_uint_eq(b.got, there);
	return env_now(env) - start;
}

static void impair(struct netem_config cfg)
{
	cfg.seed = 3;
	ck_assert_int_eq(netem_set(a.dev, NETEM_OUT, &cfg), 0);
	cfg.seed = 4;
	ck_assert_int_eq(netem_set(b.dev, NETEM_OUT, &cfg), 0);
}

START_TEST(test_clean_tso)
{
	pair_open(NETDEV_F_ALL);
	pair_connect("10.0.0.2");
	pair_run(10000000, 10000000);
	ck_assert_uint_eq(mib_read(a.st, MIB_Tcp_RetransSegs), 0);
	ck_assert_uint_eq(mib_read(b.st, MIB_Tcp_RetransSegs), 0);
	ck_assert_uint_gt(mib_read(b.st, MIB_TcpExt_TCPHPHits), 100);
	pair_close();
}
END_TEST

START_TEST(test_clean_no_offload)
{
	pair_open(0);
	pair_connect("10.0.0.2");
	pair_run(3000000, 100);
	ck_assert_uint_eq(mib_read(a.st, MIB_Tcp_RetransSegs), 0);
	pair_close();
}
END_TEST

/* Both ends in one stack: by lo, whose MTU leaves no room for super-frames. */
START_TEST(test_loopback)
{
	pair_open(NETDEV_F_ALL);
	pair_connect(_i ? "127.1.2.3" : "10.0.0.1");
	pair_run(10000000, 5000000);
	ck_assert_uint_eq(mib_read(a.st, MIB_Tcp_RetransSegs), 0);
	pair_close();
}
END_TEST

/* loss, duplicate, corrupt, reorder in percent */
static const struct {
	double loss, duplicate, corrupt, reorder;
	uint32_t bytes;
} cells[] = {
    {1, 0, 0, 0, 10000000}, {5, 0, 0, 0, 2000000}, {20, 0, 0, 0, 200000}, {0, 0, 0, 25, 3000000},
    {0, 10, 0, 0, 3000000}, {0, 0, 1, 0, 3000000}, {3, 5, 1, 10, 500000},
};

START_TEST(test_impaired)
{
	uint64_t ns;

	pair_open(_i % 2 ? NETDEV_F_ALL : 0);
	pair_connect("10.0.0.2");
	impair((struct netem_config){
	    .loss = netem_percent(cells[_i].loss),
	    .duplicate = netem_percent(cells[_i].duplicate),
	    .corrupt = netem_percent(cells[_i].corrupt),
	    .reorder = netem_percent(cells[_i].reorder),
	    .delay = 5 * NSEC_PER_MSEC,
	});
	ns = pair_run(cells[_i].bytes, cells[_i].bytes / 10);
	if (getenv("PAIR_VERBOSE"))
		printf("cell %d: %.1f s, %lu retransmitted, %lu time-outs, %lu fast\n", _i,
		       (double)ns / 1e9, (unsigned long)mib_read(a.st, MIB_Tcp_RetransSegs),
		       (unsigned long)mib_read(a.st, MIB_TcpExt_TCPTimeouts),
		       (unsigned long)mib_read(a.st, MIB_TcpExt_TCPFastRetrans));
	pair_close();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pair");

	tcase_add_test(tc, test_clean_tso);
	tcase_add_test(tc, test_clean_no_offload);
	tcase_add_loop_test(tc, test_loopback, 0, 2);
	tcase_add_loop_test(tc, test_impaired, 0, sizeof(cells) / sizeof(cells[0]));
	return unit_run("tcp pair", tc);
}
