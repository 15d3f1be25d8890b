/*
 * socket/packetdrill_ip.c - libweft_packetdrill.so: the ip(8) commands of scripts.  `ip route` changes what the
 * one device's routes say; `ip tcp_metrics flush` forgets what is known of destinations.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ip/route.h"
#include "lib/stack.h"
#include "socket/packetdrill_priv.h"
#include "tcp/tcp.h"

#define BLANKS " \t\n"

/* 1 to 65535, else 0. */
static uint16_t number(const char *word)
{
	unsigned long n = word ? strtoul(word, NULL, 10) : 0;

	return n <= UINT16_MAX ? (uint16_t)n : 0;
}

static int route_word(const char *word, char **rest, struct route *r)
{
	const char *value = strtok_r(NULL, BLANKS, rest);

	if (value && !strcmp(word, "mtu") && !strcmp(value, "lock")) {
		r->mtu_lock = true;
		value = strtok_r(NULL, BLANKS, rest);
	}
	if (!strcmp(word, "mtu"))
		return (r->mtu = number(value)) ? 0 : -EINVAL;
	if (!strcmp(word, "advmss"))
		return (r->advmss = number(value)) ? 0 : -EINVAL;
	if (!strcmp(word, "initcwnd"))
		return (r->initcwnd = number(value)) ? 0 : -EINVAL;
	if (!strcmp(word, "via"))
		return value && !ip_addr_parse(value, &r->gateway) ? 0 : -EINVAL;
	return value && !strcmp(word, "dev") ? 0 : -EINVAL; /* whatever its name: there is one */
}

/* DESTINATION [via ADDR] [dev NAME] [mtu [lock] N] [advmss N] [initcwnd N] */
static int route_words(struct packetdrill *d, char **rest, struct route *r)
{
	const char *word = strtok_r(NULL, BLANKS, rest);
	int err = -EINVAL;

	*r = (struct route){.dev = wire_dev(d->wire), .type = ROUTE_UNICAST};
	if (word)
		err = ip_prefix_parse(word, &r->net, &r->prefix);
	while (!err && (word = strtok_r(NULL, BLANKS, rest)))
		err = route_word(word, rest, r);
	return err;
}

static int ip_route(struct packetdrill *d, char **rest)
{
	const char *verb = strtok_r(NULL, BLANKS, rest);
	bool add = verb && !strcmp(verb, "add");
	bool change = verb && (!strcmp(verb, "change") || !strcmp(verb, "replace"));
	struct batch batch;
	struct route r, old;
	int err;

	if (!add && !change && !(verb && !strcmp(verb, "del")))
		return -EINVAL;
	err = route_words(d, rest, &r);
	if (err)
		return err;
	old = (struct route){.net = r.net, .prefix = r.prefix};
	batch_begin(&batch, d->stack);
	if (!add)
		err = route_del(d->stack, &old);
	if (add || change)
		err = route_add(d->stack, &r);
	batch_end(&batch);
	return err;
}

int packetdrill_ip(struct packetdrill *d, const char *command)
{
	char *copy = strdup(command), *rest, *word = copy ? strtok_r(copy, BLANKS, &rest) : NULL;
	int err = -EINVAL;

	if (word && !strcmp(word, "ip"))
		word = strtok_r(NULL, BLANKS, &rest);
	if (word && !strcmp(word, "route"))
		err = ip_route(d, &rest);
	word = !word || strcmp(word, "tcp_metrics") ? NULL : strtok_r(NULL, BLANKS, &rest);
	if (word && !strcmp(word, "flush")) {
		tcp_metrics_flush(d->stack);
		err = 0;
	}
	free(copy);
	return err;
}
