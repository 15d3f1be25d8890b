/*
 * tests/tcp/test_sack.c - the SACK blocks of what was received out of order (RFC 2018, 3 and 4).
 */
#include <linux/tcp.h>
#include <netinet/in.h>

#include "lib/batch.h"
#include "net/pkbuf.h"
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

/*
 * Fifteen holes come in one batch, more than an ACK has room for: each is told of all the same, and none
 * after a higher one, which would look as if it had been overtaken.
 */
START_TEST(test_sack_tells_all_that_a_batch_filled)
{
	bool told[15] = {false};
	uint32_t high = 0;
	struct batch b;
	struct seg s;

	batch_begin(&b, tl.st);
	for (uint32_t i = 0; i < 15; i++)
		hole(11 + 20 * i);
	batch_end(&b);
	while (tcp_lab_take(&s)) {
		for (unsigned i = 0; i < s.nsack; i++) {
			ck_assert_uint_eq((s.sack[i][0] - 11) % 20, 0);
			ck_assert(s.sack[i][0] > high || told[(s.sack[i][0] - 11) / 20]);
			told[(s.sack[i][0] - 11) / 20] = true;
		}
		high = s.sack[0][0];
	}
	for (uint32_t i = 0; i < 15; i++)
		ck_assert_msg(told[i], "block %u", i);
}
END_TEST

/*
 * In one ACK with the blocks that begin the repair, text in order would not open the peer's cwnd, as it does
 * when segments come one by one.  Where the peer repairs already, no ACK is without blocks.
 */
START_TEST(test_sack_text_before_the_hole_acked_by_itself)
{
	struct batch b;

	batch_begin(&b, tl.st);
	rx(ACK, .seq = 1, .ack = 1, .len = 20);
	for (uint32_t i = 0; i < 3; i++)
		hole(31 + 10 * i);
	quiet();
	batch_end(&b);
	tx(ACK, .seq = 1, .ack = 21);
	for (uint32_t i = 0; i < 3; i++)
		tx(ACK, .seq = 1, .ack = 21, .nsack = 1, .sack = {{31, 61}});
	quiet();
	batch_begin(&b, tl.st);
	rx(ACK, .seq = 21, .ack = 1, .len = 5);
	hole(71);
	batch_end(&b);
	tx(ACK, .seq = 1, .ack = 26, .nsack = 2, .sack = {{71, 81}, {31, 61}});
	quiet();
}
END_TEST

/* A D-SACK is told with the block that encloses it (RFC 2883, 4), or it would tell of that block. */
START_TEST(test_sack_before_the_hole_no_dsack)
{
	struct batch b;

	batch_begin(&b, tl.st);
	rx(ACK, .seq = 1, .ack = 1, .len = 20);
	hole(31);
	hole(31);
	batch_end(&b);
	tx(ACK, .seq = 1, .ack = 21);
	tx(ACK, .seq = 1, .ack = 21, .nsack = 2, .sack = {{31, 41}, {31, 41}});
	tx(ACK, .seq = 1, .ack = 21, .nsack = 1, .sack = {{31, 41}});
	quiet();
}
END_TEST

/* One segment whose ACK may wait has none of its own. */
START_TEST(test_sack_hole_behind_a_delayed_ack)
{
	struct batch b;

	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	batch_begin(&b, tl.st);
	rx(ACK, .seq = 1, .ack = 1, .len = 20);
	hole(31);
	batch_end(&b);
	tx(ACK, .seq = 1, .ack = 21, .nsack = 1, .sack = {{31, 41}});
	quiet();
}
END_TEST

/* What is here out of order needs no more room: once the rest is read the window is whole again. */
START_TEST(test_window_is_not_closed_by_what_is_out_of_order)
{
	struct seg s;
	uint32_t edge = 0;

	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVBUF, 65536);
	for (uint32_t i = 0; i < 20; i++)
		rx(ACK, .seq = 1 + 1000 * i, .ack = 1, .len = 1000);
	for (uint32_t i = 0; i < 28; i++)
		rx(ACK, .seq = 21001 + 1401 * i, .ack = 1, .len = 1400);
	tcp_lab_drop();
	tcp_lab_read(20000);
	rx(ACK, .seq = 1, .ack = 1, .len = 1);
	while (tcp_lab_take(&s))
		edge = s.ack + s.wnd;
	ck_assert_uint_ge(edge, 20000 + 55000);
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

/* Fills what is missing below n, 100 bytes at a time; what was told is found to be there. */
static void fill(const struct seg *told, uint32_t next, uint32_t n)
{
	struct seg s = {0};

	while (next < n) {
		uint32_t right = 0, left = next + 100;

		for (unsigned i = 0; i < told->nsack; i++) {
			if (told->sack[i][0] >= next && told->sack[i][0] <= left) {
				left = told->sack[i][0];
				right = told->sack[i][1];
			}
		}
		rx(ACK, .seq = next, .ack = 1, .len = left - next);
		while (tcp_lab_take(&s))
			;
		ck_assert_uint_ge(s.ack, right);
		tcp_lab_read(s.ack - next);
		next = s.ack;
	}
}

/* RFC 2018, 8: of what had to give way to data in order nothing is told any more. */
START_TEST(test_sack_tells_of_nothing_that_has_gone)
{
	struct seg told = {0};
	uint32_t next = 1;

	tcp_lab_setopt(tl.ls, SOL_SOCKET, SO_RCVBUF, 8192);
	tcp_lab_peer(1);
	tl.syn = (struct seg){.mss = 1460, .opts = O_SACK_OK};
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	for (uint32_t at = 5001; at <= 7401; at += 600)
		rx(ACK, .seq = at, .ack = 1, .len = 500);
	tcp_lab_drop();
	for (; tcp_lab_mib(MIB_TcpExt_TCPOFODrop) == 0 && next < 5001; next += 500)
		rx(ACK, .seq = next, .ack = 1, .len = 500);
	ck_assert_uint_gt(tcp_lab_mib(MIB_TcpExt_TCPOFODrop), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_OfoPruned), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_PruneCalled), 1);
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_TCP_OFO_LIMIT),
			  tcp_lab_mib(MIB_TcpExt_TCPOFODrop));
	tcp_lab_read(next - 1);
	tcp_lab_drop();
	hole(next + 10); /* calls for an ACK with blocks */
	ck_assert(tcp_lab_take(&told));
	ck_assert_uint_eq(told.sack[0][0], next + 10);
	fill(&told, next, 7901);
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
	tcase_add_test(tc, test_sack_tells_all_that_a_batch_filled);
	tcase_add_test(tc, test_sack_text_before_the_hole_acked_by_itself);
	tcase_add_test(tc, test_sack_before_the_hole_no_dsack);
	tcase_add_test(tc, test_sack_hole_behind_a_delayed_ack);
	tcase_add_test(tc, test_window_is_not_closed_by_what_is_out_of_order);
	tcase_add_test(tc, test_sack_not_sent_unless_permitted);
	tcase_add_test(tc, test_sack_tells_of_nothing_that_has_gone);
	return unit_run("tcp_sack", tc);
}
