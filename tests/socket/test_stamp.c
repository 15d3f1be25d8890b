/*
 * tests/socket/test_stamp.c - SO_TIMESTAMPING by the public calls, of each kind of socket, on the real clock; and of a
 * blocking call that ends before its last byte.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
/* last: it wants struct timespec and struct sockaddr_in */
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static int pair[2];
static char buf[64], control[256];
static struct msghdr got;

/* The data of IP_RECVERR. */
struct told {
	struct sock_extended_err ee;
	struct sockaddr_in offender;
};

static void setup(void)
{
	st = sockets_begin();
	sockets_pair(pair);
}

static void teardown(void)
{
	sockets_close_all();
	sockets_end(st);
}

static ssize_t recv_with(int fd, int flags)
{
	struct iovec into = {buf, sizeof(buf)};

	got = (struct msghdr){.msg_iov = &into,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control)};
	return weft_recvmsg(fd, &got, flags);
}

static void stamping(int fd, int flags)
{
	ck_assert_int_eq(weft_setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)),
			 0);
}

static uint64_t ns_of(const struct scm_timestamping *s)
{
	return (uint64_t)s->ts[0].tv_sec * NSEC_PER_SEC + (uint64_t)s->ts[0].tv_nsec;
}

/* It went and it came, by the wall's clock. */
static void expect_way(int from, int to)
{
	int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE |
		    SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
	struct scm_timestamping went, came;
	struct pollfd p = {.fd = from};
	uint64_t before = env_wall(st->env);
	struct told what;

	stamping(from, flags);
	stamping(to, flags);
	ck_assert_int_eq(weft_send(from, "abc", 3, 0), 3);
	ck_assert_int_eq(weft_poll(&p, 1, 1000), 1);
	ck_assert_int_eq(p.revents, POLLERR);
	ck_assert_int_eq(recv_with(from, MSG_ERRQUEUE), 0);
	ck_assert_int_eq(got.msg_flags, MSG_ERRQUEUE);
	sockets_control(&got, SOL_SOCKET, SO_TIMESTAMPING, &went, sizeof(went));
	sockets_control(&got, IPPROTO_IP, IP_RECVERR, &what, sizeof(what));
	ck_assert_uint_eq(what.ee.ee_origin, SO_EE_ORIGIN_TIMESTAMPING);
	ck_assert_uint_eq(what.ee.ee_info, SCM_TSTAMP_SND);
	ck_assert_int_eq(weft_poll(&p, 1, 0), 0);
	ck_assert_int_ge(recv_with(to, 0), 3); /* raw: with its header */
	sockets_control(&got, SOL_SOCKET, SO_TIMESTAMPING, &came, sizeof(came));
	ck_assert_uint_ge(ns_of(&went), before);
	ck_assert_uint_ge(ns_of(&came), before);
	ck_assert_uint_le(ns_of(&went), env_wall(st->env));
	ck_assert_uint_le(ns_of(&came), env_wall(st->env));
}

START_TEST(test_way_of_a_message)
{
	int raw = sockets_open(SOCK_RAW, 253), from = sockets_open(SOCK_DGRAM, 0), to;
	struct sockaddr_in lo = in4("127.0.0.1", 0), at;

	to = sockets_bound(SOCK_DGRAM, &at);
	ck_assert_int_eq(weft_connect(from, sa(&at), SA_LEN), 0);
	expect_way(from, to);
	expect_way(pair[0], pair[1]);
	ck_assert_int_eq(weft_connect(raw, sa(&lo), SA_LEN), 0);
	expect_way(raw, raw);
}
END_TEST

/* The buffer is full and the time is over: the last byte taken is what is asked about. */
START_TEST(test_call_that_ends_before_its_last_byte)
{
	static char big[8 << 20], sink[1 << 16];
	struct timeval soon = {.tv_usec = 50000};
	struct pollfd p = {.fd = pair[0]};
	struct told what;
	ssize_t n, r, left;

	stamping(pair[0], SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE |
			      SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY);
	ck_assert_int_eq(
	    weft_setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &(int){100000}, sizeof(int)), 0);
	ck_assert_int_eq(weft_setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)), 0);
	n = weft_send(pair[0], big, sizeof(big), 0);
	ck_assert_int_gt(n, 0);
	ck_assert_int_lt(n, (ssize_t)sizeof(big));
	for (left = n; left; left -= r) {
		r = weft_recv(pair[1], sink, sizeof(sink), 0);
		ck_assert_int_gt(r, 0);
	}
	ck_assert_int_eq(weft_poll(&p, 1, 10000), 1);
	ck_assert_int_eq(recv_with(pair[0], MSG_ERRQUEUE), 0);
	sockets_control(&got, IPPROTO_IP, IP_RECVERR, &what, sizeof(what));
	ck_assert_uint_eq(what.ee.ee_info, SCM_TSTAMP_ACK);
	ck_assert_uint_eq(what.ee.ee_data, (uint32_t)n - 1);
	ck_assert_errno(recv_with(pair[0], MSG_ERRQUEUE), EAGAIN);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("stamp");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_way_of_a_message);
	tcase_add_test(tc, test_call_that_ends_before_its_last_byte);
	return unit_run("stamp", tc);
}
