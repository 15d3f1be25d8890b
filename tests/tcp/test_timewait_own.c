/*
 * tests/tcp/test_timewait_own.c - our own connect() onto a four-tuple in TIME-WAIT, from a port the
 * program has asked for: at once with timestamps, which begin above the last (RFC 6191, 2; as Linux).
 */
#include <errno.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

/* connect() from the port of the TIME-WAIT: 0 when the SYN went, or the errno. */
static int connect_again(void)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(tl.peer.lport)}, to;
	int fd = tcp_lab_socket(), err;

	to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(tl.peer.port)};
	to.sin_addr.s_addr = htonl(0x0a000002);
	from.sin_addr.s_addr = htonl(0x0a000001);
	tcp_lab_setopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	ck_assert_int_eq(weft_bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	ck_assert_int_eq(weft_connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	err = errno == EINPROGRESS ? 0 : errno;
	return err;
}

/* A connection of a sock that shares its port, closed by us first. */
static void setup(void)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(5555)}, to;
	struct seg syn;

	tcp_lab_setup();
	syn = (struct seg){.flags = SYN | ACK, .ack = 1, .mss = 1460, .opts = O_TS};
	to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(tl.peer.port)};
	to.sin_addr.s_addr = htonl(0x0a000002);
	tl.fd = tcp_lab_socket();
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_REUSEADDR, 1);
	ck_assert_int_eq(weft_bind(tl.fd, (struct sockaddr *)&from, sizeof(from)), 0);
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&to, sizeof(to)), -1);
	tx(SYN, .seq = 0);
	tcp_lab_rx(&syn);
	tx(ACK, .seq = 1, .ack = 1);
	weft_close(tl.fd);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(FIN | ACK, .seq = 1, .ack = 2);
	tx(ACK, .seq = 2, .ack = 2);
	ck_state(TCP_TIME_WAIT);
}

/* In the very tick of the last: RFC 6191, 2 wants them above it all the same. */
START_TEST(test_timewait_own_connect_within_a_tick_stamps_above)
{
	uint32_t last = tl.peer.ts_last;

	ck_assert_int_eq(connect_again(), 0);
	tx(SYN, .seq = 0);
	ck_assert_int_gt((int32_t)(tl.peer.ts_last - last), 0);
	ck_state(TCP_SYN_SENT);
}
END_TEST

START_TEST(test_timewait_own_connect_after_a_tick_taken)
{
	uint32_t last = tl.peer.iss + 2;

	advance_ms(2);
	ck_assert_int_eq(connect_again(), 0);
	tx(SYN, .seq = 0);
	ck_assert_int_gt((int32_t)(tl.peer.iss - last), 0);
	ck_state(TCP_SYN_SENT);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timewait), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TWRecycled), 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timewait_own");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_timewait_own_connect_within_a_tick_stamps_above);
	tcase_add_test(tc, test_timewait_own_connect_after_a_tick_taken);
	return unit_run("tcp_timewait_own", tc);
}
