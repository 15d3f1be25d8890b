/*
 * shell/command.c - the table of commands, and what every command says in one way.
 *
 * A command is a row here and a cmd_ function of its own file.  The rows are sorted by name.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "shell/shell_priv.h"

const struct command commands[] = {
    {.name = "arp", .args = "", .text = "the same as arpcache", .run = cmd_arp},
    {.name = "arpcache",
     .args = "",
     .text = "show the neighbour cache as tapip does",
     .run = cmd_arp},
    {.name = "arping",
     .args = "[-c COUNT] [-I DEV] [-w SECS] [-b] [-D] ADDRESS",
     .text = "ask by ARP who has an address",
     .run = cmd_arping,
     .help = "-c COUNT  end after so many requests\n"
	     "-I DEV    ask on this device\n"
	     "-w SECS   time between two requests (1)\n"
	     "-b        go on asking by broadcast once it has answered\n"
	     "-D        is the address free?  Takes up to 7 s; status 1: it is in use\n"
	     "Status 1: no answer."},
    {.name = "clear", .args = "", .text = "clear the terminal", .run = cmd_clear},
    {.name = "debug",
     .args = "[-n] LEVEL... | -c",
     .text = "show what the rooms do, until ^C",
     .run = cmd_debug,
     .help = "Levels: dev l2 arp ip icmp udp tcp tcpstate all.\n"
	     "-n  go on in the background\n"
	     "-c  end those",
     .listens = true},
    {.name = "exit", .args = "[STATUS]", .text = "end weft", .run = cmd_exit},
    {.name = "help",
     .args = "[COMMAND]",
     .text = "list the commands, or explain one",
     .run = cmd_help},
    {.name = "httpd",
     .args = "[PORT]",
     .text = "answer GET /hello and /bytes/N on a port (80)",
     .run = cmd_httpd,
     .help = "Goes on in the background; see jobs and kill. /bytes/N is N bytes of 0-9a-zA-Y over "
	     "and over.",
     .listens = true},
    {.name = "ifconfig",
     .args = "[-a | DEV [[add|del] ADDR/LEN | mtu N | up|down]...]",
     .text = "show or change devices and their addresses",
     .run = cmd_ifconfig},
    {.name = "inetd",
     .args = "[echo|discard|daytime|chargen[:PORT]]...",
     .text = "serve echo 7, discard 9, daytime 13, chargen 19 on TCP and UDP",
     .run = cmd_inetd,
     .help = "All of them when none is named. Goes on in the background; see jobs and kill.\n"
	     "Datagrams from ports below 1024 are not answered.",
     .listens = true},
    {.name = "jobs", .args = "", .text = "list what runs in the background", .run = cmd_jobs},
    {.name = "kill", .args = "ID...", .text = "end jobs", .run = cmd_kill},
    {.name = "neigh",
     .args =
	 "[-s] [show [dev DEV] | add ADDR lladdr MAC dev DEV | del ADDR dev DEV | flush [dev DEV]]",
     .text = "show or change the neighbour cache",
     .run = cmd_neigh,
     .help = "-s  with references, seconds since used/confirmed/updated (-: never), probes, "
	     "packets held;\n"
	     "    last the counts of the whole cache"},
    {.name = "netem",
     .args = "[show | DEV [in|out] [[WORD VALUE...]... | off | show]]",
     .text = "lose, delay, reorder, double, damage, slow packets",
     .run = cmd_netem,
     .help = "loss 5% [CORRELATION] | loss gemodel P [R [1-H [1-K]]] | delay 20ms [5ms] | "
	     "reorder 25% | gap N |\n"
	     "duplicate 1% | corrupt 1% | rate 10mbit | limit PACKETS | seed N | "
	     "blackout FOR EVERY | drop-frag last\n"
	     "Without in or out: both. The words and units are tc's; blackout 2s 10s lets nothing "
	     "pass for 2 s of 10."},
    {.name = "nstat",
     .args = "[-a] [PATTERN]...",
     .text = "show event counters by Linux's names",
     .run = cmd_nstat,
     .help = "-a  those that are 0 too, as of a PATTERN; that is one of the shell, '*Retrans*'"},
    {.name = "ping",
     .args = "[-c COUNT] [-s SIZE] [-t TTL] [-i SECS] [-W SECS] [-I DEV|ADDR] [-q] ADDRESS",
     .text = "send echo requests by a raw socket",
     .run = cmd_ping,
     .help = "-c COUNT  end after so many; without, ^C ends it\n"
	     "-s SIZE   payload, 0 - 65507 (56)\n"
	     "-t TTL    1 - 255\n"
	     "-i SECS   time between two (1)\n"
	     "-W SECS   how long the last answer is waited for\n"
	     "-I        device or source address\n"
	     "-q        the summary only\n"
	     "Status 1: nothing came back."},
    {.name = "ping2",
     .args = "[-c COUNT] [-s SIZE] [-t TTL] [-i SECS] [-W SECS] [-I DEV|ADDR] [-q] ADDRESS",
     .text = "the same from inside the stack",
     .run = cmd_ping2,
     .help = "Options as ping's."},
    {.name = "quit", .args = "[STATUS]", .text = "the same as exit", .run = cmd_exit},
    {.name = "route",
     .args = "[show | get ADDR | add|del [-net|-host] [blackhole|unreachable] NET/LEN|default "
	     "[gw|via ADDR | dev DEV | netmask MASK | metric N | mtu [lock] N | advmss N | "
	     "initcwnd N | src ADDR]...]",
     .text = "show or change routes",
     .run = cmd_route,
     .help = "route add -net 10.0.1.0/24 gw 10.0.0.2\n"
	     "route add 10.0.1.0/24 via 10.0.0.2 dev tap0 metric 5\n"
	     "route add default gw 10.0.0.2\n"
	     "route add blackhole 192.0.2.0/24 (or unreachable)\n"
	     "route get 198.51.100.7"},
    {.name = "snc",
     .args = "[-d] [-u] -b|-l ADDR:PORT [-k] | -c ADDR:PORT [-o FILE] [-w SECS]",
     .text = "copy between input, output and a connection, both ways",
     .run = cmd_snc,
     .help = "-b, -l    listen; -c connect\n"
	     "-u        UDP; a listener answers who spoke last\n"
	     "-k        accept again when a client has ended\n"
	     "-o FILE   what comes goes there\n"
	     "-w SECS   UDP: end after so long a silence (-c: 1 s after the input has ended)\n"
	     "-d        tell what happens\n"
	     "The end of the input closes one half; what the peer sends is still received.",
     .listens = true},
    {.name = "ss",
     .args = "[-t] [-u] [-w] [-l|-a] [-e] [-o] [-m] [-i] [-p] [--json]",
     .text = "show sockets",
     .run = cmd_ss,
     .help = "-t -u -w  TCP, UDP, raw only\n"
	     "-l, -a    those without a peer; all\n"
	     "-e        descriptor and control block by RFC 9293's names\n"
	     "-o        timers\n"
	     "-m        memory\n"
	     "-i        rto, rtt, mss, cwnd\n"
	     "-p        the program under `weft run` that has it"},
    {.name = "stat",
     .args = "[-d] [--json]",
     .text = "show what is in use: buffers, sockets, timers",
     .run = cmd_stat,
     .help = "When all is closed every gauge is back where it began.\n"
	     "-d  instead, why packets were dropped"},
    {.name = "sysctl",
     .args = "[-a] [NAME[=VALUE]]...",
     .text = "show or change settings",
     .run = cmd_sysctl},
    {.name = "tcpdump",
     .args = "[-i DEV] [-w FILE] [-c COUNT] [--cut]",
     .text = "show packets, or write them to a pcap file, until ^C",
     .run = cmd_tcpdump,
     .help = "--cut  wire frames instead of super-frames",
     .listens = true},
    {.name = "traceroute",
     .args = "[-m HOPS] [-q QUERIES] [-w SECS] ADDRESS",
     .text = "show the way to an address",
     .run = cmd_traceroute,
     .help = "-m HOPS     at most (30)\n"
	     "-q QUERIES  a hop (3)\n"
	     "-w SECS     for an answer (5)"},
    {.name = "wait", .args = "[ID]", .text = "wait for a job, or for all", .run = cmd_wait},
    {.name = NULL},
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

static void __attribute__((format(printf, 2, 0)))
cmd_say(struct cmd *c, const char *fmt, va_list ap)
{
	char *text = NULL;

	fflush(c->out);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	fputs("weft: ", c->err);
	text_show(c->err, c->argv[0]);
	fputs(": ", c->err);
	text_show(c->err, text ? text : strerror(ENOMEM));
	fputc('\n', c->err);
	free(text);
}

int cmd_error(struct cmd *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cmd_say(c, fmt, ap);
	va_end(ap);
	return CMD_FAIL;
}

int cmd_usage(struct cmd *c, const char *fmt, ...)
{
	const struct command *row = command_find(c->argv[0]);
	va_list ap;

	va_start(ap, fmt);
	cmd_say(c, fmt, ap);
	va_end(ap);
	if (row)
		fprintf(c->err, "usage: %s%s%s\n", row->name, *row->args ? " " : "", row->args);
	return CMD_USAGE;
}

bool cmd_cancelled(struct cmd *c)
{
	return job_is_cancelled(c->job) || atomic_load(&c->shell->stopping);
}

bool cmd_sleep(struct cmd *c, uint64_t ns)
{
	struct env *env = c->stack->env;
	struct waiter *w = stack_waiter(c->stack);
	uint64_t end = env_now(env) + ns;
	int r = 0;

	while (r != -ETIMEDOUT) {
		waiter_reset(w);
		if (cmd_cancelled(c))
			return false;
		r = env_wait(env, w, NULL, 0, end);
	}
	return !cmd_cancelled(c);
}
