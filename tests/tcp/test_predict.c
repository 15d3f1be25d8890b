/*
 * tests/tcp/test_predict.c - header prediction: the next segment in order of an open connection goes
 * past the checks, and is counted; one thing odd about it, and it goes through them.
 */
#include "tests/harness/tcp_lab.h"

#define N 100u

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_sysctl("net.ipv4.tcp_rmem.default", 32768); /* a window of 16384 */
	tcp_lab_established(&(struct seg){.mss = 1000, .opts = O_SACK_OK | O_TS, .tsval = 5000});
	tcp_lab_write(3000);
	tcp_lab_drop();
}

/* What the three counters say. */
struct counts {
	uint64_t hits, acks, pure;
};

static struct counts counts(void)
{
	return (struct counts){
	    tcp_lab_mib(MIB_TcpExt_TCPHPHits),
	    tcp_lab_mib(MIB_TcpExt_TCPHPAcks),
	    tcp_lab_mib(MIB_TcpExt_TCPPureAcks),
	};
}

static const struct predict {
	const char *name;
	struct seg s;
	struct counts more; /* what it adds */
} predict[] = {
    {"text", {.flags = ACK, .seq = 1, .ack = 1, .len = N}, {1, 0, 0}},
    {"text, PSH", {.flags = ACK | PSH, .seq = 1, .ack = 1, .len = N}, {1, 0, 0}},
    {"text that acknowledges", {.flags = ACK, .seq = 1, .ack = 1001, .len = N}, {1, 1, 0}},
    {"an ACK", {.flags = ACK, .seq = 1, .ack = 1001}, {0, 1, 0}},
    {"an ACK of nothing", {.flags = ACK, .seq = 1, .ack = 1}, {0, 0, 1}},
    {"not the next text", {.flags = ACK, .seq = 11, .ack = 1, .len = N}, {0, 0, 0}},
    {"old text", {.flags = ACK, .seq = 0, .ack = 1, .len = N}, {0, 0, 0}},
    {"more than the window", {.flags = ACK, .seq = 1, .ack = 1, .len = 20000}, {0, 0, 0}},
    {"URG", {.flags = ACK | URG, .seq = 1, .ack = 1, .len = N, .up = 1}, {0, 0, 0}},
    {"FIN", {.flags = ACK | FIN, .seq = 1, .ack = 1, .len = N}, {0, 0, 0}},
    {"ECE", {.flags = ACK | ECE, .seq = 1, .ack = 1, .len = N}, {0, 0, 0}},
    {"no ACK", {.flags = PSH, .seq = 1, .len = N}, {0, 0, 0}},
    {"no timestamp", {.flags = ACK, .seq = 1, .ack = 1, .len = N, .no_ts = true}, {0, 0, 0}},
    {"an older timestamp",
     {.flags = ACK, .seq = 1, .ack = 1, .len = N, .opts = O_TS, .tsval = 4999, .tsecr = 1},
     {0, 0, 0}},
    {"an ACK past the next text", {.flags = ACK, .seq = 2, .ack = 1001}, {0, 0, 1}},
};
#define PREDICT (int)(sizeof(predict) / sizeof(predict[0]))

START_TEST(test_open_by_segment)
{
	const struct predict *p = &predict[_i];
	struct counts before = counts(), after;

	tcp_lab_rx(&p->s);
	after = counts();
	ck_assert_msg(after.hits - before.hits == p->more.hits, "%s: TCPHPHits", p->name);
	ck_assert_msg(after.acks - before.acks == p->more.acks, "%s: TCPHPAcks", p->name);
	ck_assert_msg(after.pure - before.pure == p->more.pure, "%s: TCPPureAcks", p->name);
	tcp_lab_drop();
}
END_TEST

/* In another state each segment takes the steps. */
START_TEST(test_other_state_goes_through_the_steps)
{
	struct counts before;

	weft_shutdown(tl.fd, SHUT_WR);
	tcp_lab_drop();
	ck_state(TCP_FIN_WAIT1);
	before = counts();
	rx(ACK, .seq = 1, .ack = 1, .len = N);
	rx(ACK, .seq = 1 + N, .ack = 1001);
	ck_assert_uint_eq(counts().hits, before.hits);
	ck_assert_uint_eq(counts().acks, before.acks);
	ck_assert_uint_eq(counts().pure, before.pure + 1);
	tcp_lab_drop();
}
END_TEST

/* Where the stream ends is known, so text is looked at for what lies behind that. */
START_TEST(test_text_over_the_end_that_came_ahead)
{
	rx(ACK | FIN, .seq = 1 + N, .ack = 1, .len = N);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1, .len = 5 * N);
	ck_assert_uint_eq(counts().hits, 0);
	ck_state(TCP_CLOSE_WAIT);
	tcp_lab_read(2 * N);
	tcp_lab_read_eof();
	tcp_lab_drop();
}
END_TEST

START_TEST(test_predicted_text_is_read)
{
	for (uint32_t i = 0; i < 10; i++)
		rx(ACK, .seq = 1 + i * N, .ack = 1, .len = N);
	tcp_lab_read(10 * N);
	ck_assert_uint_eq(counts().hits, 10);
	tcp_lab_drop();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("predict");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_open_by_segment, 0, PREDICT);
	tcase_add_test(tc, test_other_state_goes_through_the_steps);
	tcase_add_test(tc, test_text_over_the_end_that_came_ahead);
	tcase_add_test(tc, test_predicted_text_is_read);
	return unit_run("tcp_predict", tc);
}
