/*
 * shell/cmd_ss.c - `ss`: sockets in iproute2's words and columns, and by -e the control block in RFC 9293's.
 *
 * Without -a and -l: what has a peer.  TIME-WAIT is shown too, unlike there.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ip/inet_hash.h"
#include "ip/raw.h"
#include "lib/text.h"
#include "lib/wire/ip4.h"
#include "shell/parse.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

/* A descriptor and the sock behind it, which is compared only. */
struct ss_fd {
	const struct sock *sk;
	int fd;
};

/* LOCKING: its command's thread only. */
struct ss {
	struct cmd *c;
	bool tcp, udp, raw; /* none: all */
	bool listening, all;
	bool extended, timers, memory, info, json, programs;
	bool bare;         /* no line of titles */
	struct ss_fd *fds; /* sorted by sk */
	size_t nfds, room;
	FILE *out;         /* memory: nothing waits for a reader inside a batch */
	const char *comma; /* JSON: before the next */
};

/* One line. */
struct ss_row {
	const char *netid, *state;
	const struct sock *sk; /* compared only */
	uint8_t families;      /* SOCK_FAMILY_ */
	struct tcp_view v;
};

static const char *ss_state_text(unsigned state)
{
	static const char *const text[TCP_NSTATES] = {
	    [TCP_ESTABLISHED] = "ESTAB",    [TCP_SYN_SENT] = "SYN-SENT",
	    [TCP_SYN_RECV] = "SYN-RECV",    [TCP_FIN_WAIT1] = "FIN-WAIT-1",
	    [TCP_FIN_WAIT2] = "FIN-WAIT-2", [TCP_TIME_WAIT] = "TIME-WAIT",
	    [TCP_CLOSE] = "UNCONN",         [TCP_CLOSE_WAIT] = "CLOSE-WAIT",
	    [TCP_LAST_ACK] = "LAST-ACK",    [TCP_LISTEN] = "LISTEN",
	    [TCP_CLOSING] = "CLOSING",
	};

	return state < TCP_NSTATES && text[state] ? text[state] : "UNKNOWN";
}

/* --- descriptors ------------------------------------------------------------------------------- */

static void ss_fd_add(const struct socket_view *v, void *arg)
{
	struct ss *s = arg;
	struct ss_fd *grown;

	if (s->nfds == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		grown = realloc(s->fds, s->room * sizeof(*grown));
		if (!grown) {
			s->room = s->nfds;
			return;
		}
		s->fds = grown;
	}
	s->fds[s->nfds++] = (struct ss_fd){v->sk, v->fd};
}

static int ss_fd_compare(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct ss_fd *)a)->sk;
	uintptr_t y = (uintptr_t)((const struct ss_fd *)b)->sk;

	return x < y ? -1 : x > y;
}

/* -1: no program holds it. */
static int ss_fd_of(const struct ss *s, const struct sock *sk)
{
	struct ss_fd key = {sk, 0}, *found = NULL;

	if (s->nfds)
		found = bsearch(&key, s->fds, s->nfds, sizeof(key), ss_fd_compare);
	return found ? found->fd : -1;
}

/* --- a line ------------------------------------------------------------------------------------ */

static void ss_port_text(const struct ss_row *r, uint16_t port, char *to, size_t n)
{
	if (!port)
		snprintf(to, n, "*");
	else if (r->netid[0] == 'r' && port == IP_PROTO_ICMP)
		snprintf(to, n, "icmp");
	else
		snprintf(to, n, "%u", port);
}

/* Who has no address yet: IPv4's, both families', or with IPV6_V6ONLY those of IPv6, which nobody has. */
static const char *ss_any_text(const struct ss_row *r)
{
	switch (r->families) {
	case SOCK_FAMILY_4:
		return "0.0.0.0";
	case SOCK_FAMILY_6:
		return "[::]";
	default:
		return "*";
	}
}

static void ss_end_text(const struct ss_row *r, bool peer, char *to, size_t n)
{
	const struct ip_addr *a = peer ? &r->v.raddr : &r->v.laddr;
	char addr[IP_ADDR_TEXT], port[8];

	ss_port_text(r, peer ? r->v.rport : r->v.lport, port, sizeof(port));
	snprintf(to, n, "%s:%s", ip_addr_is_any(a) ? ss_any_text(r) : ip_addr_text(a, addr), port);
}

static void ss_print_timer(FILE *out, const struct tcp_view *v)
{
	double left = (double)v->timer_ns / 1e9;

	if (!v->timer)
		return;
	if (left < 1)
		fprintf(out, " timer:(%s,%.0fms,%u)", v->timer, left * 1e3, v->retransmits);
	else if (left < 60)
		fprintf(out, " timer:(%s,%.3gsec,%u)", v->timer, left, v->retransmits);
	else
		fprintf(out, " timer:(%s,%umin,%u)", v->timer, (unsigned)(left / 60),
			v->retransmits);
}

static void ss_print_memory(FILE *out, const struct tcp_view *v)
{
	fprintf(out, " skmem:(r%u,rb%u,t%u,tb%u,f0,w%u,o0,bl%u,d0)", v->rcv_bytes, v->rcvbuf,
		v->snd_bytes, v->sndbuf, v->snd_bytes, v->backlog);
}

/* Bits a second, as ss of iproute2 writes them. */
static void ss_print_rate(FILE *out, const char *name, uint64_t bytes)
{
	static const char unit[] = {' ', 'K', 'M', 'G', 'T'};
	double bits = (double)bytes * 8;
	unsigned u = 0;

	if (bytes == 0)
		return;
	for (; bits >= 1000 && u + 1 < sizeof(unit); u++)
		bits /= 1000;
	fprintf(out, " %s %.3g%.*sbps", name, bits, u > 0, &unit[u]);
}

static void ss_print_info(FILE *out, const struct tcp_view *v)
{
	if (v->cc)
		fprintf(out, " %s", v->cc);
	if (v->snd_wscale || v->rcv_wscale)
		fprintf(out, " wscale:%u,%u", v->snd_wscale, v->rcv_wscale);
	fprintf(out, " rto:%g", v->rto_us / 1e3);
	if (v->srtt_us)
		fprintf(out, " rtt:%g/%g", v->srtt_us / 1e3, v->rttvar_us / 1e3);
	fprintf(out, " mss:%u advmss:%u", v->mss, v->advmss);
	if (v->mss)
		fprintf(out, " cwnd:%u", v->cwnd / v->mss);
	if (v->mss && v->ssthresh && v->ssthresh < 0x7fffffff)
		fprintf(out, " ssthresh:%u", v->ssthresh / v->mss);
	if (v->retransmits)
		fprintf(out, " backoff:%u", v->retransmits);
	ss_print_rate(out, "pacing_rate", v->pacing_rate);
	ss_print_rate(out, "delivery_rate", v->delivery_rate);
}

#define SS_NAME 32

/* The program that has it, and its name; 0: none. */
static int ss_program_of(struct ss *s, int fd, char name[SS_NAME])
{
	int pid = s->programs && fd >= 0 ? cmd_program_of(s->c, fd) : 0;
	char path[64];
	FILE *f;

	if (!pid)
		return 0;
	strcpy(name, "?");
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(name, SS_NAME, f))
		name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
	return pid;
}

/* As iproute2 writes it; without the descriptor, which is the program's affair. */
static void ss_print_program(struct ss *s, int fd)
{
	char name[SS_NAME];
	int pid = ss_program_of(s, fd, name);

	if (!pid)
		return;
	fputs(" users:((\"", s->out);
	text_show(s->out, name);
	fprintf(s->out, "\",pid=%d))", pid);
}

static void ss_print_tcb(FILE *out, const struct tcp_view *v)
{
	fprintf(out,
		"\n\t SND.UNA=%u SND.NXT=%u SND.WND=%u SND.UP=%u SND.WL1=%u SND.WL2=%u ISS=%u"
		" RCV.NXT=%u RCV.WND=%u RCV.UP=%u IRS=%u",
		v->snd_una, v->snd_nxt, v->snd_wnd, v->snd_up, v->snd_wl1, v->snd_wl2, v->iss,
		v->rcv_nxt, v->rcv_wnd, v->rcv_up, v->irs);
}

static void ss_print(struct ss *s, const struct ss_row *r)
{
	bool stream = r->netid[0] == 't' && r->v.state != TCP_LISTEN;
	char local[IP_ADDR_TEXT + 8], peer[IP_ADDR_TEXT + 8];
	FILE *out = s->out;
	int fd = ss_fd_of(s, r->sk);

	ss_end_text(r, false, local, sizeof(local));
	ss_end_text(r, true, peer, sizeof(peer));
	if (s->tcp + s->udp + s->raw != 1)
		fprintf(out, "%-5s ", r->netid);
	fprintf(out, "%-10s %-6u %-6u %21s %21s", r->state, r->v.rcvq, r->v.sndq, local, peer);
	if (s->timers)
		ss_print_timer(out, &r->v);
	if (s->extended && fd >= 0)
		fprintf(out, " fd:%d", fd);
	if (s->extended && r->v.orphan)
		fprintf(out, " orphan");
	ss_print_program(s, fd);
	if (s->memory)
		ss_print_memory(out, &r->v);
	if (s->info && stream)
		ss_print_info(out, &r->v);
	if (s->extended && stream && r->v.state != TCP_TIME_WAIT)
		ss_print_tcb(out, &r->v);
	fputc('\n', out);
}

/* A family's own text: both families' is IPv6's. */
static const char *ss_json_addr(const struct ss_row *r, const struct ip_addr *a,
				char addr[IP_ADDR_TEXT])
{
	if (!ip_addr_is_any(a))
		return ip_addr_text(a, addr);
	return r->families == SOCK_FAMILY_4 ? "0.0.0.0" : "::";
}

static void ss_print_json_program(struct ss *s, int fd)
{
	char name[SS_NAME];
	int pid = ss_program_of(s, fd, name);

	if (!pid)
		return;
	fputs(", \"program\": ", s->out);
	text_show_json(s->out, name);
	fprintf(s->out, ", \"pid\": %d", pid);
}

static void ss_print_json(struct ss *s, const struct ss_row *r)
{
	const struct tcp_view *v = &r->v;
	char local[IP_ADDR_TEXT], peer[IP_ADDR_TEXT];
	FILE *out = s->out;
	int fd = ss_fd_of(s, r->sk);

	fprintf(out,
		"%s\n{\"netid\": \"%s\", \"state\": \"%s\", \"recv_q\": %u, \"send_q\": %u, "
		"\"local\": \"%s\", \"lport\": %u, \"peer\": \"%s\", \"pport\": %u, \"fd\": %d",
		s->comma, r->netid, r->state, v->rcvq, v->sndq, ss_json_addr(r, &v->laddr, local),
		v->lport, ss_json_addr(r, &v->raddr, peer), v->rport, fd);
	s->comma = ",";
	fprintf(out, ", \"rcv_bytes\": %u, \"rcvbuf\": %u, \"snd_bytes\": %u, \"sndbuf\": %u",
		v->rcv_bytes, v->rcvbuf, v->snd_bytes, v->sndbuf);
	if (r->netid[0] == 't')
		fprintf(out,
			", \"snd_una\": %u, \"snd_nxt\": %u, \"snd_wnd\": %u, \"rcv_nxt\": %u, "
			"\"rcv_wnd\": %u, \"mss\": %u, \"cwnd\": %u, \"ssthresh\": %u, "
			"\"srtt_us\": %u, \"rttvar_us\": %u, \"rto_us\": %u, \"timer\": \"%s\", "
			"\"timer_ms\": %" PRIu64 ", \"retransmits\": %u, \"cc\": \"%s\", "
			"\"pacing_rate\": %" PRIu64 ", \"delivery_rate\": %" PRIu64,
			v->snd_una, v->snd_nxt, v->snd_wnd, v->rcv_nxt, v->rcv_wnd, v->mss, v->cwnd,
			v->ssthresh, v->srtt_us, v->rttvar_us, v->rto_us, v->timer ? v->timer : "",
			v->timer_ns / 1000000, v->retransmits, v->cc ? v->cc : "", v->pacing_rate,
			v->delivery_rate);
	ss_print_json_program(s, fd);
	fputc('}', out);
}

/* --- which ------------------------------------------------------------------------------------- */

static void ss_row(struct ss *s, const struct ss_row *r)
{
	bool listening = r->v.state == TCP_LISTEN || r->v.state == TCP_CLOSE;

	if (!s->all && listening != s->listening)
		return;
	if (s->json)
		ss_print_json(s, r);
	else
		ss_print(s, r);
}

static void ss_tcp(struct sock_common *sc, void *arg)
{
	struct ss_row r = {.netid = "tcp", .families = sc->families};

	tcp_view_get(sc, &r.v);
	r.state = ss_state_text(r.v.state);
	if (sc->kind == SOCK_KIND_FULL)
		r.sk = (const struct sock *)sc;
	ss_row(arg, &r);
}

/* What udp and raw have: addresses and bytes. */
static void ss_dgram(struct ss *s, struct sock *sk, const char *netid)
{
	struct ss_row r = {.netid = netid, .sk = sk, .families = sk->c.families};

	r.v.laddr = sk->c.laddr;
	r.v.raddr = sk->c.raddr;
	r.v.lport = sk->c.lport;
	r.v.rport = sk->c.rport;
	r.v.state = ip_addr_is_any(&sk->c.raddr) ? TCP_CLOSE : TCP_ESTABLISHED;
	r.v.rcv_bytes = r.v.rcvq = atomic_load(&sk->rcv_bytes);
	r.v.snd_bytes = r.v.sndq = atomic_load(&sk->snd_bytes);
	r.v.rcvbuf = atomic_load(&sk->rcvbuf);
	r.v.sndbuf = atomic_load(&sk->sndbuf);
	r.v.backlog = atomic_load(&sk->backlog_bytes);
	if (netid[0] == 'r')
		r.v.lport = sk->c.proto;
	r.state = ss_state_text(r.v.state);
	ss_row(s, &r);
}

static void ss_udp(struct sock_common *sc, void *arg)
{
	ss_dgram(arg, (struct sock *)sc, "udp");
}

static void ss_raw(struct sock *sk, void *arg)
{
	ss_dgram(arg, sk, sk->ops->name);
}

/* --- the command ------------------------------------------------------------------------------- */

static void ss_option(struct ss *s, int letter)
{
	switch (letter) {
	case 't':
		s->tcp = true;
		break;
	case 'u':
		s->udp = true;
		break;
	case 'w':
		s->raw = true;
		break;
	case 'l':
		s->listening = true;
		break;
	case 'a':
		s->all = true;
		break;
	case 'e':
		s->extended = true;
		break;
	case 'o':
		s->timers = true;
		break;
	case 'm':
		s->memory = true;
		break;
	case 'i':
		s->info = true;
		break;
	case 'p':
		s->programs = true;
		break;
	case 'H':
		s->bare = true;
		break;
	}
}

static int ss_options(struct ss *s)
{
	struct opts o = {.c = s->c};
	int letter;

	while ((letter = opts_next(&o, "-tuwlaneomiHp")) > 0) {
		if (letter == '-' && strcmp(o.arg, "json"))
			return cmd_usage(s->c, "unknown option --%s", o.arg);
		s->json |= letter == '-';
		ss_option(s, letter);
	}
	if (letter < 0)
		return CMD_USAGE;
	if (o.index < s->c->argc)
		return cmd_usage(s->c, "unknown word %s", s->c->argv[o.index]);
	return CMD_OK;
}

static void ss_header(struct ss *s)
{
	if (s->json) {
		fprintf(s->out, "[");
		return;
	}
	if (s->bare)
		return;
	if (s->tcp + s->udp + s->raw != 1)
		fprintf(s->out, "%-5s ", "Netid");
	fprintf(s->out, "%-10s %-6s %-6s %21s %21s\n", "State", "Recv-Q", "Send-Q",
		"Local Address:Port", "Peer Address:Port");
}

static void ss_list(struct ss *s)
{
	bool any = s->tcp || s->udp || s->raw;
	struct batch b;

	socket_each(s->c->stack, ss_fd_add, s);
	if (s->nfds)
		qsort(s->fds, s->nfds, sizeof(*s->fds), ss_fd_compare);
	ss_header(s);
	batch_begin(&b, s->c->stack);
	if (!any || s->raw)
		raw_each(s->c->stack, ss_raw, s);
	if (!any || s->udp)
		inet_each(udp_table(s->c->stack), ss_udp, s);
	if (!any || s->tcp)
		inet_each(tcp_table(s->c->stack), ss_tcp, s);
	batch_end(&b);
	if (s->json)
		fprintf(s->out, "\n]\n");
}

int cmd_ss(struct cmd *c)
{
	struct ss s = {.c = c, .comma = ""};
	int status = ss_options(&s);
	char *text = NULL;
	size_t n;

	if (status)
		return status;
	s.out = open_memstream(&text, &n);
	if (!s.out)
		return cmd_error(c, "no memory");
	ss_list(&s);
	if (fclose(s.out))
		status = cmd_error(c, "no memory");
	else
		fwrite(text, 1, n, c->out);
	free(text);
	free(s.fds);
	return status;
}
