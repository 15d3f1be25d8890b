/*
 * net/pcap.c - a capture that writes a pcap file (draft-ietf-opsawg-pcap): nanosecond times,
 * Ethernet or bare IP.
 *
 * The stream is buffered, so most packets cost a copy.  The first write error ends the capture, not
 * the traffic, and is what closing answers.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/stack.h"
#include "net/capture.h"
#include "net/net_priv.h"

#define PCAP_MAGIC_NS 0xa1b23c4du
#define PCAP_VERSION_MAJOR 2
#define PCAP_VERSION_MINOR 4
#define PCAP_SNAPLEN 262144
#define PCAP_LINK_ETHERNET 1
#define PCAP_LINK_RAW 101

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
	int err;                /* k: the first write error */
	_Atomic uint64_t count; /* a */
};

static void pcap_write(struct pcap *p, const void *data, size_t n)
{
	errno = 0;
	if (p->err == 0 && fwrite(data, 1, n, p->file) != n)
		p->err = errno ? -errno : -EIO;
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
	uint8_t part[2048];
	uint32_t n;

	if (p->most && pcap_count(p) >= p->most)
		return;
	pcap_write(p, &h, sizeof(h));
	for (uint32_t off = 0; off < b->len && p->err == 0; off += n) {
		n = b->len - off < sizeof(part) ? b->len - off : (uint32_t)sizeof(part);
		pkbuf_read(b, off, part, n);
		pcap_write(p, part, n);
	}
	if (p->err == 0)
		atomic_fetch_add_explicit(&p->count, 1, memory_order_relaxed);
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
	err = p->err;
	mutex_unlock(&net->capture_lock);
	return err || (p->most && pcap_count(p) >= p->most);
}

int pcap_close_dev(struct pcap *p)
{
	int err;

	capture_del(p->dev, &p->capture);
	err = p->err;
	if (fclose(p->file) != 0 && err == 0)
		err = -errno;
	free(p);
	return err;
}
