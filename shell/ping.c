/*
 * shell/ping.c - the schedule, output and statistics of both pings, in iputils' words.
 */
#include "shell/ping.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/netdev.h"
#include "shell/parse.h"

#define PING_INTERVAL NSEC_PER_SEC
#define PING_WAIT (10 * NSEC_PER_SEC) /* for the last answer, when none has come */

int64_t ping_check(const uint8_t *data, uint32_t off, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (data[i] != (uint8_t)(off + i))
			return off + i;
	return -1;
}

/* --- options ----------------------------------------------------------------------------------- */

/* -I: a device or an address of ours. */
static int ping_interface(struct ping *p, const char *text)
{
	p->dev = netdev_by_name(p->c->stack, text);
	if (p->dev)
		return CMD_OK;
	if (ip_addr_parse(text, &p->src))
		return cmd_error(p->c, "%s: neither a device nor an address", text);
	return CMD_OK;
}

static int ping_number(struct ping *p, int letter, const char *arg)
{
	static const struct range count = {"count", 1, UINT32_MAX}, ttl = {"ttl", 1, 255},
				  size = {"size", 0, PING_SIZE_MAX};
	uint64_t v = 0;
	int status = parse_count(p->c, arg,
				 letter == 'c'   ? &count
				 : letter == 's' ? &size
						 : &ttl,
				 &v);

	if (letter == 'c')
		p->count = v;
	else if (letter == 's')
		p->size = (uint32_t)v;
	else
		p->ttl = (uint8_t)v;
	return status;
}

static int ping_option(struct ping *p, int letter, const char *arg)
{
	static const struct range interval = {"interval", NSEC_PER_MSEC, 3600 * NSEC_PER_SEC},
				  wait = {"time", NSEC_PER_MSEC, 3600 * NSEC_PER_SEC};

	switch (letter) {
	case 'c':
	case 's':
	case 't':
		return ping_number(p, letter, arg);
	case 'i':
		return parse_seconds(p->c, arg, &interval, &p->interval);
	case 'W':
		return parse_seconds(p->c, arg, &wait, &p->wait);
	case 'I':
		return ping_interface(p, arg);
	default:
		p->quiet |= letter == 'q';
		return CMD_OK;
	}
}

static int ping_options(struct ping *p)
{
	struct opts o = {.c = p->c};
	int letter, status;

	while ((letter = opts_next(&o, "c:s:t:i:W:I:nq")) > 0) {
		status = ping_option(p, letter, o.arg);
		if (status)
			return status;
	}
	if (letter < 0)
		return CMD_USAGE;
	if (o.index + 1 != p->c->argc)
		return cmd_usage(p->c, "one address is wanted");
	status = parse_addr(p->c, p->c->argv[o.index], &p->dst);
	if (status)
		return status;
	if (!ip_addr_is4(&p->dst))
		return cmd_error(p->c, "%s: %s", p->c->argv[o.index], strerror(EAFNOSUPPORT));
	if (ip_addr_is_any(&p->dst))
		p->dst = ip_addr_loop4;
	return CMD_OK;
}

/* --- output ------------------------------------------------------------------------------------ */

static const char *ping_unreach_text(uint8_t code)
{
	static const char *const text[] = {
	    "Destination Net Unreachable",
	    "Destination Host Unreachable",
	    "Destination Protocol Unreachable",
	    "Destination Port Unreachable",
	    "Frag needed and DF set",
	    "Source Route Failed",
	    "Destination Net Unknown",
	    "Destination Host Unknown",
	    "Source Host Isolated",
	    "Destination Net Prohibited",
	    "Destination Host Prohibited",
	    "Destination Net Unreachable for Type of Service",
	    "Destination Host Unreachable for Type of Service",
	    "Packet filtered",
	    "Precedence Violation",
	    "Precedence Cutoff",
	};

	return code < sizeof(text) / sizeof(text[0]) ? text[code] : "Destination Unreachable";
}

static void ping_print_error(struct ping *p, const struct ping_reply *r)
{
	struct ip_addr gateway = ip_addr4(r->info);
	char text[IP_ADDR_TEXT];
	FILE *out = p->c->out;

	fprintf(out, "From %s icmp_seq=%u ", ip_addr_text(&r->from, text), r->seq);
	if (r->type == ICMP_DEST_UNREACH && r->code == ICMP_FRAG_NEEDED)
		fprintf(out, "%s (mtu = %u)\n", ping_unreach_text(r->code), r->info & 0xffff);
	else if (r->type == ICMP_DEST_UNREACH)
		fprintf(out, "%s\n", ping_unreach_text(r->code));
	else if (r->type == ICMP_TIME_EXCEEDED)
		fprintf(out, "%s\n",
			r->code == ICMP_EXC_TTL ? "Time to live exceeded"
						: "Frag reassembly time exceeded");
	else if (r->type == ICMP_PARAM_PROBLEM)
		fprintf(out, "Parameter problem: pointer = %u\n", r->info >> 24);
	else if (r->type == ICMP_REDIRECT)
		fprintf(out, "Redirect %s (New nexthop: %s)\n",
			r->code == ICMP_REDIR_HOST ? "Host" : "Network",
			ip_addr_text(&gateway, text));
	else
		fprintf(out, "ICMP type %u code %u\n", r->type, r->code);
}

static void ping_print_reply(struct ping *p, const struct ping_reply *r, double ms, bool again)
{
	char text[IP_ADDR_TEXT];

	if (p->quiet)
		return;
	fprintf(p->c->out, "%u bytes from %s: icmp_seq=%u ttl=%u", r->len,
		ip_addr_text(&r->from, text), r->seq, r->ttl);
	if (ms >= 0)
		fprintf(p->c->out, " time=%.*f ms",
			ms < 1     ? 3
			: ms < 10  ? 2
			: ms < 100 ? 1
				   : 0,
			ms);
	if (again)
		fprintf(p->c->out, " (DUP!)");
	if (r->len != p->size + ICMP_HLEN)
		fprintf(p->c->out, " (truncated)");
	fputc('\n', p->c->out);
	if (r->bad_at >= 0)
		fprintf(p->c->out, "wrong data byte #%" PRId64 "\n", r->bad_at);
}

/* --- what came back ---------------------------------------------------------------------------- */

static void ping_account(struct ping *p, double ms)
{
	p->min = !p->received || ms < p->min ? ms : p->min;
	p->max = !p->received || ms > p->max ? ms : p->max;
	p->sum += ms;
	p->sum2 += ms * ms;
	p->received++;
}

static void ping_answer(struct ping *p, const struct ping_reply *r)
{
	struct ping_sent *t = &p->track[r->seq % PING_TRACK];
	bool known = t->used && t->seq == r->seq, again = known && t->answered;
	double ms = known ? (double)(r->when - t->when) / 1e6 : -1;

	if (r->bad_at >= 0 || r->len != p->size + ICMP_HLEN)
		p->corrupted++;
	if (again || !known)
		p->duplicates++;
	else
		ping_account(p, ms);
	t->answered |= known;
	ping_print_reply(p, r, ms, again);
}

static void ping_take(struct ping *p, const struct ping_reply *r)
{
	if (r->type == ICMP_ECHO_REPLY) {
		ping_answer(p, r);
	} else {
		if (r->type != ICMP_REDIRECT)
			p->errors++;
		ping_print_error(p, r);
	}
	fflush(p->c->out);
}

/* --- the schedule ------------------------------------------------------------------------------ */

static int ping_send(struct ping *p)
{
	uint16_t seq = (uint16_t)(p->sent + 1);
	uint64_t now = env_now(p->c->stack->env);
	int err;

	p->track[seq % PING_TRACK] = (struct ping_sent){.when = now, .seq = seq, .used = true};
	if (!p->sent)
		p->first = now;
	err = p->ops->send(p, seq);
	p->sent++;
	if (err)
		p->errors++;
	if (err == -EINTR)
		return err;
	if (err)
		cmd_error(p->c, "sendmsg: %s", strerror(-err));
	return 0;
}

static bool ping_all_told(const struct ping *p)
{
	return p->count && p->received + p->errors >= p->count;
}

/* How long the last answer is waited for: iputils' twice the longest round trip, but a second at least. */
static uint64_t ping_linger(const struct ping *p)
{
	uint64_t twice = (uint64_t)(p->max * 2e6);

	if (p->wait)
		return p->wait;
	if (!p->received)
		return PING_WAIT;
	return twice > NSEC_PER_SEC ? twice : NSEC_PER_SEC;
}

/* Until `deadline`, or all that is to come has come.  False: cancelled. */
static bool ping_listen(struct ping *p, uint64_t deadline)
{
	struct ping_reply r;
	int got;

	do {
		got = p->ops->recv(p, &r, deadline);
		if (got > 0)
			ping_take(p, &r);
		if (got == -EINTR || cmd_cancelled(p->c) || ferror(p->c->out))
			return false;
		if (p->sent == p->count && ping_all_told(p))
			return true;
	} while (env_now(p->c->stack->env) < deadline);
	return true;
}

static void ping_loop(struct ping *p)
{
	struct env *env = p->c->stack->env;
	uint64_t next = env_now(env);

	for (;;) {
		if (ping_send(p))
			return;
		next += p->interval;
		if (p->count && p->sent >= p->count)
			break;
		if (!ping_listen(p, next))
			return;
	}
	if (!ping_all_told(p))
		ping_listen(p, env_now(env) + ping_linger(p));
}

static void ping_summary(struct ping *p)
{
	uint64_t lost = p->sent > p->received ? p->sent - p->received : 0;
	double n = (double)p->received, average = p->sum / n;
	double variance = p->sum2 / n - average * average;
	FILE *out = p->c->out;

	fprintf(out, "\n--- %s ping statistics ---\n", p->c->argv[p->c->argc - 1]);
	fprintf(out, "%" PRIu64 " packets transmitted, %" PRIu64 " received", p->sent, p->received);
	if (p->duplicates)
		fprintf(out, ", +%" PRIu64 " duplicates", p->duplicates);
	if (p->corrupted)
		fprintf(out, ", +%" PRIu64 " corrupted", p->corrupted);
	if (p->errors)
		fprintf(out, ", +%" PRIu64 " errors", p->errors);
	fprintf(out, ", %g%% packet loss, time %" PRIu64 "ms\n",
		p->sent ? (double)lost * 100 / (double)p->sent : 0,
		(uint64_t)((env_now(p->c->stack->env) - p->first) / NSEC_PER_MSEC));
	if (p->received)
		fprintf(out, "rtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", p->min, average,
			p->max, variance > 0 ? sqrt(variance) : 0);
}

static int ping_open(struct ping *p)
{
	p->data = malloc(PING_SIZE_MAX);
	p->track = calloc(PING_TRACK, sizeof(*p->track));
	if (!p->data || !p->track)
		return cmd_error(p->c, "no memory");
	for (uint32_t i = 0; i < PING_SIZE_MAX; i++)
		p->data[i] = (uint8_t)i;
	p->id = (uint16_t)env_random(p->c->stack->env);
	return p->ops->open(p);
}

int ping_run(struct cmd *c, const struct ping_ops *ops)
{
	struct ping p = {.c = c, .ops = ops, .interval = PING_INTERVAL, .size = 56};
	char text[IP_ADDR_TEXT];
	int status = ping_options(&p);

	if (status)
		return status;
	status = ping_open(&p);
	if (!status) {
		fprintf(c->out, "PING %s (%s) %u(%u) bytes of data.\n", c->argv[c->argc - 1],
			ip_addr_text(&p.dst, text), p.size, p.size + ICMP_HLEN + 20);
		fflush(c->out);
		ping_loop(&p);
		ping_summary(&p);
		ops->close(&p);
		status = p.received ? CMD_OK : CMD_FAIL;
	}
	free(p.track);
	free(p.data);
	return status;
}
