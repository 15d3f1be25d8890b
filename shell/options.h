/*
 * shell/options.h - what the command line asks for.
 */
#pragma once
#include <stdbool.h>

#include "lib/ipaddr.h"
#include <weft/weft.h>

#define DEVICES_MAX 16
#define SOURCES_MAX 32

/* One --dev, and what follows up to the next. */
struct device_options {
	struct weft_device dev; /* what the stack is told */
	struct ip_addr addr;    /* weft's end */
	unsigned prefix;        /* in 128 bits */
	struct ip_addr host;    /* the host's end, if has_host */
	unsigned host_prefix;
	bool has_host;                /* not --host-addr none */
	char addr_text[IP_ADDR_TEXT]; /* what dev.addr points at, if not into argv */
};

/* Of "tap:tap0": tap0. */
const char *device_name(const struct device_options *d);
/* An interface that the kernel keeps: the host's end is not ours to set up. */
bool device_is_packet(const struct device_options *d);

/* -c LINE or -f FILE, in the order given. */
struct source {
	bool is_file;
	const char *text; /* the line, or the file's name */
};

/* How `weft run` serves a program. */
enum run_mode {
	RUN_ANY, /* both, if this machine allows it */
	RUN_PRELOAD,
	RUN_NOTIFY,
	RUN_BOTH,
};

struct options {
	struct device_options device[DEVICES_MAX];
	unsigned ndevice;
	struct source source[SOURCES_MAX];
	unsigned nsource;
	const char *gateway;
	const char *control; /* NULL: the default path */
	const char *dns;     /* of `weft run`: the name server; NULL: resolv.conf's */
	bool daemon, no_offload, probe, verbose;
	unsigned queues;
	enum run_mode mode;
	int ready_fd; /* of `weft run`'s own weft: told instead of standard error; 0: none */
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_BAD };

/* Reads weft's own options; errors are told on standard error, --help and --version answered. */
enum options_result options_parse(struct options *o, int argc, char **argv);
/*
 * Those of `weft run`, to the program's first word: its index in *first.  Without any device options
 * o->ndevice is 0.
 */
enum options_result options_parse_run(struct options *o, int argc, char **argv, int *first);
/* The devices it did not name, when a weft is started after all.  0, or -1 with the error told. */
int options_fill(struct options *o);
/* Reads `[--control PATH] [--] WORD...` of a subcommand, argv[0] being its name: optind is the first word. */
enum options_result options_words(int argc, char **argv, const char **control);
/* What main() has to say is written out: status, or CMD_FAIL with the error told. */
int output_end(int status);
/* The status of a main() whose options left nothing to run. */
int options_status(enum options_result r);
