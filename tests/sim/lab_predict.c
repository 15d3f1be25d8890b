/*
 * tests/sim/lab_predict.c - the steady state by formula: NewReno by RFC 5348, 3.1, which knows time-outs; CUBIC by RFC
 * 9438, 5.1, and no less than NewReno, by its Reno-friendly region; BBR by what its draft says that it gives away.
 */
#include <math.h>

#include "tests/sim/lab_report.h"

#define SEGMENT 1448.0 /* payload beside timestamps */
#define FRAME 1514.0   /* the same with its headers */
#define CUBIC_C 0.4
#define CUBIC_BETA 0.7
#define RTO_MIN 0.2 /* s */
/* draft-ietf-ccwg-bbr */
#define BBR_PROBE_RTT 0.98 /* 5.3.4.2: what ProbeRTT leaves */
#define BBR_ROUNDS 63.0    /* 5.3.3.8: from one probing for bandwidth to the next: rounds; */
#define BBR_SECONDS 2.5    /* on the average */

double lab_capacity(const struct lab_cell *c)
{
	return (double)c->rate / 8 * SEGMENT / FRAME;
}

static double round_trip(const struct lab_cell *c)
{
	return 2 * (double)c->delay / 1e9 + FRAME * 8 / (double)c->rate;
}

/* RFC 5348, 3.1, with an ACK for each segment (b = 1). */
static double reno_segments(double p, double rtt)
{
	double rto = rtt + RTO_MIN;
	double spaced = rtt * sqrt(2 * p / 3);
	double waited = rto * 3 * sqrt(3 * p / 8) * p * (1 + 32 * p * p);

	return 1 / (spaced + waited);
}

/* RFC 9438, 5.1: the average window, in segments, over the round trip. */
static double cubic_segments(double p, double rtt)
{
	double k = pow(CUBIC_C * (3 + CUBIC_BETA) / (4 * (1 - CUBIC_BETA)), 0.25);

	return k * pow(rtt, 0.75) / pow(p, 0.75) / rtt;
}

/*
 * draft-ietf-ccwg-bbr, 5.3.3.8.3: with each round the rate falls by the share that is lost, until bandwidth is probed for
 * again: after so many rounds, as many as segments are on the way, or a time.
 */
static double bbr_share(const struct lab_cell *c, double p, double rtt)
{
	double flight = lab_capacity(c) * rtt / SEGMENT;
	double rounds = fmin(fmin(BBR_ROUNDS, flight), BBR_SECONDS / rtt);

	return BBR_PROBE_RTT * (1 - pow(1 - p, rounds)) / (rounds * p);
}

double lab_predict(const struct lab_cell *c)
{
	double p = (double)c->loss / LAB_PPM, rtt = round_trip(c), n, capacity = lab_capacity(c);

	if (p == 0)
		return capacity;
	if (c->cc[0] == 'b')
		return bbr_share(c, p, rtt) * capacity;
	n = reno_segments(p, rtt);
	if (c->cc[0] == 'c')
		n = fmax(n, cubic_segments(p, rtt));
	return fmin(n * SEGMENT, capacity);
}
