/*
 * tests/tcp/test_short.c - the stack's memory is short (net.weft.mem_limit) at the moment of a retransmission, a reset,
 * a segment in order, while data wait out of order: what cannot be had is counted, and made good when there is some.
 */
#include "net/pkbuf.h"
#include "tests/harness/loss_lab.h"

/* What the test holds so that nobody else may. */
static struct pkq hog;
static struct piece *lump[4096];
static unsigned lumps;

static void setup(void)
{
	pkq_init(&hog);
	lumps = 0;
	tcp_lab_setup();
	tcp_lab_sysctl("net.weft.mem_limit", 1 << 20);
}

static void give_back(void)
{
	pkq_free(&hog);
	while (lumps)
		piece_put(lump[--lumps]);
}

/* Not a packet more than `spare` can be had. */
static void leave_packets(unsigned spare)
{
	struct pkbuf *b;

	while ((b = pkbuf_alloc(tl.st, 0)))
		pkq_add(&hog, b);
	while (spare--)
		pkbuf_free(pkq_take(&hog));
}

/* Data find none, headers do; what is read from the device has one piece. */
static void leave_no_data(void)
{
	static const uint32_t size[] = {PIECE_MID, PIECE_SMALL};

	for (unsigned i = 0; i < 2; i++) {
		while (lumps < 4096 && (lump[lumps] = piece_alloc(tl.st, size[i])))
			lumps++;
	}
	ck_assert_uint_lt(lumps, 4096);
	ck_assert(depot_pressure(tl.st));
	piece_put(lump[0]);
	lump[0] = lump[--lumps];
}

START_TEST(test_retransmission_is_made_later)
{
	tcp_lab_sysctl("net.ipv4.tcp_early_retrans", 0);
	loss_open(O_SACK_OK);
	loss_write(1);
	sent(0, 1);
	leave_packets(0);
	advance_ms(350);
	quiet();
	ck_mib(TCPTimeouts, 1);
	ck_mib(TCPRetransFail, 1);
	ck_mib(TCPSlowStartRetrans, 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_RetransSegs), 0);
	give_back();
	advance_ms(600); /* by the next time-out */
	sent(0, 1);
	ck_mib(TCPRetransFail, 1);
	ck_mib(TCPSlowStartRetrans, 1);
	has(1);
}
END_TEST

START_TEST(test_reset_that_cannot_be_sent)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tcp_lab_drop();
	leave_packets(0);
	ck_assert_int_eq(weft_close(tl.fd), 0);
	tl.fd = -1;
	quiet();
	ck_mib(TCPAbortOnClose, 1);
	ck_mib(TCPAbortFailed, 1);
	give_back();
	rx(ACK, .seq = 11, .ack = 1, .len = 10); /* the peer learns of it now */
	tx(RST, .seq = 1);
	ck_mib(TCPAbortFailed, 1);
}
END_TEST

/* Beyond tcp_rmem's minimum who reads nothing gets nothing. */
START_TEST(test_segment_in_order_is_dropped)
{
	uint32_t next = 1;

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	for (; next < 40001; next += 1000)
		rx(ACK, .seq = next, .ack = 1, .len = 1000);
	tcp_lab_drop();
	leave_no_data();
	for (next -= 1000; !tcp_lab_mib(MIB_TcpExt_TCPRcvQDrop) && next < 80001;) {
		next += 1000; /* the last piece has room for some */
		rx(ACK, .seq = next, .ack = 1, .len = 1000);
	}
	ck_mib(TCPRcvQDrop, 1);
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_SOCK_RCVBUF), 1);
	tcp_lab_drop();
	give_back();
	tcp_lab_read(next - 1);
	tcp_lab_drop();
	rx(ACK, .seq = next, .ack = 1, .len = 1000);
	tx(ACK, .seq = 1, .ack = next + 1000);
	tcp_lab_read(1000);
	ck_mib(TCPRcvQDrop, 1);
}
END_TEST

/* What was never told to be there for good goes first (RFC 2018, 8), of all connections at once. */
START_TEST(test_out_of_order_gives_way)
{
	struct batch batch;
	struct pkbuf *b;

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(ACK, .seq = 1001, .ack = 1, .len = 1000);
	tcp_lab_drop();
	ck_mib(TCPOFOQueue, 1);
	leave_no_data();
	batch_begin(&batch, tl.st);
	for (unsigned i = 0; i < 80 && (b = pkbuf_alloc(tl.st, 0)); i++)
		pkq_add(&hog, b); /* of others, that come together */
	batch_end(&batch);
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_TCP_OFO_LIMIT), 1);
	give_back();
	rx(ACK, .seq = 1, .ack = 1, .len = 1000);
	tx(ACK, .seq = 1, .ack = 1001);
	rx(ACK, .seq = 1001, .ack = 1, .len = 1000);
	tcp_lab_drop();
	tcp_lab_read(2000);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("short");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_retransmission_is_made_later);
	tcase_add_test(tc, test_reset_that_cannot_be_sent);
	tcase_add_test(tc, test_segment_in_order_is_dropped);
	tcase_add_test(tc, test_out_of_order_gives_way);
	return unit_run("tcp_short", tc);
}
