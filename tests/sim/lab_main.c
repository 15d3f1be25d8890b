/*
 * tests/sim/lab_main.c - `weft sim`: reads the command line and the scene, runs, hunts or reports.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "tests/sim/lab.h"
#include "tests/sim/lab_report.h"

#define TEXT_MAX (1u << 20)

static int sim_error(const char *what, const char *why)
{
	fflush(stdout);
	fputs("weft: sim: ", stderr);
	text_show(stderr, what);
	if (why) {
		fputs(": ", stderr);
		text_show(stderr, why);
	}
	fputc('\n', stderr);
	return LAB_USAGE;
}

/* The status, once what was printed is written. */
static int sim_end(int status)
{
	return fflush(stdout) ? sim_error("standard output", strerror(errno)) : status;
}

static int sim_usage(FILE *f)
{
	fputs("usage: weft sim [FILE | NAME | -] [--seed S] [--until T] [--pcap FILE] [--json]\n"
	      "       weft sim [FILE | NAME | -] --find N [--seed S] [--until T] [--shrink] "
	      "[--json]\n"
	      "       weft sim --list | --report [--seed S] [--json] | [FILE | NAME | -] --print "
	      "[--seed S]\n"
	      "Without a scene one is drawn from the seed.  Exit status: 0, 1 a violation, 2 "
	      "usage or a file.\n",
	      f);
	return f == stdout ? sim_end(LAB_OK) : LAB_USAGE;
}

static int sim_list(void)
{
	for (size_t i = 0; i < lab_named_count; i++)
		printf("%-12s %s\n", lab_named[i].name, lab_named[i].about);
	return sim_end(LAB_OK);
}

/* --- options ---------------------------------------------------------------------------------------- */

static bool number_parse(const char *text, uint64_t *n)
{
	char *end;

	errno = 0;
	*n = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno;
}

/* An option with a value: 1 taken, 0 not one, -1 wrong. */
static int option_value(struct lab_options *o, const char *name, const char *value)
{
	if (strcmp(name, "--seed") == 0) {
		o->has_seed = true;
		return value && number_parse(value, &o->seed) ? 1 : -1;
	}
	if (strcmp(name, "--find") == 0)
		return value && number_parse(value, &o->find) && o->find ? 1 : -1;
	if (strcmp(name, "--until") == 0)
		return value && lab_quantity_parse(value, LAB_TIME, &o->until) && o->until ? 1 : -1;
	if (strcmp(name, "--pcap") == 0) {
		o->pcap = value;
		return value ? 1 : -1;
	}
	return 0;
}

static bool option_flag(struct lab_options *o, const char *name)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
	    {"--shrink", &o->shrink},
	    {"--json", &o->json},
	    {"--print", &o->print},
	    {"--report", &o->report},
	};

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strcmp(name, flags[i].name) == 0) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

/* False: told. */
static bool options_read(struct lab_options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int r = option_value(o, argv[i], argv[i + 1]);

		if (r < 0) {
			sim_error(argv[i],
				  "--seed and --find want a number, --until a time as 10s, "
				  "--pcap a file");
			return false;
		}
		i += r;
		if (r || option_flag(o, argv[i]))
			continue;
		if ((argv[i][0] == '-' && argv[i][1]) || o->source) {
			sim_error(argv[i], o->source ? "one scene is enough" : "no such option");
			return false;
		}
		o->source = argv[i];
	}
	return true;
}

/* What does not go together is told; --shrink alone is a hunt of one seed. */
static bool options_fit(struct lab_options *o)
{
	const char *what = NULL, *why = NULL;

	if (o->shrink && !o->find)
		o->find = 1;
	if (o->find && o->pcap) {
		what = "--pcap";
		why = "is of one run, not of a hunt";
	} else if (o->report && (o->source || o->find || o->pcap || o->print)) {
		what = "--report";
		why = "takes --seed and --json only";
	}
	if (what)
		sim_error(what, why);
	return !what;
}

/* --- the scene -------------------------------------------------------------------------------------- */

/* All of a stream; NULL with errno when that is not to be had. */
static char *stream_read(FILE *f)
{
	char *text = malloc(TEXT_MAX);
	size_t n = text ? fread(text, 1, TEXT_MAX, f) : 0;

	if (text && !ferror(f) && n < TEXT_MAX) {
		text[n] = '\0';
		return text;
	}
	if (n == TEXT_MAX)
		errno = EFBIG;
	free(text);
	return NULL;
}

static const char *source_name(const struct lab_options *o)
{
	return strcmp(o->source, "-") == 0 ? "<stdin>" : o->source;
}

/* What is in the file or on standard input; NULL when that has been said to be impossible. */
static char *source_read(const struct lab_options *o)
{
	FILE *f = strcmp(o->source, "-") == 0 ? stdin : fopen(o->source, "re");
	char *text;

	if (!f) {
		sim_error(o->source, errno == ENOENT ? "neither a file nor a name of --list"
						     : strerror(errno));
		return NULL;
	}
	text = stream_read(f);
	if (!text)
		sim_error(source_name(o), strerror(errno));
	if (f != stdin)
		fclose(f);
	return text;
}

static bool scene_read(struct lab_options *o)
{
	const struct lab_named *named = lab_named_find(o->source);
	char why[LAB_WHY], *text = named ? NULL : source_read(o);
	bool ok;

	if (!named && !text)
		return false;
	ok = lab_scene_parse(&o->scene, source_name(o), named ? named->text : text, why);
	if (!ok)
		sim_error(why, NULL);
	free(text);
	return ok;
}

void lab_options_scene(const struct lab_options *o, uint64_t seed, struct lab_scene *s)
{
	if (o->source)
		*s = o->scene;
	else
		lab_scene_draw(s, seed);
	s->seed = seed;
	s->has_seed = true;
	if (o->until)
		s->until = o->until;
}

char *lab_options_replay(const struct lab_options *o, uint64_t seed, char *to, size_t size)
{
	char until[LAB_QUANTITY];

	snprintf(to, size, "weft sim%s%s --seed %" PRIu64 "%s%s", o->source ? " " : "",
		 o->source ? o->source : "", seed, o->until ? " --until " : "",
		 o->until ? lab_quantity_print(until, LAB_TIME, o->until) : "");
	return to;
}

/* --- what is asked ---------------------------------------------------------------------------------- */

static int sim_print(const struct lab_options *o)
{
	struct lab_scene s;
	char *text;

	lab_options_scene(o, o->seed, &s);
	text = lab_scene_print(&s);
	if (!text)
		return sim_error("no memory", NULL);
	fputs(text, stdout);
	free(text);
	return LAB_OK;
}

static int sim_one(const struct lab_options *o)
{
	char why[LAB_WHY], replay[256];
	struct lab_result r;
	struct lab_scene s;

	lab_options_scene(o, o->seed, &s);
	if (!lab_scene_run(&s, o->pcap, &r, why))
		return sim_error(why, NULL);
	lab_options_replay(o, o->seed, replay, sizeof(replay));
	if (o->json)
		lab_result_json(&r, replay, stdout);
	else
		lab_result_print(&r, stdout);
	if (r.bad.set && !o->json)
		printf("violation at %.9f s: %s\ndropped: %s\nreplay: %s\n",
		       (double)r.bad.when / 1e9, r.bad.what, r.drops, replay);
	return r.bad.set ? LAB_FAIL : LAB_OK;
}

static int sim_run(struct lab_options *o)
{
	if (o->source && !scene_read(o))
		return LAB_USAGE;
	if (!o->has_seed)
		o->seed = o->source && o->scene.has_seed ? o->scene.seed : 1;
	if (o->report)
		return lab_report(o->seed, o->json);
	if (o->print)
		return sim_print(o);
	return o->find ? (int)lab_hunt(o) : sim_one(o);
}

int lab_main(int argc, char **argv)
{
	struct lab_options o = {.seed = 1};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return sim_usage(stdout);
		if (strcmp(argv[i], "--list") == 0)
			return sim_list();
	}
	if (!options_read(&o, argc, argv) || !options_fit(&o))
		return LAB_USAGE;
	return sim_end(sim_run(&o));
}
