/*
 * tests/tcp/test_rate.c - delivery rate samples (draft-ietf-ccwg-bbr, 4.1) from records and ACKs as
 * recovery tells of them.
 */
#include "tcp/tcp_priv.h"
#include "tests/harness/unit.h"

#define MSS 1000u

static struct env *env;
static struct tcp_sock ts;
static struct tcp_xfer xfer;
static struct tcp_rare rare;
static struct tcp_est est;
static struct tcp_ack_info info;

/* Nothing is out, 5000 bytes have been delivered, the last of them a second ago. */
static void sock_setup(void)
{
	rare = (struct tcp_rare){0};
	est = (struct tcp_est){.cwnd = 100 * MSS, .min_rtt_us = 10000, .xfer = &xfer};
	ts = (struct tcp_sock){.rare = &rare, .mss = MSS, .est = &est};
	xfer = (struct tcp_xfer){0};
	est.delivery.bytes = 5000;
	env = env_lab_create(1);
	ts.sk.stack = stack_alloc(env);
}

static void sock_teardown(void)
{
	stack_free(ts.sk.stack);
	env_lab_destroy(env);
}

static struct tcp_rec sent(uint32_t seg, unsigned ms)
{
	struct tcp_rec r = {.seq = seg * MSS, .end = (seg + 1) * MSS, .times = 1};

	r.sent = ms * NSEC_PER_MSEC;
	tcp_rate_sent(&ts, &r);
	ts.snd_nxt = r.end;
	return r;
}

/* One ACK for these, at ms. */
static const struct tcp_rate *acked(struct tcp_rec *const *r, unsigned n, unsigned ms)
{
	info = (struct tcp_ack_info){.now = ms * NSEC_PER_MSEC, .delivered = n * MSS};
	for (unsigned i = 0; i < n; i++)
		tcp_rate_delivered(&ts, r[i], &info);
	ts.snd_una = r[n - 1]->end;
	tcp_rate_done(&ts, &info);
	return &info.rate;
}

START_TEST(test_sample_spans_from_the_newest_snapshot)
{
	struct tcp_rec a = sent(0, 100), b = sent(1, 102), c = sent(2, 104);
	const struct tcp_rate *rs = acked((struct tcp_rec *[]){&a}, 1, 120);

	ck_assert_uint_eq(rs->delivered, MSS);
	ck_assert_uint_eq(rs->interval_ns, 20 * NSEC_PER_MSEC);
	ck_assert_uint_eq(est.delivery.rate, 50000);
	rs = acked((struct tcp_rec *[]){&b, &c}, 2, 124);
	ck_assert_uint_eq(rs->delivered, 3 * MSS); /* c was sent before anything was delivered */
	ck_assert_uint_eq(rs->interval_ns, 24 * NSEC_PER_MSEC);
	ck_assert_uint_eq(rs->flight, 3 * MSS);
	ck_assert_uint_eq(rs->prior_delivered, 5000);
	ck_assert_uint_eq(est.delivery.bytes, 8000);
	ck_assert_uint_eq(est.delivered_segs, 3);
}
END_TEST

/* ACKs squeezed together: the sample is no faster than the flight was sent. */
START_TEST(test_compressed_acks_are_no_faster_than_sending)
{
	struct tcp_rec a = sent(0, 100), b = sent(1, 150), c;
	const struct tcp_rate *rs;

	acked((struct tcp_rec *[]){&a}, 1, 160);
	c = sent(2, 161);
	rs = acked((struct tcp_rec *[]){&b}, 1, 162);
	ck_assert_uint_eq(rs->interval_ns, 62 * NSEC_PER_MSEC);
	rs = acked((struct tcp_rec *[]){&c}, 1, 171);
	/* from a's sending to c's it took 61 ms; from a's ACK to c's 11 */
	ck_assert_uint_eq(rs->interval_ns, 61 * NSEC_PER_MSEC);
	ck_assert_uint_eq(rs->delivered, 2 * MSS);
}
END_TEST

START_TEST(test_shorter_than_any_round_trip_is_no_sample)
{
	struct tcp_rec a = sent(0, 100);
	const struct tcp_rate *rs;

	acked((struct tcp_rec *[]){&a}, 1, 120);
	a = sent(1, 200);
	a.times = 2;
	rs = acked((struct tcp_rec *[]){&a}, 1, 201);
	ck_assert_uint_eq(rs->interval_ns, 0);
	ck_assert_uint_eq(est.delivery.rate, 50000); /* the one before */
}
END_TEST

START_TEST(test_nothing_delivered_is_no_sample)
{
	info = (struct tcp_ack_info){.now = 5, .lost = 300};
	tcp_rate_done(&ts, &info);
	ck_assert_uint_eq(info.rate.interval_ns, 0);
	ck_assert_uint_eq(est.delivery.bytes, 5000);
	ck_assert_uint_eq(est.delivered_segs, 0);
}
END_TEST

START_TEST(test_lost_since_the_record_went)
{
	struct tcp_rec a, b;

	est.delivery.lost = 0xfffffff0u;
	a = sent(0, 100);
	est.delivery.lost += 2000;
	b = sent(1, 101);
	ck_assert_uint_eq(acked((struct tcp_rec *[]){&a}, 1, 120)->lost, 2000);
	ck_assert_uint_eq(acked((struct tcp_rec *[]){&b}, 1, 121)->lost, 0);
}
END_TEST

/* Records carry the mark until what was out when the program came back is delivered. */
START_TEST(test_limited_by_the_program)
{
	struct tcp_rec a = sent(0, 100), b, c;

	ts.write_seq = ts.snd_nxt;
	tcp_rate_app_limited(&ts);
	b = sent(1, 110);
	ck_assert(!(a.flags & REC_APP_LIMITED));
	ck_assert(b.flags & REC_APP_LIMITED);
	ck_assert(!acked((struct tcp_rec *[]){&a}, 1, 120)->app_limited);
	ck_assert(acked((struct tcp_rec *[]){&b}, 1, 130)->app_limited);
	c = sent(2, 131);
	ck_assert(!(c.flags & REC_APP_LIMITED));
}
END_TEST

START_TEST(test_full_cwnd_is_not_the_programs_limit)
{
	est.cwnd = MSS;
	sent(0, 100);
	ts.write_seq = ts.snd_nxt;
	tcp_rate_app_limited(&ts);
	ck_assert_uint_eq(est.delivery.app_limited, 0);
	est.cwnd = 10 * MSS;
	ts.write_seq += 2 * MSS; /* it waits for something else */
	tcp_rate_app_limited(&ts);
	ck_assert_uint_eq(est.delivery.app_limited, 0);
	ts.write_seq = ts.snd_nxt;
	xfer.lost = MSS; /* to be sent again first */
	tcp_rate_app_limited(&ts);
	ck_assert_uint_eq(est.delivery.app_limited, 0);
	xfer.retrans = MSS;
	tcp_rate_app_limited(&ts);
	ck_assert_uint_gt(est.delivery.app_limited, 0);
}
END_TEST

/* TCP_INFO keeps the last sample, but one of a lazy program only where it is higher. */
START_TEST(test_lower_sample_of_a_lazy_program_is_not_kept)
{
	struct tcp_rec a = sent(0, 100);

	acked((struct tcp_rec *[]){&a}, 1, 110);
	ck_assert_uint_eq(est.delivery.rate, 100000);
	ts.write_seq = ts.snd_nxt;
	tcp_rate_app_limited(&ts);
	a = sent(1, 200);
	acked((struct tcp_rec *[]){&a}, 1, 220);
	ck_assert_uint_eq(est.delivery.rate, 100000);
	ck_assert(!ts.rate_app_limited);
	a = sent(2, 300);
	acked((struct tcp_rec *[]){&a}, 1, 325);
	ck_assert_uint_eq(est.delivery.rate, 40000);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("rate");

	tcase_add_checked_fixture(tc, sock_setup, sock_teardown);
	tcase_add_test(tc, test_sample_spans_from_the_newest_snapshot);
	tcase_add_test(tc, test_compressed_acks_are_no_faster_than_sending);
	tcase_add_test(tc, test_shorter_than_any_round_trip_is_no_sample);
	tcase_add_test(tc, test_nothing_delivered_is_no_sample);
	tcase_add_test(tc, test_lost_since_the_record_went);
	tcase_add_test(tc, test_limited_by_the_program);
	tcase_add_test(tc, test_full_cwnd_is_not_the_programs_limit);
	tcase_add_test(tc, test_lower_sample_of_a_lazy_program_is_not_kept);
	return unit_run("tcp_rate", tc);
}
