/*
 * tests/script/drill_parse.c - a script's events, and its packets as it writes them.
 */
#include <ctype.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/wire/tcp.h"
#include "tests/script/drill.h"

#define TCP_OPT_MD5 19 /* RFC 2385: weft knows nothing of it */

/* --- TCP options -------------------------------------------------------------------------------
 */

static void option_put(struct lex *x, struct packet *p, const void *bytes, unsigned n)
{
	if (p->noption + n > OPTIONS_MAX)
		lex_fail(x, "more than 40 bytes of options");
	memcpy(p->option + p->noption, bytes, n);
	p->noption += n;
}

static void option_head(struct lex *x, struct packet *p, uint8_t kind, unsigned len)
{
	uint8_t head[2] = {kind, (uint8_t)len};

	option_put(x, p, head, 2);
}

static void option_number(struct lex *x, struct packet *p, uint64_t v, unsigned bytes)
{
	uint8_t b[4];

	for (unsigned i = 0; i < bytes; i++)
		b[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
	option_put(x, p, b, bytes);
}

static void option_sack(struct lex *x, struct packet *p)
{
	unsigned at = p->noption;

	option_head(x, p, 5, 2);
	for (lex_skip(x); isdigit((unsigned char)*x->p); lex_skip(x)) {
		option_number(x, p, (uint64_t)lex_number(x), 4);
		lex_need(x, ":");
		option_number(x, p, (uint64_t)lex_number(x), 4);
		p->option[at + 1] = (uint8_t)(p->option[at + 1] + 8);
	}
}

static void option_hex(struct lex *x, struct packet *p, const char *hex, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned byte;

		if (sscanf(hex + i * 2, "%2x", &byte) != 1)
			lex_fail(x, "hex expected before this");
		option_number(x, p, byte, 1);
	}
}

/* An option whose content is in hex. */
static void option_bytes(struct lex *x, struct packet *p, uint8_t kind)
{
	char *hex = lex_word(x);
	unsigned n = hex ? (unsigned)strlen(hex) / 2 : 0;

	option_head(x, p, kind, n + 2);
	option_hex(x, p, hex, n);
	free(hex);
}

/* The names that scripts have for cookies under the key of defaults.sh. */
static const char *cookie_hex(const char *word)
{
	if (word && !strcmp(word, "TFO_COOKIE"))
		return "3021b9d889017eeb";
	if (word && !strcmp(word, "TFO_COOKIE_ZERO"))
		return "b7c12350a90dc8f5";
	return word;
}

/* RFC 7413's cookie, or the experimental one of RFC 6994 with its magic number. */
static void option_cookie(struct lex *x, struct packet *p, bool experimental)
{
	char *word = lex_word(x);
	const char *hex = cookie_hex(word);
	unsigned n = hex ? (unsigned)strlen(hex) / 2 : 0;

	option_head(x, p, experimental ? 254 : 34, n + (experimental ? 4 : 2));
	if (experimental)
		option_number(x, p, 0xf989, 2);
	option_hex(x, p, hex, n);
	free(word);
}

static void option_ts(struct lex *x, struct packet *p)
{
	option_head(x, p, 8, 10);
	lex_need(x, "val");
	option_number(x, p, (uint64_t)lex_number(x), 4);
	lex_need(x, "ecr");
	option_number(x, p, (uint64_t)lex_number(x), 4);
}

static void option_read(struct lex *x, struct packet *p)
{
	char *name = lex_word(x);
	uint8_t one = 1, zero = 0;

	if (!name)
		lex_fail(x, "option expected");
	if (!strcmp(name, "mss")) {
		option_head(x, p, 2, 4);
		option_number(x, p, (uint64_t)lex_number(x), 2);
	} else if (!strcmp(name, "nop")) {
		option_put(x, p, &one, 1);
	} else if (!strcmp(name, "eol")) {
		option_put(x, p, &zero, 1);
	} else if (!strcmp(name, "wscale")) {
		option_head(x, p, 3, 3);
		option_number(x, p, (uint64_t)lex_number(x), 1);
	} else if (!strcmp(name, "sackOK")) {
		option_head(x, p, 4, 2);
	} else if (!strcmp(name, "sack")) {
		option_sack(x, p);
	} else if (!strcmp(name, "TS")) {
		option_ts(x, p);
	} else if (!strcmp(name, "md5")) {
		option_bytes(x, p, TCP_OPT_MD5);
	} else if (!strcmp(name, "FO") || !strcmp(name, "FOEXP")) {
		option_cookie(x, p, name[2] != '\0');
	} else {
		lex_fail(x, "unknown option before this");
	}
	free(name);
}

static void options_read(struct lex *x, struct packet *p)
{
	uint8_t zero = 0;

	if (!lex_take(x, "<"))
		return;
	if (lex_take(x, "...")) {
		p->any_options = true;
		lex_need(x, ">");
		return;
	}
	while (!lex_take(x, ">")) {
		option_read(x, p);
		lex_take(x, ",");
	}
	while (p->noption % 4)
		option_put(x, p, &zero, 1);
}

/* --- packets ----------------------------------------------------------------------------------- */

static void ecn_read(struct lex *x, struct packet *p)
{
	static const char *const names[] = {"noecn", "ect1", "ect0", "ce"};
	char *name;

	p->ecn = -1;
	if (!lex_take(x, "["))
		return;
	name = lex_word(x);
	for (int i = 0; name && i < 4; i++) {
		if (!strcmp(names[i], name))
			p->ecn = i;
	}
	if (p->ecn < 0)
		lex_fail(x, "noecn, ect0, ect1 or ce expected before this");
	free(name);
	lex_need(x, "]");
}

/* 1:1001(1000) */
static void range_read(struct lex *x, struct packet *p)
{
	p->seq = (uint32_t)lex_number(x);
	lex_need(x, ":");
	p->end = (uint32_t)lex_number(x);
	lex_need(x, "(");
	p->len = (uint32_t)lex_number(x);
	lex_need(x, ")");
	if (p->seq + p->len != p->end)
		lex_fail(x, "first + length is not last before this");
}

/* As packetdrill calls them; without a name it is the first of its type. */
static const struct icmp_name {
	const char *type, *name; /* name NULL: the type has no names for its codes */
	uint8_t number, code;
} icmp_names[] = {
    {"unreachable", "net_unreachable", ICMP_DEST_UNREACH, ICMP_NET_UNREACH},
    {"unreachable", "host_unreachable", ICMP_DEST_UNREACH, ICMP_HOST_UNREACH},
    {"unreachable", "protocol_unreachable", ICMP_DEST_UNREACH, ICMP_PROT_UNREACH},
    {"unreachable", "port_unreachable", ICMP_DEST_UNREACH, ICMP_PORT_UNREACH},
    {"unreachable", "frag_needed", ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED},
    {"unreachable", "source_route_failed", ICMP_DEST_UNREACH, ICMP_SR_FAILED},
    {"unreachable", "net_unknown", ICMP_DEST_UNREACH, ICMP_NET_UNKNOWN},
    {"unreachable", "host_unknown", ICMP_DEST_UNREACH, ICMP_HOST_UNKNOWN},
    {"unreachable", "source_host_isolated", ICMP_DEST_UNREACH, ICMP_HOST_ISOLATED},
    {"unreachable", "net_prohibited", ICMP_DEST_UNREACH, ICMP_NET_ANO},
    {"unreachable", "host_prohibited", ICMP_DEST_UNREACH, ICMP_HOST_ANO},
    {"unreachable", "net_unreachable_for_tos", ICMP_DEST_UNREACH, ICMP_NET_UNR_TOS},
    {"unreachable", "host_unreachable_for_tos", ICMP_DEST_UNREACH, ICMP_HOST_UNR_TOS},
    {"unreachable", "packet_filtered", ICMP_DEST_UNREACH, ICMP_PKT_FILTERED},
    {"unreachable", "precedence_violation", ICMP_DEST_UNREACH, ICMP_PREC_VIOLATION},
    {"unreachable", "precedence_cutoff", ICMP_DEST_UNREACH, ICMP_PREC_CUTOFF},
    {"time_exceeded", "ttl_exceeded_in_transit", ICMP_TIME_EXCEEDED, ICMP_EXC_TTL},
    {"time_exceeded", "frag_reass_exceeded", ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME},
    {"parameter_problem", "code_0", ICMP_PARAMETERPROB, 0},
    {"parameter_problem", "code_1", ICMP_PARAMETERPROB, 1},
    {"parameter_problem", "code_2", ICMP_PARAMETERPROB, 2},
    {"source_quench", NULL, ICMP_SOURCE_QUENCH, 0},
    {"redirect", NULL, ICMP_REDIRECT, 0},
};

static const struct icmp_name *icmp_named(struct lex *x)
{
	char *type = lex_word(x), *name = NULL;
	const struct icmp_name *is = NULL;
	bool named = false;

	for (size_t i = 0; type && !is && i < sizeof(icmp_names) / sizeof(icmp_names[0]); i++) {
		const struct icmp_name *n = &icmp_names[i];

		if (strcmp(n->type, type))
			continue;
		if (n->name && !named)
			name = lex_word(x);
		named = true;
		if (!n->name || !name || !strcmp(n->name, name))
			is = n;
	}
	free(type);
	free(name);
	if (!is)
		lex_fail(x, "unknown ICMP error before this");
	return is;
}

static void icmp_read(struct lex *x, struct packet *p)
{
	const struct icmp_name *is = icmp_named(x);

	p->proto = IPPROTO_ICMP;
	p->icmp_type = is->number;
	p->icmp_code = is->code;
	if (lex_take(x, "mtu"))
		p->icmp_mtu = (uint32_t)lex_number(x);
	if (!lex_take(x, "["))
		return; /* it quotes the first segment */
	range_read(x, p);
	lex_need(x, "]");
}

static void flags_read(struct lex *x, struct packet *p)
{
	static const char letters[] = "FSRP.UEWA"; /* by bit */
	const char *at;

	lex_skip(x);
	if (*x->p == '-') {
		x->p++;
		return;
	}
	for (; *x->p && (at = strchr(letters, *x->p)); x->p++)
		p->flags |= (uint16_t)(1u << (at - letters));
	if (!isspace((unsigned char)*x->p))
		lex_fail(x, "flag expected");
}

static void tcp_read(struct lex *x, struct packet *p)
{
	p->proto = IPPROTO_TCP;
	flags_read(x, p);
	range_read(x, p);
	if (lex_take(x, "ack"))
		p->ack = (uint32_t)lex_number(x);
	if (lex_take(x, "win"))
		p->wnd = lex_number(x);
	if (lex_take(x, "urg"))
		p->urg = lex_number(x);
	options_read(x, p);
}

void packet_read(struct lex *x, struct packet *p)
{
	p->wnd = p->urg = -1;
	ecn_read(x, p);
	if (lex_take(x, "icmp")) {
		icmp_read(x, p);
	} else if (lex_take(x, "udp")) {
		p->proto = IPPROTO_UDP;
		lex_need(x, "(");
		p->len = (uint32_t)lex_number(x);
		lex_need(x, ")");
	} else {
		tcp_read(x, p);
	}
}

/* --- events ------------------------------------------------------------------------------------ */

/* 0.1, +.1, +0~+.1, +0...0.2, * */
static void time_read(struct lex *x, struct event *ev)
{
	if (lex_take(x, "*")) {
		ev->any_time = true;
		return;
	}
	ev->relative = lex_take(x, "+");
	ev->at = ev->until = lex_seconds(x);
	if (lex_take(x, "...")) {
		ev->blocking = true;
		ev->until = lex_seconds(x);
	} else if (lex_take(x, "~")) {
		ev->range = true;
		lex_take(x, "+");
		ev->until = lex_seconds(x);
	}
}

static void call_read(struct lex *x, struct event *ev)
{
	struct value **tail = &ev->args;

	ev->kind = EVENT_CALL;
	ev->name = lex_word(x);
	if (!ev->name)
		lex_fail(x, "event expected");
	lex_need(x, "(");
	while (!lex_take(x, ")")) {
		*tail = value_read(x);
		tail = &(*tail)->next;
		lex_take(x, ",");
	}
	lex_need(x, "=");
	ev->result = value_read(x);
	lex_skip(x);
	if (*x->p == 'E')
		ev->error = lex_word(x);
	if (lex_take(x, "("))
		free(lex_until(x, ")"));
}

static struct event *event_read(struct lex *x)
{
	struct event *ev = calloc(1, sizeof(*ev));

	if (!ev)
		abort();
	lex_skip(x);
	ev->line = lex_line(x);
	if (*x->p == '`' || *x->p == '%')
		ev->relative = true; /* at once */
	else
		time_read(x, ev);
	ev->line = lex_line(x);
	if (lex_take(x, "`")) {
		ev->kind = EVENT_SHELL;
		ev->text = lex_until(x, "`");
	} else if (lex_take(x, "%{")) {
		ev->kind = EVENT_CODE;
		ev->text = lex_until(x, "}%");
	} else if (lex_take(x, "<")) {
		ev->kind = EVENT_IN;
		packet_read(x, &ev->packet);
	} else if (lex_take(x, ">")) {
		ev->kind = EVENT_OUT;
		packet_read(x, &ev->packet);
	} else {
		call_read(x, ev);
	}
	return ev;
}

static char *file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!f || getdelim(&text, &size, '\0', f) < 0) {
		perror(path);
		exit(2);
	}
	fclose(f);
	return text;
}

/* --name or --name=value, as packetdrill's own; what means nothing here is passed over. */
static void option_line(struct lex *x, struct script *s)
{
	static const char *const ignored[] = {"mss", "ip_version", "send_omit_free",
					      "tcp_ts_ecr_scaled"};
	char *name = lex_word(x);
	bool known = false;

	if (!name)
		lex_fail(x, "option of the script expected");
	if (!strcmp(name, "strict_segments")) {
		s->strict = known = true;
	} else if (lex_take(x, "=")) {
		char *value = lex_line_rest(x);

		known = true;
		if (!strcmp(name, "tolerance_usecs"))
			s->tolerance_us = strtoll(value, NULL, 10);
		else if (!strcmp(name, "tolerance_percent"))
			s->tolerance_percent = strtod(value, NULL);
		else if (!strcmp(name, "tcp_ts_tick_usecs"))
			s->ts_tick_us = strtoll(value, NULL, 10);
		else if (!strcmp(name, "local_ip"))
			s->local = strdup(value);
		else if (!strcmp(name, "remote_ip"))
			s->remote = strdup(value);
		else if (!strcmp(name, "bind_port"))
			s->bind_port = (uint16_t)strtoul(value, NULL, 10);
		else if (!strcmp(name, "mtu"))
			s->mtu = (uint32_t)strtoul(value, NULL, 10);
		else
			known = false;
		free(value);
	}
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		known = known || !strcmp(ignored[i], name);
	if (!known)
		lex_fail(x, "unknown option of the script before this");
	free(name);
}

struct script *script_read(const char *path)
{
	struct script *s = calloc(1, sizeof(*s));
	struct lex x = {.path = path};
	struct event **tail;

	if (!s)
		abort();
	s->text = file_read(path);
	x.start = x.p = s->text;
	s->path = path;
	s->tolerance_us = TOLERANCE_US;
	s->tolerance_percent = TOLERANCE_PERCENT;
	s->bind_port = DRILL_PORT;
	tail = &s->events;
	while (lex_take(&x, "--"))
		option_line(&x, s);
	for (lex_skip(&x); *x.p; lex_skip(&x)) {
		*tail = event_read(&x);
		tail = &(*tail)->next;
	}
	return s;
}
