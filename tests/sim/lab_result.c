/*
 * tests/sim/lab_result.c - one run from its scene to its result, and the result as text and as JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/text.h"
#include "tests/sim/lab.h"

static void result_take(struct lab_world *w, struct lab_result *r)
{
	r->ns = lab_now(w);
	r->connections = w->connections;
	for (unsigned i = 0; i < w->scene.njob; i++) {
		const struct lab_run *run = &w->run[i];

		r->failed += run->failed;
		r->left += run->job->count - run->over;
		r->bytes += run->bytes;
	}
	for (unsigned i = 0; i < w->scene.nnode; i++) {
		r->retrans += mib_read(w->node[i].stack, MIB_Tcp_RetransSegs);
		r->timeouts += mib_read(w->node[i].stack, MIB_TcpExt_TCPTimeouts);
	}
}

/* Why packets were dropped inside the stacks: the first thing to look at when something was violated. */
static void drops_take(struct lab_world *w, struct lab_result *r)
{
	size_t at = 0;

	for (unsigned i = 0; i < w->scene.nnode; i++) {
		for (unsigned d = 1; d < DROP_MAX && at < sizeof(r->drops); d++) {
			uint64_t n = pkbuf_drops(w->node[i].stack, d);

			if (n)
				at += (size_t)snprintf(r->drops + at, sizeof(r->drops) - at,
						       "%s%s: %" PRIu64 " %s", at ? "; " : "",
						       w->scene.node[i].name, n, drop_info[d].text);
		}
	}
}

/* Nothing will ever happen again, and programs wait still. */
static void stuck_tell(struct lab_world *w, bool limited)
{
	if (!w->bad.set && w->runs_left && !limited)
		lab_violate(w, "no event is left, and traffic is not over");
}

bool lab_scene_run(const struct lab_scene *s, const char *pcap, struct lab_result *r, char *why)
{
	struct lab_world *w = lab_world_open(s, why);
	int err = 0;

	memset(r, 0, sizeof(*r));
	r->seed = s->seed;
	if (!w)
		return false;
	if (pcap)
		err = lab_pcap_open(w, pcap);
	if (!err) {
		lab_run_until(w, s->until ? s->until : ENV_NEVER);
		stuck_tell(w, s->until != 0);
		result_take(w, r);
		drops_take(w, r);
		r->digest = w->digest;
		r->events = w->events;
		r->checks = w->checks;
		r->frames = w->frames;
		err = lab_pcap_close(w);
	}
	lab_world_close(w, &r->bad);
	if (err)
		snprintf(why, LAB_WHY, "%s: %s", pcap, strerror(-err));
	return err == 0;
}

void lab_result_print(const struct lab_result *r, FILE *f)
{
	fprintf(f,
		"seed %" PRIu64 ": %.3f s, %" PRIu64 " connections, %" PRIu64 " bytes, %" PRIu64
		" frames, %" PRIu64 " segments again, %" PRIu64 " time-outs",
		r->seed, (double)r->ns / 1e9, r->connections, r->bytes, r->frames, r->retrans,
		r->timeouts);
	if (r->failed)
		fprintf(f, ", %" PRIu64 " gave up", r->failed);
	if (r->left)
		fprintf(f, ", %" PRIu64 " not over", r->left);
	fprintf(f, ", digest %016" PRIx64 "\n", r->digest);
}

void lab_result_json(const struct lab_result *r, const char *replay, FILE *f)
{
	fprintf(f,
		"{\"seed\":%" PRIu64 ",\"ok\":%s,\"seconds\":%.9f,\"connections\":%" PRIu64
		",\"failed\":%" PRIu64 ",\"left\":%" PRIu64 ",\"bytes\":%" PRIu64
		",\"frames\":%" PRIu64 ",\"events\":%" PRIu64 ",\"checks\":%" PRIu64
		",\"retrans\":%" PRIu64 ",\"timeouts\":%" PRIu64 ",\"digest\":\"%016" PRIx64 "\"",
		r->seed, r->bad.set ? "false" : "true", (double)r->ns / 1e9, r->connections,
		r->failed, r->left, r->bytes, r->frames, r->events, r->checks, r->retrans,
		r->timeouts, r->digest);
	if (r->bad.set) {
		fprintf(f, ",\"violation\":{\"seconds\":%.9f,\"what\":", (double)r->bad.when / 1e9);
		text_show_json(f, r->bad.what);
		fputs(",\"replay\":", f);
		text_show_json(f, replay);
		fputc('}', f);
	}
	fputs("}\n", f);
}
