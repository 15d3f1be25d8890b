/*
 * tests/tcp/test_failure.c - connections that fail (RFC 9293, 3.8.3): R1, which casts doubt on the
 * way, R2, by the stack's setting or as the program sets it (RFC 5482), and what the program is told
 * meanwhile (3.9.1.8).
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "arp/neigh.h"
#include "lib/wire/icmp4.h"
#include "tests/harness/tcp_lab.h"

#define R2_MS 100000u     /* SHLD-11 */
#define SYN_R2_MS 180000u /* MUST-23 */
#define USER_MS 5000

static void user_timeout(int fd, int ms)
{
	tcp_lab_setopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ms);
}

static void data_out(void)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	tcp_lab_mark();
}

/* Lets it run; ms from the mark to its end. */
static uint64_t ended_after(uint64_t most)
{
	uint64_t begin = env_now(tl.env);

	while (tcp_lab_now() != TCP_CLOSE) {
		ck_assert_uint_lt(env_now(tl.env) - begin, most * NSEC_PER_MSEC);
		advance_ms(10);
	}
	return (env_now(tl.env) - tl.mark) / NSEC_PER_MSEC;
}

static void ended_at(uint64_t ms)
{
	uint64_t at = ended_after(ms + 1000);

	ck_assert_msg(at >= ms && at <= ms + 20, "it ended after %u ms, expected %u", (unsigned)at,
		      (unsigned)ms);
}

/* --- R1 -----------------------------------------------------------------------------------------
 */

/* The peer's entry in the neighbour cache as if it had answered just now. */
static void neighbour_reachable(void)
{
	struct neigh_seen seen = {.addr = ip_addr4(0x0a000002),
				  .mac = {2, 0, 0, 0, 0, 2},
				  .create = true,
				  .override = NEIGH_REPLACE};
	struct neigh *n;
	struct batch b;

	batch_begin(&b, tl.st);
	ck_assert_int_eq(neigh_del(tl.dev, &seen.addr), 0);
	n = neigh_get(tl.dev, &seen.addr);
	ck_assert_ptr_nonnull(n);
	ck_assert(neigh_update(tl.dev, &seen));
	seen.solicited = true;
	ck_assert(neigh_update(tl.dev, &seen));
	neigh_put(n);
	batch_end(&b);
}

/* As the lab has it, for its count of what is left. */
static void neighbour_permanent(void)
{
	static const uint8_t mac[ETHER_ALEN] = {2, 0, 0, 0, 0, 2};
	struct ip_addr a = ip_addr4(0x0a000002);
	struct batch b;

	batch_begin(&b, tl.st);
	ck_assert_int_eq(neigh_add_permanent(tl.dev, &a, mac), 0);
	batch_end(&b);
}

static enum neigh_nud neighbour(void)
{
	struct neigh_info i;

	ck_assert_uint_eq(neigh_list(tl.st, &i, 1), 1);
	return i.state;
}

START_TEST(test_third_retransmission_doubts_the_neighbour)
{
	neighbour_reachable();
	data_out();
	ck_assert_int_eq(neighbour(), NUD_REACHABLE);
	for (unsigned i = 0; i < 2; i++) {
		wait_ms(2000);
		tx(ACK, .seq = 1, .ack = 1, .len = 10);
		ck_assert_int_eq(neighbour(), NUD_REACHABLE); /* SHLD-10: three at least */
	}
	wait_ms(2000);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	ck_assert_int_eq(neighbour(), NUD_DELAY); /* it is asked soon */
	ck_state(TCP_ESTABLISHED);
	neighbour_permanent();
}
END_TEST

START_TEST(test_third_syn_again_doubts_the_neighbour) /* MUST-22 */
{
	neighbour_reachable();
	tcp_lab_connect();
	tx(SYN, .seq = 0);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(neighbour(), NUD_REACHABLE);
		wait_ms(5000);
		tx(SYN, .seq = 0);
	}
	ck_assert_int_eq(neighbour(), NUD_DELAY);
	neighbour_permanent();
}
END_TEST

START_TEST(test_dead_neighbour_is_the_reason_told)
{
	tcp_lab_sysctl("net.ipv4.tcp_retries2", 6);
	neighbour_reachable();
	data_out();
	ended_after(30000); /* well before REACHABLE would have ended by itself */
	tcp_lab_read_errno(EHOSTUNREACH);
	neighbour_permanent();
}
END_TEST

/* --- R2 -----------------------------------------------------------------------------------------
 */

START_TEST(test_silence_ends_it_after_100_s_at_least)
{
	data_out();
	ck_assert_uint_ge(ended_after(2000000), R2_MS);
	tcp_lab_read_errno(ETIMEDOUT);
	ck_assert_int_eq(neighbour(), NUD_PERMANENT); /* no doubt touches that */
}
END_TEST

START_TEST(test_syn_goes_on_for_3_minutes_by_sysctl)
{
	uint64_t last = 0;
	struct seg s;

	tcp_lab_sysctl("net.ipv4.tcp_syn_retries", 7);
	tcp_lab_connect();
	tcp_lab_mark();
	while (tcp_lab_now() != TCP_CLOSE) {
		advance_ms(1000);
		last = tl.head ? (tl.head->at - tl.mark) / NSEC_PER_MSEC : last;
		while (tcp_lab_take(&s))
			ck_assert_uint_eq(s.flags, SYN);
	}
	ck_assert_uint_ge((env_now(tl.env) - tl.mark) / NSEC_PER_MSEC, SYN_R2_MS);
	ck_assert_uint_ge(last, 127000);
	ck_assert_int_eq(tcp_lab_error(), ETIMEDOUT);
}
END_TEST

/* --- R2 as the program sets it ------------------------------------------------------------------
 */

START_TEST(test_user_timeout_ends_data)
{
	data_out();
	user_timeout(tl.fd, USER_MS);
	ended_at(USER_MS);
	ck_assert_uint_ge(tcp_lab_drop(), 3);
	tcp_lab_read_errno(ETIMEDOUT);
}
END_TEST

START_TEST(test_user_timeout_longer_than_retries)
{
	tcp_lab_sysctl("net.ipv4.tcp_retries2", 2);
	data_out();
	user_timeout(tl.fd, 60000);
	ended_at(60000);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_user_timeout_counts_from_the_last_ack)
{
	data_out();
	user_timeout(tl.fd, USER_MS);
	advance_ms(4000);
	rx(ACK, .seq = 1, .ack = 11);
	tcp_lab_drop();
	advance_ms(20000);
	ck_state(TCP_ESTABLISHED); /* nothing is out */
	tcp_lab_mark();
	tcp_lab_write(10);
	ended_at(USER_MS);
}
END_TEST

START_TEST(test_user_timeout_of_listener_is_the_childs)
{
	tcp_lab_listen(5);
	user_timeout(tl.ls, USER_MS);
	data_out();
	ended_at(USER_MS);
}
END_TEST

START_TEST(test_user_timeout_ends_syns)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(4000)};

	tl.fd = tcp_lab_socket();
	user_timeout(tl.fd, USER_MS);
	a.sin_addr.s_addr = htonl(0x0a000002);
	tcp_lab_mark();
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&a, sizeof(a)), -1);
	advance_ms(USER_MS - 20);
	ck_assert_int_eq(tcp_lab_error(), 0);
	advance_ms(40);
	ck_assert_int_eq(tcp_lab_error(), ETIMEDOUT);
	ck_assert_uint_eq(tcp_lab_drop(), 3); /* at 0, 1 and 3 s */
}
END_TEST

/* A closed window is no silence: only probes that nobody answers count. */
START_TEST(test_user_timeout_spares_answered_probes)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	user_timeout(tl.fd, USER_MS);
	rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
	tcp_lab_write(100);
	for (unsigned i = 0; i < 20; i++) {
		wait_ms(125000);
		tcp_lab_drop();
		rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
	}
	ck_state(TCP_ESTABLISHED);
	wait_ms(125000); /* this one is not answered */
	tcp_lab_mark();
	tcp_lab_drop();
	ended_at(USER_MS);
	tcp_lab_read_errno(ETIMEDOUT);
}
END_TEST

START_TEST(test_user_timeout_ends_keepalive)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_KEEPINTVL, 2);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	user_timeout(tl.fd, 15000);
	tcp_lab_mark();
	ended_at(16000); /* the first probe's turn past it */
	tcp_lab_read_errno(ETIMEDOUT);
}
END_TEST

/* --- what is told meanwhile ---------------------------------------------------------------------
 */

static const struct soft {
	uint8_t type, code;
	int err;
} soft[] = {
    {ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ENETUNREACH},
    {ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, EHOSTUNREACH},
    {ICMP_DEST_UNREACH, ICMP_SR_FAILED, EOPNOTSUPP},
    {ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, EHOSTUNREACH},
    {ICMP_PARAM_PROBLEM, 0, EPROTO},
};

START_TEST(test_soft_error_told_once_and_ends_nothing)
{
	const struct soft *e = &soft[_i];

	data_out();
	tcp_lab_rx_icmp(e->type, e->code, 1, 0);
	ck_state(TCP_ESTABLISHED);
	ck_assert_int_eq(tcp_lab_poll() & (POLLERR | POLLHUP), 0);
	ck_assert_str_eq(strerror(tcp_lab_error()), strerror(e->err));
	ck_assert_int_eq(tcp_lab_error(), 0);
	rx(ACK, .seq = 1, .ack = 11);
	tcp_lab_write(10);
	tx(ACK, .seq = 11, .ack = 1, .len = 10);
}
END_TEST

START_TEST(test_soft_error_disproved_is_not_told)
{
	data_out();
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 1, 0);
	rx(ACK, .seq = 1, .ack = 11);
	ck_assert_int_eq(tcp_lab_error(), 0);
}
END_TEST

START_TEST(test_error_at_the_end_told_once)
{
	tcp_lab_sysctl("net.ipv4.tcp_retries2", 2);
	data_out();
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 1, 0);
	ended_after(60000);
	ck_assert_int_eq(tcp_lab_error(), EHOSTUNREACH);
	ck_assert_int_eq(tcp_lab_error(), 0);
}
END_TEST

static void add_user_timeout(TCase *tc)
{
	tcase_add_test(tc, test_user_timeout_ends_data);
	tcase_add_test(tc, test_user_timeout_longer_than_retries);
	tcase_add_test(tc, test_user_timeout_counts_from_the_last_ack);
	tcase_add_test(tc, test_user_timeout_of_listener_is_the_childs);
	tcase_add_test(tc, test_user_timeout_ends_syns);
	tcase_add_test(tc, test_user_timeout_spares_answered_probes);
	tcase_add_test(tc, test_user_timeout_ends_keepalive);
}

/*
 * The peer has taken its window back on data that are out, and answers each time: they are not acknowledged all the same,
 * and are not sent again at every tick from then on.
 */
START_TEST(test_user_timeout_ends_data_under_a_closed_window)
{
	unsigned again = 0;
	struct seg s;

	data_out();
	user_timeout(tl.fd, USER_MS);
	rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
	for (unsigned ms = 0; ms < USER_MS + 1000; ms += 10) {
		advance_ms(10);
		while (tcp_lab_take(&s)) {
			if (s.len == 0)
				continue;
			again++;
			rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
		}
	}
	ck_assert_uint_le(again, 6);
	ck_state(TCP_CLOSE);
	tcp_lab_write_errno(ETIMEDOUT);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("failure");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_third_retransmission_doubts_the_neighbour);
	tcase_add_test(tc, test_third_syn_again_doubts_the_neighbour);
	tcase_add_test(tc, test_dead_neighbour_is_the_reason_told);
	tcase_add_test(tc, test_silence_ends_it_after_100_s_at_least);
	tcase_add_test(tc, test_syn_goes_on_for_3_minutes_by_sysctl);
	add_user_timeout(tc);
	tcase_add_loop_test(tc, test_soft_error_told_once_and_ends_nothing, 0, 5);
	tcase_add_test(tc, test_soft_error_disproved_is_not_told);
	tcase_add_test(tc, test_error_at_the_end_told_once);
	tcase_add_test(tc, test_user_timeout_ends_data_under_a_closed_window);
	return unit_run("tcp_failure", tc);
}
