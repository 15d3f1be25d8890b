/*
 * tests/tcp/test_sack.c - the SACK blocks of what was received out of order (RFC 2018, 3 and 4).
 */
#include "tests/harness/tcp_lab.h"

static void hole(uint32_t seq)
{
	rx(ACK, .seq = seq, .ack = 1, .len = 10);
}

static void setup_sack(void)
{
	tcp_lab_setup();
	tcp_lab_established(&(struct seg){.mss = 1460, .opts = O_SACK_OK});
}

START_TEST(test_sack_newest_block_first)
{
	hole(11);
	tx(ACK, .seq = 1, .ack = 1, .nsack = 1, .sack = {{11, 21}});
	hole(31);
	tx(ACK, .seq = 1, .ack = 1, .nsack = 2, .sack = {{31, 41}, {11, 21}});
	hole(51);
	tx(ACK, .seq = 1, .ack = 1, .nsack = 3, .sack = {{51, 61}, {31, 41}, {11, 21}});
	hole(1);
	tx(ACK, .seq = 1, .ack = 21, .nsack = 2, .sack = {{51, 61}, {31, 41}});
	hole(41);
	tx(ACK, .seq = 1, .ack = 21, .nsack = 1, .sack = {{31, 61}});
	hole(21);
	tx(ACK, .seq = 1, .ack = 61);
	tcp_lab_read(60);
}
END_TEST

START_TEST(test_sack_at_most_four_blocks)
{
	struct seg s;

	for (uint32_t i = 0; i < 6; i++)
		hole(11 + 20 * i);
	for (uint32_t i = 0; i < 6; i++) {
		ck_assert(tcp_lab_take(&s));
		ck_assert_uint_eq(s.nsack, i < 4 ? i + 1 : 4);
		ck_assert_uint_eq(s.sack[0][0], 11 + 20 * i);
	}
}
END_TEST

START_TEST(test_sack_at_most_three_beside_timestamps)
{
	struct seg s;

	tcp_lab_peer(1);
	tl.syn = (struct seg){.mss = 1460, .opts = O_SACK_OK | O_TS, .tsval = 9};
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	for (uint32_t i = 0; i < 5; i++)
		hole(11 + 20 * i);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert(tcp_lab_take(&s));
		ck_assert_uint_eq(s.nsack, i < 3 ? i + 1 : 3);
		ck_assert(s.opts & O_TS);
	}
}
END_TEST

START_TEST(test_sack_joins_neighbours)
{
	hole(11);
	tx(ACK, .seq = 1, .ack = 1, .nsack = 1, .sack = {{11, 21}});
	hole(21);
	tx(ACK, .seq = 1, .ack = 1, .nsack = 1, .sack = {{11, 31}});
	hole(31);
	tx(ACK, .seq = 1, .ack = 1, .nsack = 1, .sack = {{11, 41}});
}
END_TEST

/* RFC 2018, 2: what was not permitted is not sent; and in SYNs alone is it permitted. */
START_TEST(test_sack_not_sent_unless_permitted)
{
	tcp_lab_peer(1);
	tl.syn = (struct seg){.mss = 1460};
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(ACK, .seq = 1, .ack = 1, .len = 10, .opts = O_SACK_OK);
	tcp_lab_drop();
	hole(31);
	tx(ACK, .seq = 1, .ack = 11, .nsack = 0);
	quiet();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sack");

	tcase_add_checked_fixture(tc, setup_sack, tcp_lab_teardown);
	tcase_add_test(tc, test_sack_newest_block_first);
	tcase_add_test(tc, test_sack_at_most_four_blocks);
	tcase_add_test(tc, test_sack_at_most_three_beside_timestamps);
	tcase_add_test(tc, test_sack_joins_neighbours);
	tcase_add_test(tc, test_sack_not_sent_unless_permitted);
	return unit_run("tcp_sack", tc);
}
