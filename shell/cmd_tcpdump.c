/*
 * shell/cmd_tcpdump.c - `tcpdump`: what passes a device, as lines, or with -w as a pcap file.
 *
 * Packets are shown as the wire would carry them: checksums finished; super-frames whole without --cut.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/capture.h"
#include "shell/dump.h"
#include "shell/feed.h"
#include "shell/parse.h"

/* Between two looks at a file: has it its count; is the disk full? */
#define TCPDUMP_LOOK (20 * NSEC_PER_MSEC)
#define TCPDUMP_LOOK_ENDLESS (500 * NSEC_PER_MSEC)

struct tcpdump {
	struct cmd *c;
	struct netdev *dev;
	const char *file;
	uint64_t count; /* 0: until cancelled */
	bool cut;
};

/* As tcpdump says that it has begun. */
static void tcpdump_begun(struct tcpdump *t)
{
	fprintf(t->c->err, "listening on %s\n", t->dev->name);
	fflush(t->c->err);
	cmd_ready(t->c);
}

/* --- to a file --------------------------------------------------------------------------------- */

static struct pcap *tcpdump_open(struct tcpdump *t, int *err)
{
	int fd = openat(t->c->cwd, t->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	char path[32];
	struct pcap *p;

	if (fd < 0) {
		*err = -errno;
		return NULL;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	p = pcap_open_dev(t->dev, path, t->cut, t->count, err);
	close(fd);
	return p;
}

static int tcpdump_write(struct tcpdump *t)
{
	struct pcap *p;
	int err = 0;

	p = tcpdump_open(t, &err);
	if (!p)
		return cmd_error(t->c, "%s: %s", t->file, strerror(-err));
	tcpdump_begun(t);
	while (!pcap_is_over(p) && cmd_sleep(t->c, t->count ? TCPDUMP_LOOK : TCPDUMP_LOOK_ENDLESS))
		;
	fprintf(t->c->err, "%" PRIu64 " packets captured\n", pcap_count(p));
	err = pcap_close_dev(p);
	return err ? cmd_error(t->c, "%s: %s", t->file, strerror(-err)) : CMD_OK;
}

/* --- to lines ---------------------------------------------------------------------------------- */

static void tcpdump_see(struct capture *cap, struct netdev *dev, const struct pkbuf *b, bool out)
{
	struct dump_packet p = {.len = b->len, .l2 = dev->link->hlen, .out = out};
	struct timespec now;

	if (out && (atomic_load(&dev->flags) & NETDEV_LOOPBACK))
		return; /* it comes in as well */
	clock_gettime(CLOCK_REALTIME, &now);
	p.wall = (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
	p.ifindex = dev->ifindex;
	p.caplen = (uint16_t)(b->len < DUMP_SNAP ? b->len : DUMP_SNAP);
	pkbuf_read(b, 0, p.data, p.caplen);
	feed_put(cap->arg, &p, sizeof(p));
}

static int tcpdump_print(struct tcpdump *t)
{
	struct capture cap = {.cut = t->cut, .fn = tcpdump_see};
	struct dump_packet p;
	struct feed feed;
	uint64_t seen = 0;
	int err = feed_open(&feed);

	if (err)
		return cmd_error(t->c, "pipe: %s", strerror(-err));
	cap.arg = &feed;
	capture_add(t->dev, &cap);
	tcpdump_begun(t);
	while (!t->count || seen < t->count) {
		if (feed_take(t->c, &feed, &p, sizeof(p), ENV_NEVER) != (int)sizeof(p))
			break;
		seen++;
		dump_print(t->c->out, &p);
		if (fflush(t->c->out) || ferror(t->c->out))
			break;
	}
	capture_del(t->dev, &cap);
	feed_close(&feed);
	fprintf(t->c->err, "%" PRIu64 " packets captured\n", seen);
	if (atomic_load(&feed.lost))
		fprintf(t->c->err, "%" PRIu64 " packets not shown\n",
			(uint64_t)atomic_load(&feed.lost));
	return CMD_OK;
}

/* --- the command ------------------------------------------------------------------------------- */

/* The first device that is up and not the loop. */
static struct netdev *tcpdump_device(struct stack *st)
{
	struct netdev *dev = NULL, *lo = NULL;

	while ((dev = netdev_next(st, dev))) {
		uint32_t flags = atomic_load(&dev->flags);

		if ((flags & NETDEV_UP) && !(flags & NETDEV_LOOPBACK))
			return dev;
		if (flags & NETDEV_LOOPBACK)
			lo = dev;
	}
	return lo;
}

static int tcpdump_option(struct tcpdump *t, int letter, const char *arg)
{
	static const struct range count = {"count", 1, UINT32_MAX};

	switch (letter) {
	case 'i':
		return parse_device(t->c, arg, &t->dev);
	case 'w':
		t->file = arg;
		return CMD_OK;
	case 'c':
		return parse_count(t->c, arg, &count, &t->count);
	case '-':
		if (strcmp(arg, "cut"))
			return cmd_usage(t->c, "unknown option --%s", arg);
		t->cut = true;
		return CMD_OK;
	default:
		return CMD_OK;
	}
}

int cmd_tcpdump(struct cmd *c)
{
	struct tcpdump t = {.c = c};
	struct opts o = {.c = c};
	int letter, status;

	while ((letter = opts_next(&o, "-i:w:c:nl")) > 0) {
		status = tcpdump_option(&t, letter, o.arg);
		if (status)
			return status;
	}
	if (letter < 0)
		return CMD_USAGE;
	if (o.index < c->argc)
		return cmd_usage(c, "unknown word %s", c->argv[o.index]);
	if (!t.dev)
		t.dev = tcpdump_device(c->stack);
	if (!t.dev)
		return cmd_error(c, "no device");
	return t.file ? tcpdump_write(&t) : tcpdump_print(&t);
}
