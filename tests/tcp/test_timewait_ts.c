/*
 * tests/tcp/test_timewait_ts.c - TIME-WAIT between ends with timestamps: which SYN takes it over
 * (RFC 6191), and what PAWS keeps from it.
 */
#include "tests/harness/tcp_lab.h"

#define MSL2 60000u

static void setup(void)
{
	tcp_lab_setup();
	tl.syn = (struct seg){.mss = 1460, .opts = O_TS, .tsval = 0};
	tcp_lab_state(TCP_TIME_WAIT, PASSIVE);
	weft_close(tl.fd);
	tl.fd = -1;
}

static uint32_t peer_clock(void)
{
	return (uint32_t)(env_now(tl.env) / NSEC_PER_MSEC);
}

START_TEST(test_timewait_syn_below_with_newer_timestamp_opens_anew)
{
	uint32_t t = peer_clock();

	tcp_lab_peer(0);
	tl.peer.isn -= 100000; /* below RCV.NXT */
	rx(SYN, .seq = 0, .mss = 1460, .opts = O_TS, .tsval = t + 10);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	ck_state(TCP_SYN_RECV);
}
END_TEST

START_TEST(test_timewait_syn_above_with_older_timestamp_acked)
{
	rx(SYN, .seq = 500, .mss = 1460, .opts = O_TS, .tsval = peer_clock() - 1000);
	tl.peer.ts_on = true; /* the old connection answers */
	tx(ACK, .seq = 2, .ack = 2);
	ck_state(TCP_TIME_WAIT);
}
END_TEST

/* RFC 6191, 2, cell by cell: by timestamp, and by number where that says nothing. */
static const struct cell {
	int32_t seq; /* of the SYN, from RCV.NXT */
	bool ts;
	int32_t clock; /* from TS.Recent */
	bool opens;
} cell[] = {
    {-500, true, 1, true}, {0, true, 1, true},      {1, true, 1, true},      {-500, true, 0, false},
    {0, true, 0, false},   {1, true, 0, true},      {-500, true, -1, false}, {0, true, -1, false},
    {1, true, -1, false},  {-500, false, 0, false}, {0, false, 0, false},    {1, false, 0, true},
};

START_TEST(test_timewait_syn_cell)
{
	const struct cell *c = &cell[_i];
	uint32_t isn = tl.peer.isn;
	struct seg syn = {.flags = SYN, .mss = 1460};

	if (c->ts) {
		syn.opts = O_TS;
		syn.tsval = peer_clock() + (uint32_t)c->clock;
	}
	if (c->opens)
		tcp_lab_peer(0);
	tl.peer.isn = isn;
	syn.seq = 2 + (uint32_t)c->seq;
	tcp_lab_rx(&syn);
	if (c->opens) {
		tl.peer.isn = isn + syn.seq;
		tx(SYN | ACK, .seq = 0, .ack = 1);
		ck_state(TCP_SYN_RECV);
	} else {
		tl.peer.ts_on = true;
		tx(ACK, .seq = 2, .ack = 2);
		ck_state(TCP_TIME_WAIT);
	}
	quiet();
}
END_TEST

START_TEST(test_timewait_fin_with_older_timestamp_does_not_restart)
{
	uint32_t t = peer_clock();

	advance_ms(MSL2 - 1000);
	rx(FIN | ACK, .seq = 1, .ack = 2, .opts = O_TS, .tsval = t - 1000);
	tx(ACK, .seq = 2, .ack = 2);
	advance_ms(1010);
	ck_state(TCP_CLOSE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timewait_ts");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_timewait_syn_below_with_newer_timestamp_opens_anew);
	tcase_add_test(tc, test_timewait_syn_above_with_older_timestamp_acked);
	tcase_add_loop_test(tc, test_timewait_syn_cell, 0, sizeof(cell) / sizeof(cell[0]));
	tcase_add_test(tc, test_timewait_fin_with_older_timestamp_does_not_restart);
	return unit_run("tcp_timewait_ts", tc);
}
