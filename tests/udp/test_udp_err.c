/*
 * tests/udp/test_udp_err.c - ICMP errors on their way to a datagram sock: each code by Linux's
 * table, hard and soft, connected, unconnected and with IP_RECVERR; the path MTU.
 */
#include <errno.h>
#include <netinet/in.h>

#include "ip/inet_dgram.h"
#include "tests/harness/udp_lab.h"
#include "tests/harness/unit.h"

static struct udp_lab_got got;
static struct udp_lab_sent sent;

static void setup(void)
{
	udp_lab_open();
	got.room = sizeof(got.data);
	got.flags = 0;
}

static void teardown(void)
{
	udp_lab_close();
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct errno_case {
	uint8_t type, code;
	int err; /* 0: nobody is told */
	bool hard;
} cases[] = {
    {ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ENETUNREACH, false},
    {ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, EHOSTUNREACH, false},
    {ICMP_DEST_UNREACH, ICMP_PROTO_UNREACH, ENOPROTOOPT, true},
    {ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, ECONNREFUSED, true},
    {ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, EMSGSIZE, true}, /* with the path MTU looked for */
    {ICMP_DEST_UNREACH, ICMP_SR_FAILED, EOPNOTSUPP, false},
    {ICMP_DEST_UNREACH, ICMP_NET_UNKNOWN, ENETUNREACH, true},
    {ICMP_DEST_UNREACH, ICMP_HOST_UNKNOWN, EHOSTDOWN, true},
    {ICMP_DEST_UNREACH, ICMP_HOST_ISOLATED, ENONET, true},
    {ICMP_DEST_UNREACH, ICMP_NET_ANO, ENETUNREACH, true},
    {ICMP_DEST_UNREACH, ICMP_HOST_ANO, EHOSTUNREACH, true},
    {ICMP_DEST_UNREACH, ICMP_NET_UNR_TOS, ENETUNREACH, false},
    {ICMP_DEST_UNREACH, ICMP_HOST_UNR_TOS, EHOSTUNREACH, false},
    {ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, EHOSTUNREACH, true},
    {ICMP_DEST_UNREACH, ICMP_PREC_VIOLATION, EHOSTUNREACH, true},
    {ICMP_DEST_UNREACH, ICMP_PREC_CUTOFF, EHOSTUNREACH, true},
    {ICMP_DEST_UNREACH, 16, 0, false},
    {ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, EHOSTUNREACH, false},
    {ICMP_TIME_EXCEEDED, ICMP_EXC_REASM, 0, false},
    {ICMP_PARAM_PROBLEM, 0, EPROTO, true},
    {ICMP_SOURCE_QUENCH, 0, 0, false},
};

static void expect_error(struct sock *sk, int err)
{
	uint32_t ev;

	sock_lock(sk);
	ev = udp_ops.poll(sk);
	sock_unlock(sk);
	ck_assert_int_eq((ev & EPOLLERR) != 0, err != 0);
	ck_assert_int_eq(udp_lab_recv(sk, &got), err ? -err : -EAGAIN);
	ck_assert_int_eq(udp_lab_recv(sk, &got), -EAGAIN); /* told once */
}

static void rx_case(const struct errno_case *c, uint16_t sport)
{
	udp_lab_rx_icmp(&(struct udp_lab_icmp){
	    .type = c->type, .code = c->code, .sport = sport, .dport = 7, .word = 1000});
}

START_TEST(test_err_connected_is_told_hard_ones)
{
	const struct errno_case *c = &cases[_i];
	struct sock *sk = udp_lab_bound("0.0.0.0", 5000);

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	rx_case(c, 5000);
	expect_error(sk, c->hard ? c->err : 0);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_err_unconnected_is_told_none)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 5000);

	rx_case(&cases[_i], 5000);
	expect_error(sk, 0);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_err_recverr_is_told_all)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 5000);
	int on = 1;

	sock_lock(sk);
	ck_assert_int_eq(udp_ops.setopt(sk, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
	sock_unlock(sk);
	rx_case(&cases[_i], 5000);
	expect_error(sk, cases[_i].err);
	udp_lab_end(sk);
}
END_TEST

/* --- who is told ------------------------------------------------------------------------------ */

START_TEST(test_err_about_another_peer_is_not_mine)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 5000);

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	udp_lab_rx_icmp(&(struct udp_lab_icmp){
	    .dst = "10.0.0.3", .type = 3, .code = 3, .sport = 5000, .dport = 7});
	udp_lab_rx_icmp(&(struct udp_lab_icmp){.type = 3, .code = 3, .sport = 5000, .dport = 8});
	udp_lab_rx_icmp(&(struct udp_lab_icmp){.type = 3, .code = 3, .sport = 5001, .dport = 7});
	expect_error(sk, 0);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_err_bound_to_device_is_found)
{
	struct sock *sk = udp_lab_sock();

	sk->c.ifindex = udp_lab.eth->dev->ifindex;
	ck_assert_int_eq(udp_lab_bind(sk, "0.0.0.0", 5000), 0);
	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	rx_case(&cases[3], 5000);
	expect_error(sk, ECONNREFUSED);
	udp_lab_end(sk);
}
END_TEST

static uint32_t told;

static void note_ready(struct sock *sk, uint32_t events)
{
	told |= events;
}

static const struct sock_events note_events = {.ready = note_ready};

START_TEST(test_err_tells_the_socket_room_and_fails_the_next_send)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 5000);

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	told = 0;
	sk->stack->sock_events = &note_events;
	rx_case(&cases[3], 5000);
	ck_assert_uint_eq(told, EPOLLERR);
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), -ECONNREFUSED);
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), 1);
	udp_lab_end(sk);
}
END_TEST

/* Over lo the answer of our own stack: no wire, no limit. */
START_TEST(test_err_own_port_unreachable_by_loopback)
{
	struct sock *sk = udp_lab_sock();

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.1", 7), 0);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), 1);
		udp_lab_flush();
		ck_assert_int_eq(udp_lab_recv(sk, &got), -ECONNREFUSED);
	}
	udp_lab_end(sk);
}
END_TEST

/* A neighbour that does not answer: held datagrams come back as host unreachable, which is soft. */
START_TEST(test_err_neighbour_fails_host_unreachable)
{
	struct sock *sk = udp_lab_sock();
	int on = 1;

	sock_lock(sk);
	udp_ops.setopt(sk, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	sock_unlock(sk);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.99", 7, "x", 1), 1);
	udp_lab_flush();
	ip_lab_advance_ms(&udp_lab, 10000);
	udp_lab_flush();
	ck_assert_int_eq(udp_lab_recv(sk, &got), -EHOSTUNREACH);
	udp_lab_end(sk);
}
END_TEST

/* --- path MTU --------------------------------------------------------------------------------- */

START_TEST(test_frag_needed_teaches_and_is_emsgsize)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 5000);
	static uint8_t data[1200];
	int mtu = 0;
	socklen_t n = sizeof(mtu);

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	sk->pmtudisc = PMTUDISC_DO;
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, data, sizeof(data)), sizeof(data));
	ck_assert(udp_lab_sent(&sent));
	rx_case(&cases[4], 5000);
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, data, sizeof(data)), -EMSGSIZE); /* pending */
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, data, sizeof(data)), -EMSGSIZE); /* too large */
	sock_lock(sk);
	ck_assert_int_eq(udp_ops.getopt(sk, IPPROTO_IP, IP_MTU, &mtu, &n), 0);
	sock_unlock(sk);
	ck_assert_int_eq(mtu, 1000);
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, data, 972), 972);
	ck_assert(udp_lab_sent(&sent));
	udp_lab_end(sk);
}
END_TEST

/* Who sends by the device's MTU alone lets nobody teach it, but hears of the error (Linux). */
START_TEST(test_frag_needed_is_not_believed)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 5000);
	struct ip_addr peer = ip_of("10.0.0.2");
	static uint8_t data[1200];

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	sk->pmtudisc = _i ? PMTUDISC_OMIT : PMTUDISC_INTERFACE;
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, data, sizeof(data)), sizeof(data));
	ck_assert(udp_lab_sent(&sent));
	rx_case(&cases[4], 5000);
	ck_assert_uint_eq(pmtu_get(udp_lab.st, &peer), 0);
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, data, sizeof(data)), -EMSGSIZE); /* pending */
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, data, sizeof(data)), sizeof(data));
	ck_assert(udp_lab_sent(&sent));
	udp_lab_end(sk);
}
END_TEST

/* Anybody can quote a port: what no sock may have sent teaches nothing (RFC 5927, 7). */
START_TEST(test_frag_needed_about_no_sock_teaches_nothing)
{
	static const struct udp_lab_icmp quotes[] = {
	    {.type = 3, .code = 4, .sport = 5001, .dport = 7, .word = 1000}, /* no such port */
	    {.type = 3, .code = 4, .sport = 5000, .dport = 8, .word = 1000}, /* another peer */
	    {.dst = "10.0.0.3", .type = 3, .code = 4, .sport = 5000, .dport = 7, .word = 1000},
	};
	struct sock *sk = udp_lab_bound("0.0.0.0", 5000);
	struct ip_addr dst;

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	udp_lab_rx_icmp(&quotes[_i]);
	ck_assert_int_eq(ip_addr_parse(quotes[_i].dst ? quotes[_i].dst : "10.0.0.2", &dst), 0);
	ck_assert_uint_eq(pmtu_get(udp_lab.st, &dst), 0);
	expect_error(sk, 0);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_frag_needed_without_discovery_is_silent)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 5000);

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	sk->pmtudisc = PMTUDISC_DONT;
	rx_case(&cases[4], 5000);
	expect_error(sk, 0);
	udp_lab_end(sk);
}
END_TEST

/* --- options ---------------------------------------------------------------------------------- */

START_TEST(test_option_of_another_level_enoprotoopt)
{
	struct sock *sk = udp_lab_sock();
	int x = 1;
	socklen_t n = sizeof(x);

	sock_lock(sk);
	ck_assert_int_eq(udp_ops.setopt(sk, IPPROTO_UDP, 1, &x, sizeof(x)), -ENOPROTOOPT);
	ck_assert_int_eq(udp_ops.getopt(sk, IPPROTO_UDP, 1, &x, &n), -ENOPROTOOPT);
	sock_unlock(sk);
	udp_lab_end(sk);
}
END_TEST

#define CASES (int)(sizeof(cases) / sizeof(cases[0]))

int main(void)
{
	TCase *tc = tcase_create("udp_err");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_err_connected_is_told_hard_ones, 0, CASES);
	tcase_add_loop_test(tc, test_err_unconnected_is_told_none, 0, CASES);
	tcase_add_loop_test(tc, test_err_recverr_is_told_all, 0, CASES);
	tcase_add_test(tc, test_err_about_another_peer_is_not_mine);
	tcase_add_test(tc, test_err_bound_to_device_is_found);
	tcase_add_test(tc, test_err_tells_the_socket_room_and_fails_the_next_send);
	tcase_add_test(tc, test_err_own_port_unreachable_by_loopback);
	tcase_add_test(tc, test_err_neighbour_fails_host_unreachable);
	tcase_add_test(tc, test_frag_needed_teaches_and_is_emsgsize);
	tcase_add_loop_test(tc, test_frag_needed_is_not_believed, 0, 2);
	tcase_add_test(tc, test_frag_needed_without_discovery_is_silent);
	tcase_add_loop_test(tc, test_frag_needed_about_no_sock_teaches_nothing, 0, 3);
	tcase_add_test(tc, test_option_of_another_level_enoprotoopt);
	return unit_run("udp_err", tc);
}
