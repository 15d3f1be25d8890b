/*
 * shell/parse.h - the words of a command line: options, counts, times, rates, addresses, devices.
 *
 * Each tells the user itself what is wrong with a word, by cmd_usage(), and returns CMD_OK or the status
 * the command ends with.
 */
#pragma once
#include "lib/ipaddr.h"
#include "shell/shell.h"

/*
 * getopt() without its global state: commands run side by side.  Begin with {.c = c}.  Options may stand
 * behind operands; the words are put in order.
 */
struct opts {
	struct cmd *c;
	int index;        /* of the next word; in the end, of the first operand */
	int at;           /* where the last option stood */
	const char *arg;  /* of the option just returned */
	const char *rest; /* of a word like -nu */
};
/*
 * The next option of `known` ("c:s:nl": a colon takes an argument; "--word" arrives as '-' with arg the
 * word, when known begins with '-'); 0: no more, index is the first operand; -1: unknown, told.
 */
int opts_next(struct opts *o, const char *known);

/* What a number may be. */
struct range {
	const char *what;
	uint64_t min, max;
};
int parse_count(struct cmd *c, const char *text, const struct range *r, uint64_t *out);
/* Seconds with a fraction, "0.01"; the range is in ns. */
int parse_seconds(struct cmd *c, const char *text, const struct range *r, uint64_t *ns);
int parse_addr(struct cmd *c, const char *text, struct ip_addr *a);
/* Port 0 is refused. */
int parse_addrport(struct cmd *c, const char *text, struct ip_addr *a, uint16_t *port);
int parse_prefix(struct cmd *c, const char *text, struct ip_addr *a, unsigned *prefix);
int parse_mac(struct cmd *c, const char *text, uint8_t mac[ETHER_ALEN]);
int parse_device(struct cmd *c, const char *name, struct netdev **dev);

/* tc's words: "20ms" (s, ms, us; bare: us), "5%", "10mbit" (bit, kbit, ..., bps in bytes; bare: bit). */
int parse_duration(struct cmd *c, const char *text, uint64_t *ns);
int parse_percent(struct cmd *c, const char *text, double *percent);
int parse_rate(struct cmd *c, const char *text, uint64_t *bits);

/* "02:00:00:00:00:01"; returns buf. */
#define MAC_TEXT 18
const char *mac_text(const uint8_t mac[ETHER_ALEN], char buf[MAC_TEXT]);
struct sockaddr_in;
void sockaddr_of(const struct ip_addr *a, uint16_t port, struct sockaddr_in *sin);
