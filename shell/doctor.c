/*
 * shell/doctor.c - `weft doctor`: what is missing on this machine; `weft doctor PROGRAM`: what the program asked for and
 * did not get under `weft run`.
 */
#include "shell/doctor.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/text.h"
#include "shell/client.h"
#include "shell/missed.h"
#include "shell/options.h"
#include "shell/program.h"
#include "shell/shell_priv.h"

static const char usage[] =
    "usage: weft doctor [--json]                      what weft needs and does not find here\n"
    "       weft doctor [--json] [OPTIONS] [--] PROGRAM [ARGS]\n"
    "                                                 what PROGRAM does not get under weft run\n"
    "\n"
    "OPTIONS are those of weft run. The report is written to standard output, what PROGRAM writes "
    "to\n"
    "standard error.\n"
    "Exit status: 0, nothing is missing; 1, something is; 2, a mistake in the options;\n"
    "126 and 127, PROGRAM did not begin.\n";

/* LOCKING: one thread. */
struct doctor {
	bool json, any; /* any: a row was written before this one */
	bool ran;
	int kinds; /* of refusals */
	struct missed missed;
};

/* --- JSON ------------------------------------------------------------------------------------------------- */

static void json_row(struct doctor *d)
{
	fputs(d->any ? ",\n {" : "\n {", stdout);
	d->any = true;
}

static void json_member(const char *name, const char *text, bool more)
{
	printf("\"%s\": ", name);
	text_show_json(stdout, text);
	if (more)
		fputs(", ", stdout);
}

/* --- the machine -------------------------------------------------------------------------------------------- */

static void finding_show(struct doctor *d, const char *name, const struct finding *f)
{
	static const char *const kinds[] = {
	    [FINDING_OK] = "ok", [FINDING_NOTE] = "note", [FINDING_MISSING] = "missing"};

	if (!d->json) {
		printf("%-8s%-11s ", kinds[f->kind], name);
		text_show(stdout, f->text);
		if (*f->hint)
			printf("\n%20s%s", "", f->hint);
		putchar('\n');
		return;
	}
	json_row(d);
	json_member("name", name, true);
	json_member("is", kinds[f->kind], true);
	json_member("text", f->text, true);
	json_member("hint", f->hint, false);
	putchar('}');
}

static int doctor_machine(struct doctor *d)
{
	const struct finding_row *row;
	int status = CMD_OK;

	if (d->json)
		fputs("{\"machine\": [", stdout);
	for (unsigned i = 0; (row = doctor_row(i)); i++) {
		struct finding f = {0};

		row->look(&f);
		finding_show(d, row->name, &f);
		if (f.kind == FINDING_MISSING)
			status = CMD_FAIL;
	}
	if (d->json)
		puts("\n]}");
	return status;
}

/* --- a program ------------------------------------------------------------------------------------------------ */

static void program_begins(void *arg, const struct program_scene *s)
{
	struct doctor *d = arg;

	missed_begin(&d->missed, s->table);
}

static void missed_show(struct doctor *d, const struct missed_one *one)
{
	const char *err = strerrorname_np(one->err);
	char text[MISSED_TEXT];

	missed_text(one, text);
	if (!d->json) {
		if (d->kinds == 0)
			printf("%6s  %-16s %s\n", "times", "answer", "not served");
		printf("%6u  %-16s %s\n", one->count, err ? err : "?", text);
		return;
	}
	json_row(d);
	json_member("call", text, true);
	json_member("answer", err ? err : "?", true);
	printf("\"times\": %u}", one->count);
}

static void program_ended(void *arg, const struct program_scene *s, int status)
{
	struct missed_one one, far = {.count = 0};
	struct doctor *d = arg;
	unsigned at = 0;

	d->ran = true;
	if (d->json)
		printf("{\"status\": %d,\n\"missed\": [", status);
	for (; missed_next(&d->missed, s->table, &at, &one); d->kinds++) {
		missed_show(d, &one);
		if (one.call == PROGRAM_CALL_CONNECT && one.first == AF_INET)
			far = one;
	}
	if (d->json)
		puts("\n]}");
	else if (d->kinds == 0)
		printf("nothing was refused; the program's status is %d\n", status);
	if (far.count && !d->json)
		uplink_explain(stdout, "", &s->up, (uint32_t)far.second);
}

/* What has not begun was told by `weft run`. */
static int doctor_program(struct doctor *d, int argc, char **argv)
{
	const struct program_watch w = {
	    .begins = program_begins, .ended = program_ended, .arg = d, .aside = true};
	int status = program_run(argc, argv, &w);

	if (!d->ran || status == CMD_NOT_FOUND || status == 126)
		return status;
	return d->kinds ? CMD_FAIL : CMD_OK;
}

int doctor_main(int argc, char **argv)
{
	struct doctor d = {0};
	int i = 1, status;

	if (argc > i && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
		fputs(usage, stdout);
		return output_end(CMD_OK);
	}
	if (argc > i && strcmp(argv[i], "--json") == 0) {
		d.json = true;
		i++;
	}
	if (i == argc)
		status = doctor_machine(&d);
	else
		status = doctor_program(&d, argc - i + 1, argv + i - 1);
	return output_end(status);
}
