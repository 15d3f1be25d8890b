/*
 * socket/packetdrill_start.c - libweft_packetdrill.so: a stack with its device and defaults by
 * packetdrill's flags, the settings a script makes, and the end.
 *
 * What cannot be begun ends the process: packetdrill has no other way to hear of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ip/route.h"
#include "lib/stack.h"
#include "lib/sysctl.h"
#include "net/ifaddr.h"
#include "socket/packetdrill_priv.h"

void packetdrill_enter(struct packetdrill *d)
{
	world_enter(d->world);
	weft_use(d->stack);
}

void packetdrill_leave(struct packetdrill *d)
{
	world_leave(d->world);
}

static void die(const char *what)
{
	fprintf(stderr, "libweft_packetdrill: %s\n", what);
	exit(1);
}

struct start_flags {
	struct ip_addr local, gateway;
	unsigned prefix, mtu;
	uint64_t seed;
	bool real;
};

static void flag_set(struct start_flags *f, const char *key, const char *value)
{
	if (!strcmp(key, "local") && ip_addr_parse(value, &f->local))
		die("flag local: not an address");
	else if (!strcmp(key, "gateway") && ip_addr_parse(value, &f->gateway))
		die("flag gateway: not an address");
	else if (!strcmp(key, "prefix"))
		f->prefix = (unsigned)strtoul(value, NULL, 10);
	else if (!strcmp(key, "mtu"))
		f->mtu = (unsigned)strtoul(value, NULL, 10);
	else if (!strcmp(key, "seed"))
		f->seed = strtoull(value, NULL, 10);
	else if (!strcmp(key, "clock"))
		f->real = !strcmp(value, "real");
	else if (!strcmp(key, "ip") && strcmp(value, "4"))
		die("flag ip: this version has IPv4 only");
}

/* "key=value;key=value": unknown keys are for other versions. */
static void flags_parse(const char *text, struct start_flags *f)
{
	char *copy = strdup(text ? text : ""), *rest = copy, *word, *eq;

	if (!copy)
		die("no memory");
	*f = (struct start_flags){.local = ip_addr_any4, .gateway = ip_addr_any4, .seed = 1};
	f->prefix = 16;
	f->mtu = 1500;
	if (ip_addr_parse("192.168.0.1", &f->local) || ip_addr_parse("192.168.0.2", &f->gateway))
		die("no address");
	while ((word = strsep(&rest, ";"))) {
		eq = strchr(word, '=');
		if (!eq)
			continue;
		*eq = '\0';
		flag_set(f, word, eq + 1);
	}
	free(copy);
	if (f->prefix > 32 || f->mtu < 68 || f->mtu > 65535)
		die("flags: prefix goes to 32, mtu from 68 to 65535");
}

/* What published scripts take for granted of a host. */
static void defaults(struct stack *st)
{
	static const struct {
		const char *name;
		int64_t value;
	} set[] = {
	    {"net.ipv4.tcp_rmem.max", 15 << 20},
	    {"net.ipv4.tcp_rmem.default", 540000},
	    {"net.ipv4.tcp_wmem.default", 256 << 10},
	    {"net.ipv4.tcp_syn_retries", 5},
	    {"net.ipv4.tcp_slow_start_after_idle", 0},
	    {"net.ipv4.tcp_fastopen", 0x403},
	    {"net.ipv4.tcp_ecn", 0},
	    {"net.weft.tcp_hystart", 2},
	};
	char why[SYSCTL_TEXT_MAX];

	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		if (sysctl_write(st, set[i].name, set[i].value))
			die("a default setting was refused");
	}
	if (sysctl_write_text(st, "net.ipv4.tcp_fastopen_key",
			      "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4", why))
		die(why);
}

static int device_make(struct packetdrill *d, const struct start_flags *f)
{
	struct route r = {.prefix = IP_PREFIX4(0), .net = ip_addr_any4, .type = ROUTE_UNICAST};
	struct batch batch;
	int err = -ENOMEM;

	batch_begin(&batch, d->stack);
	d->wire = wire_create(d->stack, f->mtu);
	if (d->wire) {
		err = ifaddr_add(wire_dev(d->wire), &f->local, IP_PREFIX4(f->prefix));
		netdev_up(wire_dev(d->wire));
	}
	r.gateway = f->gateway;
	if (!err)
		err = route_add(d->stack, &r);
	batch_end(&batch);
	return err;
}

struct packetdrill *packetdrill_start(const char *flags)
{
	struct packetdrill *d = calloc(1, sizeof(*d));
	struct start_flags f;

	flags_parse(flags, &f);
	if (!d || !(d->world = world_create(f.real, f.seed)) ||
	    !(d->stack = stack_create(world_env(d->world))))
		die("no memory");
	defaults(d->stack);
	if (device_make(d, &f))
		die("the device: local, prefix and gateway must be on one net");
	if (f.real && stack_threads_start(d->stack))
		die("no threads");
	return d;
}

void packetdrill_end(struct packetdrill *d)
{
	packetdrill_enter(d);
	for (int i = 0; i < PACKETDRILL_FDS; i++) {
		if (d->weft_fd[i] > 0)
			weft_close(d->weft_fd[i]);
	}
	stack_destroy(d->stack);
	packetdrill_leave(d);
	world_destroy(d->world);
	free(d);
}

/* Of Linux's ways to find the end of slow start, a bit each, weft has one. */
static bool is_hystart(const char *name)
{
	return !strcmp(name, "/sys/module/tcp_cubic/parameters/hystart") ||
	       !strcmp(name, "/sys/module/tcp_cubic/parameters/hystart_detect");
}

int packetdrill_so_setting(void *ud, const char *name, const char *value)
{
	struct packetdrill *d = ud;
	char why[SYSCTL_TEXT_MAX];
	int err = 0;

	packetdrill_enter(d);
	if (!strcmp(name, "harness.txqueue.limit"))
		wire_cut(d->wire, !strcmp(value, "0"));
	else if (!strcmp(name, "harness.txqueue.pacing"))
		d->paced = strcmp(value, "0") != 0;
	else if (!strcmp(name, "harness.ip"))
		err = packetdrill_ip(d, value);
	else if (is_hystart(name))
		err = sysctl_write(d->stack, "net.weft.tcp_hystart", strcmp(value, "0") != 0);
	else
		err = sysctl_write_text(d->stack, name, value, why);
	packetdrill_leave(d);
	return err ? -1 : 0;
}
