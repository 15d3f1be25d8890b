/*
 * shell/parse.c - the words of a command line, with exact complaints.
 */
#include "shell/parse.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* The word at `from`, which moves down to the next place; operands between move up. */
static char *opts_take(struct opts *o, int from)
{
	char **argv = o->c->argv, *word = argv[from];

	for (int i = from; i > o->index; i--)
		argv[i] = argv[i - 1];
	argv[o->index++] = word;
	return word;
}

/* Is there another option?  Its word becomes the next to be read. */
static bool opts_find(struct opts *o)
{
	for (o->at = o->index; o->at < o->c->argc; o->at++) {
		const char *word = o->c->argv[o->at];

		if (word[0] == '-' && word[1])
			return true;
	}
	return false;
}

static int opts_long(struct opts *o, const char *word, const char *known)
{
	if (!word[2])
		return 0;
	if (known[0] != '-') {
		cmd_usage(o->c, "unknown option %s", word);
		return -1;
	}
	o->arg = word + 2;
	return '-';
}

/* The value of option `letter`: the rest of its word, else the next one. */
static int opts_value(struct opts *o, int letter)
{
	o->arg = o->rest;
	o->rest = NULL;
	if (*o->arg)
		return letter;
	if (o->at + 1 >= o->c->argc) {
		cmd_usage(o->c, "option -%c needs a value", letter);
		return -1;
	}
	o->arg = opts_take(o, o->at + 1);
	return letter;
}

int opts_next(struct opts *o, const char *known)
{
	const char *word, *found;
	int letter;

	if (!o->index)
		o->index = 1;
	if (!o->rest || !*o->rest) {
		if (!opts_find(o))
			return 0;
		word = opts_take(o, o->at);
		if (word[1] == '-')
			return opts_long(o, word, known);
		o->rest = word + 1;
	}
	letter = (unsigned char)*o->rest++;
	found = letter == ':' || letter == '-' ? NULL : strchr(known, letter);
	if (!found) {
		cmd_usage(o->c, "unknown option -%c", letter);
		return -1;
	}
	o->arg = NULL;
	return found[1] == ':' ? opts_value(o, letter) : letter;
}

int parse_count(struct cmd *c, const char *text, const struct range *r, uint64_t *out)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end)
		return cmd_usage(c, "bad %s '%s': not a number", r->what, text);
	if (errno || v < r->min || v > r->max)
		return cmd_usage(c, "bad %s '%s': out of range %llu - %llu", r->what, text,
				 (unsigned long long)r->min, (unsigned long long)r->max);
	*out = v;
	return CMD_OK;
}

int parse_seconds(struct cmd *c, const char *text, const struct range *r, uint64_t *ns)
{
	char *end;
	double v = strtod(text, &end);

	if (text[0] < '.' || text[0] > '9' || *end || !isfinite(v))
		return cmd_usage(c, "bad %s '%s': not a number of seconds", r->what, text);
	if (v * 1e9 < (double)r->min || v * 1e9 > (double)r->max)
		return cmd_usage(c, "bad %s '%s': out of range %g - %g s", r->what, text,
				 (double)r->min / 1e9, (double)r->max / 1e9);
	*ns = (uint64_t)(v * 1e9 + 0.5);
	return CMD_OK;
}

int parse_addr(struct cmd *c, const char *text, struct ip_addr *a)
{
	if (ip_addr_parse(text, a))
		return cmd_usage(c, "bad address '%s'", text);
	return CMD_OK;
}

int parse_addrport(struct cmd *c, const char *text, struct ip_addr *a, uint16_t *port)
{
	if (ip_addrport_parse(text, a, port))
		return cmd_usage(c, "bad address '%s': ADDRESS:PORT is wanted, port 1 - 65535",
				 text);
	if (!*port)
		return cmd_usage(c, "bad address '%s': port 0", text);
	return CMD_OK;
}

int parse_prefix(struct cmd *c, const char *text, struct ip_addr *a, unsigned *prefix)
{
	if (ip_prefix_parse(text, a, prefix))
		return cmd_usage(c, "bad network '%s': ADDRESS/LENGTH is wanted", text);
	return CMD_OK;
}

int parse_mac(struct cmd *c, const char *text, uint8_t mac[ETHER_ALEN])
{
	char end;

	if (strlen(text) > MAC_TEXT - 1 ||
	    sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2],
		   &mac[3], &mac[4], &mac[5], &end) != ETHER_ALEN)
		return cmd_usage(c, "bad link address '%s'", text);
	return CMD_OK;
}

int parse_device(struct cmd *c, const char *name, struct netdev **dev)
{
	*dev = netdev_by_name(c->stack, name);
	return *dev ? CMD_OK : cmd_error(c, "%s: no such device", name);
}

/* --- tc's words -------------------------------------------------------------------------------- */

struct unit {
	const char *name;
	double factor;
};

/* A number with one of the units behind it; false: neither. */
static bool parse_scaled(const char *text, const struct unit *units, double *out)
{
	char *end;
	double v = strtod(text, &end);

	if (text[0] < '.' || text[0] > '9' || !isfinite(v))
		return false;
	for (; units->name; units++) {
		if (strcasecmp(end, units->name))
			continue;
		*out = v * units->factor;
		return true;
	}
	return false;
}

int parse_duration(struct cmd *c, const char *text, uint64_t *ns)
{
	static const struct unit units[] = {{"", 1e3},    {"us", 1e3},   {"usec", 1e3},
					    {"ms", 1e6},  {"msec", 1e6}, {"s", 1e9},
					    {"sec", 1e9}, {"ns", 1},     {NULL, 0}};
	double v;

	if (!parse_scaled(text, units, &v))
		return cmd_usage(c, "bad time '%s': a number with s, ms or us is wanted", text);
	if (v > 3600e9)
		return cmd_usage(c, "bad time '%s': longer than 3600s", text);
	*ns = (uint64_t)(v + 0.5);
	return CMD_OK;
}

int parse_percent(struct cmd *c, const char *text, double *percent)
{
	static const struct unit units[] = {{"", 1}, {"%", 1}, {NULL, 0}};

	if (!parse_scaled(text, units, percent) || *percent > 100)
		return cmd_usage(c, "bad percentage '%s': 0%% - 100%% is wanted", text);
	return CMD_OK;
}

int parse_rate(struct cmd *c, const char *text, uint64_t *bits)
{
	static const struct unit units[] = {
	    {"", 1},    {"bit", 1},    {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9},
	    {"bps", 8}, {"kbps", 8e3}, {"mbps", 8e6}, {"gbps", 8e9}, {NULL, 0},
	};
	double v;

	if (!parse_scaled(text, units, &v))
		return cmd_usage(c, "bad rate '%s': a number with kbit, mbit, gbit, kbps is wanted",
				 text);
	if (v < 8 || v > 1e12)
		return cmd_usage(c, "bad rate '%s': out of range 8bit - 1000gbit", text);
	*bits = (uint64_t)(v + 0.5);
	return CMD_OK;
}

const char *mac_text(const uint8_t mac[ETHER_ALEN], char buf[MAC_TEXT])
{
	snprintf(buf, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return buf;
}

void sockaddr_of(const struct ip_addr *a, uint16_t port, struct sockaddr_in *sin)
{
	*sin = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	sin->sin_addr.s_addr = htonl(ip_addr_to4(a));
}
