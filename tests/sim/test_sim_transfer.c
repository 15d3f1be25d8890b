/*
 * tests/sim/test_sim_transfer.c - streams between two stacks over bad wires: exact at both ends, the
 * invariants hold at every event, every gauge returns, and one seed gives one run.
 */
#include "tests/harness/sim.h"

#define MS NSEC_PER_MSEC
#ifdef WEFT_TSAN
#define SEEDS 1 /* one thread, at a twentieth of the speed: more seeds would show it nothing, */
#define TWICE                                                                                      \
	7 /* nor would the longest ones twice, for which a busy machine needs more than a minute */
#else
#define SEEDS 3
#define TWICE 15
#endif

static const struct transfer {
	const char *name;
	double loss, duplicate, corrupt, reorder; /* per cent */
	uint64_t delay_ms, jitter_ms, rate;
	uint32_t up, down, chunk, mtu;
	int sndbuf, rcvbuf;
	uint64_t pause_ms;
	uint64_t seconds; /* at most */
} transfer[] = {
    {"clean", 0, 0, 0, 0, 0, 0, 0, 3000000, 0, 0, 0, 0, 0, 0, 10},
    {"clean, both ways", 0, 0, 0, 0, 5, 0, 0, 1000000, 1000000, 0, 0, 0, 0, 0, 60},
    {"delay", 0, 0, 0, 0, 50, 0, 0, 2000000, 0, 0, 0, 0, 0, 0, 60},
    {"rate", 0, 0, 0, 0, 10, 0, 2000000, 500000, 0, 0, 0, 0, 0, 0, 60},
    {"loss 1", 1, 0, 0, 0, 10, 0, 0, 1000000, 0, 0, 0, 0, 0, 0, 600},
    {"loss 1, both ways", 1, 0, 0, 0, 10, 0, 0, 500000, 500000, 0, 0, 0, 0, 0, 600},
    {"loss 5", 5, 0, 0, 0, 10, 0, 0, 300000, 0, 0, 0, 0, 0, 0, 1800},
    {"loss 10", 10, 0, 0, 0, 10, 0, 0, 100000, 100000, 0, 0, 0, 0, 0, 3600},
    {"loss 20", 20, 0, 0, 0, 10, 0, 0, 100000, 0, 0, 0, 0, 0, 0, 7200},
    {"loss 20, down", 20, 0, 0, 0, 10, 0, 0, 10, 50000, 0, 0, 0, 0, 0, 7200},
    {"reorder 25", 0, 0, 0, 25, 10, 0, 0, 1000000, 0, 0, 0, 0, 0, 0, 600},
    {"jitter", 0, 0, 0, 0, 20, 19, 0, 500000, 500000, 0, 0, 0, 0, 0, 600},
    {"duplicate 20", 0, 20, 0, 0, 10, 0, 0, 500000, 500000, 0, 0, 0, 0, 0, 600},
    {"corrupt 1", 0, 0, 1, 0, 10, 0, 0, 500000, 0, 0, 0, 0, 0, 0, 1200},
    {"everything", 3, 5, 1, 10, 20, 10, 0, 200000, 200000, 0, 0, 0, 0, 0, 3600},
    {"tiny buffers", 0, 0, 0, 0, 5, 0, 0, 200000, 200000, 0, 0, 4096, 4096, 0, 1200},
    {"tiny buffers, loss", 3, 0, 0, 0, 5, 0, 0, 50000, 0, 0, 0, 4096, 4096, 0, 3600},
    {"slow reader", 0, 0, 0, 0, 5, 0, 0, 300000, 0, 2000, 0, 0, 16384, 20, 1200},
    {"slow reader, loss", 3, 0, 0, 0, 5, 0, 0, 100000, 0, 2000, 0, 0, 16384, 20, 3600},
    {"byte by byte", 0, 0, 0, 0, 1, 0, 0, 3000, 3000, 1, 0, 0, 0, 0, 600},
    {"odd chunks, loss", 2, 0, 0, 0, 5, 0, 0, 100000, 100000, 777, 0, 0, 0, 0, 1800},
    {"small MTU", 1, 0, 0, 0, 5, 0, 0, 100000, 100000, 0, 576, 0, 0, 0, 1200},
    {"jumbo MTU", 1, 0, 0, 0, 5, 0, 0, 1000000, 0, 0, 9000, 0, 0, 0, 1200},
    {"nothing but FINs", 10, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1200},
};
#define TRANSFERS (int)(sizeof(transfer) / sizeof(transfer[0]))

static struct sim sim;

static void transfer_open(const struct transfer *t, uint64_t seed)
{
	struct sim_config cfg = {
	    .seed = seed,
	    .mtu = t->mtu,
	    .sndbuf = t->sndbuf,
	    .rcvbuf = t->rcvbuf,
	    .netem =
		{
		    .loss = netem_percent(t->loss),
		    .duplicate = netem_percent(t->duplicate),
		    .corrupt = netem_percent(t->corrupt),
		    .reorder = netem_percent(t->reorder),
		    .delay = t->delay_ms * MS,
		    .jitter = t->jitter_ms * MS,
		    .rate = t->rate,
		    .limit = 10000,
		},
	};
	struct sim_flow *f;

	sim_open(&sim, &cfg);
	f = sim_flow(&sim, t->up, t->down);
	f->chunk = t->chunk;
	f->pause = t->pause_ms * MS;
}

static uint64_t transfer_run(const struct transfer *t, uint64_t seed)
{
	uint64_t hash;

	transfer_open(t, seed);
	sim_run(&sim, t->seconds);
	sim_check(&sim.flow[0]);
	ck_assert_uint_gt(sim.checks, 0);
	hash = sim.hash;
	sim_close(&sim);
	return hash;
}

START_TEST(test_stream_exact)
{
	transfer_run(&transfer[_i % TRANSFERS], (uint64_t)(_i / TRANSFERS + 1));
}
END_TEST

START_TEST(test_same_seed_same_frames)
{
	uint64_t a = transfer_run(&transfer[_i], 42), b = transfer_run(&transfer[_i], 42);

	ck_assert_uint_eq(a, b);
}
END_TEST

START_TEST(test_other_seed_other_frames)
{
	ck_assert_uint_ne(transfer_run(&transfer[4], 1), transfer_run(&transfer[4], 2));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("transfer");

	tcase_add_loop_test(tc, test_stream_exact, 0, TRANSFERS * SEEDS);
	tcase_add_loop_test(tc, test_same_seed_same_frames, 4, TWICE);
	tcase_add_test(tc, test_other_seed_other_frames);
	return unit_run("sim_transfer", tc);
}
