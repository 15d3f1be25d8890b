/*
 * tests/sim/lab_hunt.c - many seeds one after the other; each that fails is told with the line that runs it again,
 * the first is made smaller if asked.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/text.h"
#include "tests/sim/lab.h"

#define PROGRESS_EACH 20u

struct hunt {
	const struct lab_options *o;
	uint64_t done, bad, connections, frames, bytes;
	bool progress; /* somebody looks */
};

static void hunt_progress(const struct hunt *h, bool end)
{
	if (!h->progress || (!end && h->done % PROGRESS_EACH))
		return;
	if (end)
		fputs("\r\033[K", stderr);
	else
		fprintf(stderr,
			"\r%" PRIu64 "/%" PRIu64 " seeds, %" PRIu64 " connections, %" PRIu64
			" bad ",
			h->done, h->o->find, h->connections, h->bad);
	fflush(stderr);
}

static void hunt_shrink(const struct lab_scene *s, bool json)
{
	struct lab_scene small = *s;
	struct lab_result r;
	unsigned runs = lab_shrink(&small, lab_scene_try, &r);
	char *text = lab_scene_print(&small);

	if (text && json) {
		printf("{\"smaller\":");
		text_show_json(stdout, text);
		printf(",\"runs\":%u}\n", runs);
	}
	if (text && !json)
		printf("smaller, after %u runs, violation at %.9f s: %s\n%s", runs,
		       (double)r.bad.when / 1e9, r.bad.what, text);
	free(text);
}

static void hunt_tell(struct hunt *h, const struct lab_scene *s, const struct lab_result *r)
{
	char replay[256];

	hunt_progress(h, true);
	lab_options_replay(h->o, s->seed, replay, sizeof(replay));
	if (h->o->json)
		lab_result_json(r, replay, stdout);
	else
		printf("seed %" PRIu64 ": violation at %.9f s: %s\nreplay: %s\n", s->seed,
		       (double)r->bad.when / 1e9, r->bad.what, replay);
	if (h->o->shrink && h->bad == 1)
		hunt_shrink(s, h->o->json);
	fflush(stdout);
}

/* False: the scene cannot be. */
static bool hunt_one(struct hunt *h, uint64_t seed)
{
	struct lab_scene s;
	struct lab_result r;
	char why[LAB_WHY];

	lab_options_scene(h->o, seed, &s);
	if (!lab_scene_try(&s, &r, why)) {
		hunt_progress(h, true);
		fprintf(stderr, "weft: sim: seed %" PRIu64 ": %s\n", seed, why);
		return false;
	}
	h->done++;
	h->connections += r.connections;
	h->frames += r.frames;
	h->bytes += r.bytes;
	if (r.bad.set) {
		h->bad++;
		hunt_tell(h, &s, &r);
	}
	return true;
}

static void hunt_sum(const struct hunt *h)
{
	if (h->o->json)
		printf("{\"seeds\":%" PRIu64 ",\"bad\":%" PRIu64 ",\"connections\":%" PRIu64
		       ",\"frames\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n",
		       h->done, h->bad, h->connections, h->frames, h->bytes);
	else
		printf("%" PRIu64 " seeds from %" PRIu64 ", %" PRIu64 " connections, %" PRIu64
		       " frames, %" PRIu64 " bytes: %" PRIu64 " bad\n",
		       h->done, h->o->seed, h->connections, h->frames, h->bytes, h->bad);
}

enum lab_status lab_hunt(const struct lab_options *o)
{
	struct hunt h = {.o = o, .progress = isatty(STDERR_FILENO)};

	for (uint64_t i = 0; i < o->find; i++) {
		if (!hunt_one(&h, o->seed + i))
			return LAB_USAGE;
		hunt_progress(&h, false);
	}
	hunt_progress(&h, true);
	hunt_sum(&h);
	return h.bad ? LAB_FAIL : LAB_OK;
}
