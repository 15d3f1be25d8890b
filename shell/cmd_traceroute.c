/*
 * shell/cmd_traceroute.c - `traceroute`: UDP probes with a TTL that grows, and the ICMP errors about them,
 * by the public calls as any program would.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/wire/icmp4.h"
#include "lib/wire/ip4.h"
#include "lib/wire/udp.h"
#include "shell/parse.h"

#define TRACE_PORT 33434u
#define TRACE_PAYLOAD 32u /* 60 bytes with its headers */

/* LOCKING: its command's thread only. */
struct trace {
	struct cmd *c;
	struct ip_addr dst;
	uint64_t max, queries, wait;
	int udp, icmp;
	uint16_t sport;       /* of our probes */
	uint16_t dport;       /* of the probe in flight */
	uint64_t sent_at;     /* ns */
	struct ip_addr shown; /* who answered last on this line */
	bool reached;
};

struct trace_answer {
	struct ip_addr from;
	uint8_t type, code;
};

static int trace_open(struct trace *t)
{
	struct sockaddr_in sin;
	socklen_t n = sizeof(sin);

	t->icmp = weft_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	t->udp = weft_socket(AF_INET, SOCK_DGRAM, 0);
	sockaddr_of(&ip_addr_any4, 0, &sin);
	if (t->icmp < 0 || t->udp < 0 ||
	    weft_bind(t->udp, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    weft_getsockname(t->udp, (struct sockaddr *)&sin, &n) < 0)
		return cmd_error(t->c, "socket: %s", strerror(errno));
	t->sport = ntohs(sin.sin_port);
	return CMD_OK;
}

static int trace_send(struct trace *t, int ttl)
{
	char payload[TRACE_PAYLOAD] = "weft traceroute";
	struct sockaddr_in sin;

	t->dport++;
	sockaddr_of(&t->dst, t->dport, &sin);
	if (weft_setsockopt(t->udp, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) < 0)
		return -errno;
	t->sent_at = env_now(t->c->stack->env);
	if (weft_sendto(t->udp, payload, sizeof(payload), 0, (struct sockaddr *)&sin, sizeof(sin)) <
	    0)
		return -errno;
	return 0;
}

/* True: a datagram of n bytes is an error about the probe in flight. */
static bool trace_parse(const struct trace *t, const uint8_t *data, size_t n,
			struct trace_answer *a)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)data, *quote;
	const struct icmp4_hdr *icmp;
	const struct udp_hdr *udp;
	struct ip_addr dst;
	size_t off;

	if (n < IP4_HLEN || n < ip4_hdr_len(ip) + ICMP_HLEN + IP4_HLEN)
		return false;
	off = ip4_hdr_len(ip);
	icmp = (const struct icmp4_hdr *)(data + off);
	quote = (const struct ip4_hdr *)(data + off + ICMP_HLEN);
	off += ICMP_HLEN + ip4_hdr_len(quote);
	if (quote->proto != IP_PROTO_UDP || n < off + UDP_HLEN)
		return false;
	udp = (const struct udp_hdr *)(data + off);
	dst = ip_addr4_be(quote->dst);
	*a = (struct trace_answer){ip_addr4_be(ip->src), icmp->type, icmp->code};
	return (icmp->type == ICMP_TIME_EXCEEDED || icmp->type == ICMP_DEST_UNREACH) &&
	       be16_get(udp->sport) == t->sport && be16_get(udp->dport) == t->dport &&
	       ip_addr_eq(&dst, &t->dst);
}

/* 1: an answer; 0: none in time; -EINTR. */
static int trace_recv(struct trace *t, struct trace_answer *a)
{
	struct env *env = t->c->stack->env;
	struct pollfd f = {.fd = t->icmp, .events = POLLIN};
	uint64_t now, deadline = t->sent_at + t->wait;
	uint8_t data[1600];
	ssize_t n;

	while ((now = env_now(env)) < deadline) {
		if (weft_poll(&f, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1) < 0)
			return -EINTR;
		while ((n = weft_recv(t->icmp, data, sizeof(data), MSG_DONTWAIT)) >= 0)
			if (trace_parse(t, data, (size_t)n, a))
				return 1;
	}
	return cmd_cancelled(t->c) ? -EINTR : 0;
}

/* traceroute's letters: what kept the probe from going on, or that it arrived. */
static void trace_print(struct trace *t, const struct trace_answer *a)
{
	static const char *const mark[] = {" !N", " !H", " !P", "", " !F", " !S"};
	double ms = (double)(env_now(t->c->stack->env) - t->sent_at) / 1e6;
	char text[IP_ADDR_TEXT];

	if (!ip_addr_eq(&a->from, &t->shown))
		fprintf(t->c->out, "  %s", ip_addr_text(&a->from, text));
	t->shown = a->from;
	fprintf(t->c->out, "  %.3f ms", ms);
	if (a->type != ICMP_DEST_UNREACH)
		return;
	t->reached = true;
	if (a->code < sizeof(mark) / sizeof(mark[0]))
		fprintf(t->c->out, "%s", mark[a->code]);
	else
		fprintf(t->c->out, " !<%u>", a->code);
}

static int trace_hop(struct trace *t, int ttl)
{
	struct trace_answer a;
	int r;

	fprintf(t->c->out, "%2d", ttl);
	t->shown = ip_addr_any;
	for (uint64_t q = 0; q < t->queries; q++) {
		if (fflush(t->c->out) || ferror(t->c->out))
			return CMD_FAIL;
		r = trace_send(t, ttl);
		if (r) {
			fputc('\n', t->c->out);
			return r == -EINTR ? CMD_INTERRUPTED
					   : cmd_error(t->c, "sendto: %s", strerror(-r));
		}
		r = trace_recv(t, &a);
		if (r < 0) {
			fputc('\n', t->c->out);
			return CMD_INTERRUPTED;
		}
		if (r)
			trace_print(t, &a);
		else
			fputs("  *", t->c->out);
	}
	fputc('\n', t->c->out);
	return CMD_OK;
}

static int trace_run(struct trace *t)
{
	char text[IP_ADDR_TEXT];
	int status = trace_open(t);

	if (!status)
		fprintf(t->c->out, "traceroute to %s (%s), %" PRIu64 " hops max, %u byte packets\n",
			t->c->argv[t->c->argc - 1], ip_addr_text(&t->dst, text), t->max,
			TRACE_PAYLOAD + UDP_HLEN + IP4_HLEN);
	for (int ttl = 1; !status && !t->reached && (uint64_t)ttl <= t->max; ttl++)
		status = trace_hop(t, ttl);
	if (t->icmp >= 0)
		weft_close(t->icmp);
	if (t->udp >= 0)
		weft_close(t->udp);
	return status;
}

int cmd_traceroute(struct cmd *c)
{
	static const struct range max = {"hops", 1, 255}, queries = {"queries", 1, 10},
				  wait = {"time", NSEC_PER_MSEC, 3600 * NSEC_PER_SEC};
	struct trace t = {.c = c,
			  .max = 30,
			  .queries = 3,
			  .wait = 5 * NSEC_PER_SEC,
			  .udp = -1,
			  .icmp = -1,
			  .dport = TRACE_PORT - 1};
	struct opts o = {.c = c};
	int letter = 0, status = CMD_OK;

	while (!status && (letter = opts_next(&o, "m:q:w:n")) > 0) {
		if (letter == 'm')
			status = parse_count(c, o.arg, &max, &t.max);
		else if (letter == 'q')
			status = parse_count(c, o.arg, &queries, &t.queries);
		else if (letter == 'w')
			status = parse_seconds(c, o.arg, &wait, &t.wait);
	}
	if (status || letter < 0)
		return status ? status : CMD_USAGE;
	if (o.index + 1 != c->argc)
		return cmd_usage(c, "one address is wanted");
	status = parse_addr(c, c->argv[o.index], &t.dst);
	return status ? status : trace_run(&t);
}
