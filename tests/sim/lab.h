/*
 * tests/sim/lab.h - the lab's door: `weft sim`, and one run for the tests.
 */
#pragma once
#include "tests/sim/lab_world.h"

/* As the command: 0, 1 a violation, 2 usage. */
int lab_main(int argc, char **argv);

enum lab_status { LAB_OK, LAB_FAIL, LAB_USAGE };

/* What came of one run. */
struct lab_result {
	uint64_t seed;
	struct lab_violation bad;
	uint64_t ns;          /* virtual, until the programs were over */
	uint64_t connections; /* begun */
	uint64_t failed;      /* ended by an error that the network explains */
	uint64_t left;        /* not over when the time was */
	uint64_t bytes;       /* that programs got */
	uint64_t frames, events, checks, digest;
	char drops[1024];           /* packets the stacks dropped, and why */
	uint64_t retrans, timeouts; /* RetransSegs, TCPTimeouts of all stacks */
};

/* lab_result.c.  pcap: NULL: none.  False: the scene cannot be, or the file not written; why[LAB_WHY]. */
bool lab_scene_run(const struct lab_scene *s, const char *pcap, struct lab_result *r, char *why);
void lab_result_print(const struct lab_result *r, FILE *f);
void lab_result_json(const struct lab_result *r, const char *replay, FILE *f);

/* lab_child.c: the same in a process of its own, so that an assertion that stops it is a violation too. */
typedef bool lab_run_fn(const struct lab_scene *s, const char *pcap, struct lab_result *r,
			char *why);
bool lab_child_run(lab_run_fn *run, const struct lab_scene *s, struct lab_result *r, char *why);
bool lab_scene_try(const struct lab_scene *s, struct lab_result *r, char *why);

/* lab_hunt.c: what a command line asks for. */
struct lab_options {
	const char *source; /* a file, a name, "-"; NULL: drawn from the seed */
	struct lab_scene scene;
	uint64_t seed;
	bool has_seed;
	uint64_t until; /* 0: as the scene says */
	uint64_t find;  /* seeds; 0: one run */
	const char *pcap;
	bool shrink, json, print, report;
};
/* The scene of a seed. */
void lab_options_scene(const struct lab_options *o, uint64_t seed, struct lab_scene *s);
/* The line that runs it again; `to` is returned. */
char *lab_options_replay(const struct lab_options *o, uint64_t seed, char *to, size_t size);
enum lab_status lab_hunt(const struct lab_options *o);

/*
 * lab_shrink.c: makes s, which fails, as small as it can while it still does; how many runs that took.  r: of the last
 * that failed.
 */
typedef bool lab_try_fn(const struct lab_scene *s, struct lab_result *r, char *why);
unsigned lab_shrink(struct lab_scene *s, lab_try_fn *run, struct lab_result *r);
