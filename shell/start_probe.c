/*
 * shell/start_probe.c - `weft --probe`: the devices are up and without an address; each is asked for, all
 * at once (RFC 5227, 2.1.1), and taken when nobody has one of them.
 *
 * By the first thread, once the others run; no command runs yet, and a signal ends weft.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "arp/neigh.h"
#include "net/ifaddr.h"
#include "shell/parse.h"
#include "shell/probe.h"
#include "shell/shell_priv.h"

/* On the first thread's frame. */
struct survey {
	struct shell *sh;
	struct feed feed;
	struct probe probe[DEVICES_MAX];
	bool begun[DEVICES_MAX]; /* and not answered yet */
	unsigned left;           /* how many of them */
};

static struct netdev *survey_device(const struct survey *s, unsigned i)
{
	return netdev_by_name(s->sh->stack, device_name(&s->sh->options->device[i]));
}

/* A tun has no ARP: there is nobody to ask. */
static int survey_begin(struct survey *s, unsigned i)
{
	struct probe *p = &s->probe[i];
	int err;

	*p = (struct probe){survey_device(s, i), s->sh->options->device[i].addr, &s->feed};
	if (atomic_load(&p->dev->flags) & (NETDEV_NOARP | NETDEV_POINTOPOINT))
		return 0;
	err = probe_begin(p);
	if (err) {
		shell_error("%s: --probe: %s", p->dev->name, strerror(-err));
		return -1;
	}
	s->begun[i] = true;
	s->left++;
	return 0;
}

/* Somebody wants weft to end. */
static bool survey_stopped(struct survey *s)
{
	struct signalfd_siginfo si;

	while (read(s->sh->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo != SIGWINCH)
			return true;
	}
	return false;
}

/* The next answer.  False: a signal, and that was told. */
static bool survey_next(struct survey *s, struct probe_answer *a)
{
	struct pollfd fds[2] = {{.fd = s->sh->signals, .events = POLLIN},
				{.fd = s->feed.fd[0], .events = POLLIN}};

	for (;;) {
		waiter_reset(s->sh->watcher);
		if (read(s->feed.fd[0], a, sizeof(*a)) == sizeof(*a))
			return true;
		if (survey_stopped(s)) {
			shell_error("--probe: ended by a signal");
			return false;
		}
		env_wait(s->sh->stack->env, s->sh->watcher, fds, 2, ENV_NEVER);
	}
}

/* 0: the address is free; -1: it is not, and that was told. */
static int survey_judge(struct survey *s, const struct probe_answer *a)
{
	const struct probe *p = a->probe;
	char addr[IP_ADDR_TEXT], mac[MAC_TEXT];

	s->begun[p - s->probe] = false;
	s->left--;
	ip_addr_text(&p->addr, addr);
	if (a->taken)
		shell_error("%s: %s: address in use by %s: name another with --addr", p->dev->name,
			    addr, mac_text(a->mac, mac));
	else if (a->gone)
		shell_error("%s: %s: not probed: %s", p->dev->name, addr, strerror(ENETDOWN));
	else
		shell_verbose(s->sh->options, "%s: %s: nobody has it", p->dev->name, addr);
	return a->taken || a->gone ? -1 : 0;
}

static int survey_run(struct survey *s)
{
	struct probe_answer a;
	int err = 0;

	for (unsigned i = 0; !err && i < s->sh->options->ndevice; i++)
		err = survey_begin(s, i);
	while (!err && s->left)
		err = survey_next(s, &a) ? survey_judge(s, &a) : -1;
	return err;
}

/* Each that still runs, ended; the feed is in use until then. */
static void survey_end(struct survey *s)
{
	struct probe_answer a;

	for (unsigned i = 0; i < DEVICES_MAX; i++) {
		if (s->begun[i] && !probe_cancel(&s->probe[i]))
			feed_await(&s->feed, &a, sizeof(a));
	}
	feed_close(&s->feed);
}

static int survey_take(const struct survey *s, unsigned i)
{
	const struct device_options *d = &s->sh->options->device[i];
	struct netdev *dev = survey_device(s, i);
	struct batch b;
	int err;

	batch_begin(&b, s->sh->stack);
	err = ifaddr_add(dev, &d->addr, d->prefix);
	if (!err)
		acd_announce(dev, &d->addr);
	batch_end(&b);
	if (err)
		shell_error("%s: %s: %s", dev->name, d->dev.addr, strerror(-err));
	return err;
}

int start_probe(struct shell *sh)
{
	struct survey s = {.sh = sh};
	int err = feed_open(&s.feed);

	if (err) {
		shell_error("--probe: %s", strerror(-err));
		return -1;
	}
	err = survey_run(&s);
	survey_end(&s);
	for (unsigned i = 0; !err && i < sh->options->ndevice; i++)
		err = survey_take(&s, i);
	return err;
}
