/*
 * shell/options.c - the command line: a table of options, each a function that reads its value.
 *
 * Those of a device are read in options_device.c.
 */
#include "shell/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/options_device.h"
#include "shell/shell_priv.h"

static const char usage[] =
    "usage: weft [options]                run a stack and its net shell\n"
    "       weft ctl [--control PATH] CMD...   run a shell command in a running weft\n"
    "       weft host [--control PATH] -- PROGRAM [ARGS]   run a program at the host's end of it\n"
    "       weft run [--control PATH | device options] -- PROGRAM [ARGS]   run a program on a "
    "stack\n"
    "           --mode preload | notify | both   how it is served (both)\n"
    "           --dns ADDR              look names up there\n"
    "       weft doctor [--json] [run's words]   what is missing here; what a program did not get\n"
    "       weft sim [SCENE] [OPTIONS]   simulate a network; weft sim --help\n"
    "\n"
    "Devices; each --dev may be followed by those below it (default: tap0)\n"
    "  --dev tap:NAME | tun:NAME     open or make this interface\n"
    "  --dev packet:NAME             sit on this interface beside the kernel\n"
    "    --addr A/LEN                weft's address (10.0.0.1/24)\n"
    "    --host-addr A/LEN | none    the host's (10.0.0.2/24); none: leave its end alone\n"
    "    --mac M                     weft's hardware address (a random one)\n"
    "    --mtu N                     bytes of a datagram, 68 to 65521 (1500; packet: its own)\n"
    "  --gateway A                   default route\n"
    "  --no-offload                  no checksum or segmentation offload\n"
    "  --probe                       see that nobody has an address before it is used (7 s)\n"
    "  --queues N                    queues a device, a thread each, 1 to 16 (1)\n"
    "\n"
    "What runs\n"
    "  (nothing)                     the shell on standard input, to its end\n"
    "  -c 'CMD; CMD'                 these commands; exit with the last one's status\n"
    "  -f FILE                       the commands of a file, likewise\n"
    "  -d                            no shell: stay until SIGTERM\n"
    "  --control PATH                socket of weft ctl\n"
    "  -v                            say what is done\n"
    "  -h, --help, --version\n"
    "\n"
    "`help` at the prompt lists the commands.\n";

#define OPTION_ANSWERED 1 /* there is nothing left to do */

int option_error(const char *name, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	shell_error("%s: %s (see weft --help)", name, why);
	return -1;
}

int option_number(const char *name, const char *v, unsigned min, unsigned max)
{
	char *end;
	unsigned long n = strtoul(v, &end, 10);

	if (*v < '0' || *v > '9' || *end || n < min || n > max)
		return option_error(name, "%s: not a number from %u to %u", v, min, max);
	return (int)n;
}

static int option_queues(struct options *o, const char *v)
{
	int n = option_number("--queues", v, 1, 16);

	o->queues = (unsigned)n;
	return n < 0 ? n : 0;
}

static int option_gateway(struct options *o, const char *v)
{
	struct ip_addr a;

	if (ip_addr_parse(v, &a) || !ip_addr_is4(&a) || ip_addr_is_any(&a))
		return option_error("--gateway", "%s: not an IPv4 address", v);
	o->gateway = v;
	return 0;
}

static int option_dns(struct options *o, const char *v)
{
	struct ip_addr a;

	if (ip_addr_parse(v, &a) || !ip_addr_is4(&a) || ip_addr_is_any(&a))
		return option_error("--dns", "%s: not an IPv4 address", v);
	o->dns = v;
	return 0;
}

static int option_source(struct options *o, const char *v, bool is_file)
{
	if (o->nsource == SOURCES_MAX)
		return option_error(is_file ? "-f" : "-c", "more than %d of -c and -f",
				    SOURCES_MAX);
	o->source[o->nsource++] = (struct source){.is_file = is_file, .text = v};
	return 0;
}

static int option_line(struct options *o, const char *v)
{
	return option_source(o, v, false);
}

static int option_file(struct options *o, const char *v)
{
	return option_source(o, v, true);
}

static int option_control(struct options *o, const char *v)
{
	o->control = v;
	return *v ? 0 : option_error("--control", "the path is empty");
}

static int option_daemon(struct options *o, const char *v)
{
	o->daemon = true;
	return 0;
}

static int option_no_offload(struct options *o, const char *v)
{
	o->no_offload = true;
	return 0;
}

static int option_probe(struct options *o, const char *v)
{
	o->probe = true;
	return 0;
}

static int option_verbose(struct options *o, const char *v)
{
	o->verbose = true;
	return 0;
}

static int option_mode(struct options *o, const char *v)
{
	static const char *const modes[] = {
	    [RUN_PRELOAD] = "preload", [RUN_NOTIFY] = "notify", [RUN_BOTH] = "both"};

	for (unsigned i = RUN_PRELOAD; i <= RUN_BOTH; i++) {
		if (strcmp(v, modes[i]) == 0)
			o->mode = (enum run_mode)i;
	}
	return o->mode != RUN_ANY ? 0 : option_error(v, "a mode is preload, notify or both");
}

static int option_help(struct options *o, const char *v)
{
	fputs(usage, stdout);
	return OPTION_ANSWERED;
}

static int option_version(struct options *o, const char *v)
{
	puts("weft " WEFT_VERSION);
	return OPTION_ANSWERED;
}

static const struct option_row {
	const char *name; /* NULL: the letter alone */
	char letter;      /* 0: the name alone */
	bool value;
	int (*read)(struct options *o,
		    const char *v); /* < 0: wrong, and said so; or OPTION_ANSWERED */
} rows[] = {
    {"dev", 0, true, option_dev},
    {"addr", 0, true, option_addr},
    {"host-addr", 0, true, option_host_addr},
    {"mac", 0, true, option_mac},
    {"mtu", 0, true, option_mtu},
    {"gateway", 0, true, option_gateway},
    {"queues", 0, true, option_queues},
    {"control", 0, true, option_control},
    {"dns", 0, true, option_dns},
    {"mode", 0, true, option_mode},
    {"no-offload", 0, false, option_no_offload},
    {"probe", 0, false, option_probe},
    {"help", 'h', false, option_help},
    {"version", 0, false, option_version},
    {NULL, 'c', true, option_line},
    {NULL, 'f', true, option_file},
    {NULL, 'd', false, option_daemon},
    {NULL, 'v', false, option_verbose},
};

#define NROWS (sizeof(rows) / sizeof(rows[0]))
#define OPTION_FIRST 256 /* getopt_long's values of the rows: beyond every letter */

/* The rows as getopt_long() wants them: long_[NROWS + 1] and short_[2 * NROWS + 3]. */
static void options_table(struct option *long_, char *short_)
{
	*short_++ = '+';
	*short_++ = ':';
	for (unsigned i = 0; i < NROWS; i++) {
		if (rows[i].name)
			*long_++ = (struct option){rows[i].name, rows[i].value, NULL,
						   OPTION_FIRST + (int)i};
		if (rows[i].letter)
			*short_++ = rows[i].letter;
		if (rows[i].letter && rows[i].value)
			*short_++ = ':';
	}
	*short_ = '\0';
	*long_ = (struct option){0};
}

static const struct option_row *option_row(int opt)
{
	unsigned i = 0;

	if (opt >= OPTION_FIRST)
		return &rows[opt - OPTION_FIRST];
	while (i < NROWS - 1 && rows[i].letter != opt)
		i++;
	return &rows[i];
}

/* What getopt_long() did not like: its word as typed. */
static int option_unknown(int opt, char **argv)
{
	char letter[3] = {'-', (char)optopt, '\0'};
	const char *word = optopt > 0 && optopt < OPTION_FIRST ? letter : argv[optind - 1];

	return option_error(word, opt == ':'               ? "its value is missing"
				  : optopt >= OPTION_FIRST ? "it takes no value"
							   : "unknown option");
}

enum options_result options_words(int argc, char **argv, const char **control)
{
	static const struct option own[] = {{"control", required_argument, NULL, OPTION_FIRST},
					    {"help", no_argument, NULL, 'h'},
					    {0}};
	int opt;

	opterr = 0;
	optind = 1;
	while ((opt = getopt_long(argc, argv, "+:h", own, NULL)) != -1) {
		if (opt == 'h') {
			option_help(NULL, NULL);
			return OPTIONS_DONE;
		}
		if (opt != OPTION_FIRST) {
			option_unknown(opt, argv);
			return OPTIONS_BAD;
		}
		*control = optarg;
	}
	if (optind < argc)
		return OPTIONS_RUN;
	shell_error("%s: nothing to run (see weft --help)", argv[0]);
	return OPTIONS_BAD;
}

/* To the first word that is none: optind. */
static enum options_result options_read(struct options *o, int argc, char **argv)
{
	struct option long_[NROWS + 1];
	char short_[2 * NROWS + 3];
	int opt, r;

	*o = (struct options){.queues = 1};
	options_table(long_, short_);
	opterr = 0;
	optind = 1;
	while ((opt = getopt_long(argc, argv, short_, long_, NULL)) != -1) {
		if (opt == '?' || opt == ':') {
			option_unknown(opt, argv);
			return OPTIONS_BAD;
		}
		r = option_row(opt)->read(o, optarg);
		if (r < 0)
			return OPTIONS_BAD;
		if (r == OPTION_ANSWERED)
			return OPTIONS_DONE;
	}
	return OPTIONS_RUN;
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
	enum options_result r = options_read(o, argc, argv);

	if (r != OPTIONS_RUN)
		return r;
	if (optind < argc || o->mode != RUN_ANY) {
		option_error(optind < argc ? argv[optind] : "--mode",
			     optind < argc ? "unknown command" : "only of weft run");
		return OPTIONS_BAD;
	}
	if (o->dns) {
		option_error("--dns", "only of weft run");
		return OPTIONS_BAD;
	}
	return options_complete(o) ? OPTIONS_BAD : OPTIONS_RUN;
}

enum options_result options_parse_run(struct options *o, int argc, char **argv, int *first)
{
	enum options_result r = options_read(o, argc, argv);

	if (r != OPTIONS_RUN)
		return r;
	*first = optind;
	if (optind < argc)
		return OPTIONS_RUN;
	shell_error("run: nothing to run (see weft --help)");
	return OPTIONS_BAD;
}

int output_end(int status)
{
	if (fflush(stdout) == 0)
		return status;
	shell_error("standard output: %s", strerror(errno));
	return CMD_FAIL;
}

int options_status(enum options_result r)
{
	return r == OPTIONS_DONE ? output_end(CMD_OK) : CMD_USAGE;
}

int options_fill(struct options *o)
{
	return options_complete(o);
}
