/*
 * net/pcap.c - a capture that writes a pcap file (draft-ietf-opsawg-pcap): nanosecond times,
 * Ethernet or bare IP.
 *
 * The stream is buffered, so most packets cost a copy.  The first write error ends the capture, not
 * the traffic, and is what closing answers.  Nor does the reader of a FIFO hold the traffic up: while it
 * is behind, packets are left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/stack.h"
#include "net/capture.h"
#include "net/net_priv.h"

#define PCAP_MAGIC_NS 0xa1b23c4du
#define PCAP_VERSION_MAJOR 2
#define PCAP_VERSION_MINOR 4
#define PCAP_SNAPLEN 262144
#define PCAP_LINK_ETHERNET 1
#define PCAP_LINK_RAW 101
#define PCAP_END_MS 1000 /* for a FIFO's reader to take the rest */

struct pcap_file_hdr {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snaplen, link;
};
_Static_assert(sizeof(struct pcap_file_hdr) == 24, "file format");

struct pcap_packet_hdr {
	uint32_t sec, nsec, caplen, len;
};
_Static_assert(sizeof(struct pcap_packet_hdr) == 16, "file format");
#define PCAP_RECORD (sizeof(struct pcap_packet_hdr) + PCAP_SNAPLEN)

/*
 * LOCKING
 *	k	the net state's capture lock while the capture is added
 *	c	constant after creation		a	atomic
 */
struct pcap {
	struct capture capture;
	struct netdev *dev;     /* c */
	uint64_t wall;          /* c: wall clock less the env's, ns */
	uint64_t most;          /* c: packets after which it is over; 0: none */
	FILE *file;             /* k */
	uint8_t *rest;          /* c: of a FIFO: a record that is not all in it yet; NULL: a file */
	size_t at, nrest;       /* k: from where, and how many bytes */
	int err;                /* k: the first write error */
	_Atomic uint64_t count; /* a */
};

static void pcap_write(struct pcap *p, const void *data, size_t n)
{
	errno = 0;
	if (p->err == 0 && fwrite(data, 1, n, p->file) != n)
		p->err = errno ? -errno : -EIO;
}

/* True: all of it is in the FIFO. */
static bool pcap_rest(struct pcap *p)
{
	ssize_t n;

	while (p->nrest) {
		n = write(fileno(p->file), p->rest + p->at, p->nrest);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN && p->err == 0)
				p->err = -errno;
			return false;
		}
		p->at += (size_t)n;
		p->nrest -= (size_t)n;
	}
	return true;
}

static void pcap_put_fifo(struct pcap *p, const struct pcap_packet_hdr *h, const struct pkbuf *b)
{
	if (p->err || !pcap_rest(p) || b->len > PCAP_SNAPLEN)
		return;
	memcpy(p->rest, h, sizeof(*h));
	pkbuf_read(b, 0, p->rest + sizeof(*h), b->len);
	p->at = 0;
	p->nrest = sizeof(*h) + b->len;
	pcap_rest(p);
	if (p->err == 0)
		atomic_fetch_add_explicit(&p->count, 1, memory_order_relaxed);
}

static void pcap_put_file(struct pcap *p, const struct pcap_packet_hdr *h, const struct pkbuf *b)
{
	uint8_t part[2048];
	uint32_t n;

	pcap_write(p, h, sizeof(*h));
	for (uint32_t off = 0; off < b->len && p->err == 0; off += n) {
		n = b->len - off < sizeof(part) ? b->len - off : (uint32_t)sizeof(part);
		pkbuf_read(b, off, part, n);
		pcap_write(p, part, n);
	}
	if (p->err == 0)
		atomic_fetch_add_explicit(&p->count, 1, memory_order_relaxed);
}

static void pcap_packet(struct capture *c, struct netdev *dev, const struct pkbuf *b, bool out)
{
	struct pcap *p = c->arg;
	uint64_t now = env_now(dev->stack->env) + p->wall;
	struct pcap_packet_hdr h = {
	    .sec = (uint32_t)(now / NSEC_PER_SEC),
	    .nsec = (uint32_t)(now % NSEC_PER_SEC),
	    .caplen = b->len,
	    .len = b->len,
	};

	if (p->most && pcap_count(p) >= p->most)
		return;
	if (p->rest)
		pcap_put_fifo(p, &h, b);
	else
		pcap_put_file(p, &h, b);
}

/* A lab's file has the lab's times, so that one seed gives one file. */
static uint64_t pcap_wall(struct env *e)
{
	struct timespec ts;

	if (!e->threaded)
		return 0;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec - env_now(e);
}

/* Who waits for the capture to begin sees its head in the file, so this comes after it was added. */
static void pcap_flush_head(struct pcap *p)
{
	struct net_state *net = p->dev->stack->net;

	mutex_lock(&net->capture_lock);
	if (fflush(p->file) != 0 && p->err == 0)
		p->err = -errno;
	mutex_unlock(&net->capture_lock);
}

/* Of a FIFO the head goes at once, and then nobody waits for its reader.  0 or -errno. */
static int pcap_open_fifo(struct pcap *p)
{
	int fd = fileno(p->file);
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return 0;
	p->rest = malloc(PCAP_RECORD);
	if (!p->rest)
		return -ENOMEM;
	if (fflush(p->file) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

struct pcap *pcap_open_dev(struct netdev *dev, const char *path, bool cut, uint64_t most, int *err)
{
	struct pcap_file_hdr h = {
	    .magic = PCAP_MAGIC_NS,
	    .major = PCAP_VERSION_MAJOR,
	    .minor = PCAP_VERSION_MINOR,
	    .snaplen = PCAP_SNAPLEN,
	    .link = dev->link->hlen ? PCAP_LINK_ETHERNET : PCAP_LINK_RAW,
	};
	struct pcap *p = calloc(1, sizeof(*p));

	if (!p) {
		*err = -ENOMEM;
		return NULL;
	}
	p->file = fopen(path, "we");
	if (!p->file) {
		*err = -errno;
		free(p);
		return NULL;
	}
	p->dev = dev;
	p->most = most;
	p->wall = pcap_wall(dev->stack->env);
	p->capture = (struct capture){.cut = cut, .fn = pcap_packet, .arg = p};
	pcap_write(p, &h, sizeof(h));
	*err = pcap_open_fifo(p);
	if (*err) {
		fclose(p->file);
		free(p->rest);
		free(p);
		return NULL;
	}
	capture_add(dev, &p->capture);
	pcap_flush_head(p);
	return p;
}

uint64_t pcap_count(struct pcap *p)
{
	return atomic_load_explicit(&p->count, memory_order_relaxed);
}

bool pcap_is_over(struct pcap *p)
{
	struct net_state *net = p->dev->stack->net;
	int err;

	mutex_lock(&net->capture_lock);
	pcap_rest(p);
	err = p->err;
	mutex_unlock(&net->capture_lock);
	return err || (p->most && pcap_count(p) >= p->most);
}

int pcap_close_dev(struct pcap *p)
{
	struct pollfd room = {.events = POLLOUT};
	int err;

	capture_del(p->dev, &p->capture);
	room.fd = fileno(p->file);
	while (!pcap_rest(p) && p->err == 0) {
		if (poll(&room, 1, PCAP_END_MS) <= 0)
			p->err = -ETIMEDOUT;
	}
	err = p->err;
	if (fclose(p->file) != 0 && err == 0)
		err = -errno;
	free(p->rest);
	free(p);
	return err;
}
