/*
 * tests/tcp/test_reset.c - RFC 9293, 3.10.7.1: what arrives for no connection is answered by a RST
 * that its sender will believe, and a RST by nothing.
 */
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

/* To a closed port. */
static const struct closed_case {
	const char *name;
	unsigned flags;
	uint32_t len;
	unsigned answer;
	uint32_t seq, ack; /* of the answer; the segment has seq 1000, ack 5000 */
} closed_case[] = {
    {"SYN", SYN, 0, RST | ACK, 0, 1001},
    {"SYN with text", SYN, 10, RST | ACK, 0, 1011},
    {"text without ACK", 0, 10, RST | ACK, 0, 1010},
    {"FIN without ACK", FIN, 0, RST | ACK, 0, 1001},
    {"FIN with text, no ACK", FIN, 5, RST | ACK, 0, 1006},
    {"SYN, FIN", SYN | FIN, 0, RST | ACK, 0, 1002},
    {"nothing at all", 0, 0, RST | ACK, 0, 1000},
    {"ACK", ACK, 0, RST, 5000, 0},
    {"ACK with text", ACK | PSH, 10, RST, 5000, 0},
    {"SYN, ACK", SYN | ACK, 0, RST, 5000, 0},
    {"FIN, ACK", FIN | ACK, 0, RST, 5000, 0},
    {"URG, ACK", URG | ACK, 1, RST, 5000, 0},
    {"every flag but RST", SYN | FIN | PSH | ACK | URG | ECE | CWR, 1, RST, 5000, 0},
};
#define CLOSED_CASES (int)(sizeof(closed_case) / sizeof(closed_case[0]))

START_TEST(test_closed_segment_reset)
{
	const struct closed_case *c = &closed_case[_i];

	rx(c->flags, .seq = 1000, .ack = 5000, .len = c->len, .abs = true);
	tx(c->answer, .seq = c->seq, .ack = c->ack, .opts = O_NONE, .abs = true);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_OutRsts), 1);
}
END_TEST

/* A name alone lets nobody in. */
START_TEST(test_bound_not_listening_reset)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(TCP_LAB_PORT)};

	tl.fd = tcp_lab_socket();
	ck_assert_int_eq(weft_bind(tl.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	rx(SYN, .seq = 1000, .abs = true);
	tx(RST | ACK, .seq = 0, .ack = 1001, .abs = true);
	quiet();
}
END_TEST

static const unsigned rst_with[] = {RST, RST | ACK, RST | SYN, RST | FIN | ACK, RST | PSH | URG};

START_TEST(test_closed_rst_ignored)
{
	rx(rst_with[_i], .seq = 1000, .ack = 5000, .len = 3, .abs = true);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_OutRsts), 0);
}
END_TEST

START_TEST(test_closed_sequence_wraps_reset)
{
	rx(0, .seq = 0xfffffffe, .len = 5, .abs = true);
	tx(RST | ACK, .seq = 0, .ack = 3, .abs = true);
}
END_TEST

START_TEST(test_closed_bad_checksum_silent)
{
	rx(SYN, .seq = 1, .bad_csum = true);
	quiet();
}
END_TEST

START_TEST(test_closed_header_cut_silent)
{
	struct seg s = {.flags = SYN, .sport = 4000, .dport = 81};
	struct seg_addr a = {{10, 0, 0, 2}, {10, 0, 0, 1}};
	uint8_t bytes[100];

	/* Shorter than a header; a header that says less than five words, and more than there are. */
	static const uint8_t off[] = {5, 4, 6, 15, 0};

	seg_build(&s, &a, 0, bytes);
	bytes[32] = (uint8_t)(off[_i] << 4);
	bytes[3] = (uint8_t)(_i ? 40 : 20 + 19);
	seg_sum(bytes, bytes[3]);
	tcp_lab_rx_bytes(bytes, bytes[3]);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_InErrs), 1);
}
END_TEST

START_TEST(test_closed_to_broadcast_silent)
{
	struct seg s = {.flags = SYN, .sport = 4000, .dport = 81};
	struct seg_addr a = {{10, 0, 0, 2}, {10, 0, 0, 255}};
	uint8_t bytes[100];

	tcp_lab_rx_bytes(bytes, seg_build(&s, &a, 0, bytes));
	quiet();
}
END_TEST

START_TEST(test_gone_connection_reset)
{
	tcp_lab_state(TCP_LAST_ACK, PASSIVE);
	rx(ACK, .seq = tl.rcv, .ack = tl.snd);
	ck_state(TCP_CLOSE);
	weft_close(tl.ls);
	rx(ACK, .seq = tl.rcv, .ack = tl.snd, .len = 10);
	tx(RST, .seq = tl.snd);
	quiet();
}
END_TEST

START_TEST(test_super_segment_counts_whole)
{
	rx(0, .seq = 1000, .len = 60000, .abs = true);
	tx(RST | ACK, .seq = 0, .ack = 61000, .abs = true);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("reset");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_closed_segment_reset, 0, CLOSED_CASES);
	tcase_add_test(tc, test_bound_not_listening_reset);
	tcase_add_loop_test(tc, test_closed_rst_ignored, 0, 5);
	tcase_add_test(tc, test_closed_sequence_wraps_reset);
	tcase_add_test(tc, test_closed_bad_checksum_silent);
	tcase_add_loop_test(tc, test_closed_header_cut_silent, 0, 5);
	tcase_add_test(tc, test_closed_to_broadcast_silent);
	tcase_add_test(tc, test_gone_connection_reset);
	tcase_add_test(tc, test_super_segment_counts_whole);
	return unit_run("tcp_reset", tc);
}
