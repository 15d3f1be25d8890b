/*
 * net/capture.h - packet taps (Linux's ptype_all) and the pcap files behind `tcpdump -w`.
 *
 * A capture sees each packet as the wire would: link header, checksums finished, super-frames whole
 * unless cutting is asked.
 */
#pragma once
#include "net/netdev.h"

/*
 * LOCKING
 *	k	the net state's capture lock (a leaf); fn runs under it and must not call back
 *	c	constant while added
 */
struct capture {
	struct capture *next; /* k */
	bool cut;             /* c: wire frames instead of super-frames */
	/* c: looks at b (pkbuf_read()), which is not its own */
	void (*fn)(struct capture *c, struct netdev *dev, const struct pkbuf *b, bool out);
	void *arg; /* c */
};

void capture_add(struct netdev *dev, struct capture *c);
void capture_del(struct netdev *dev, struct capture *c); /* on return fn is not running */
void capture_show(struct netdev *dev, const struct pkbuf *b, bool out); /* for netdev.c */

/* A pcap file (nanosecond magic, wall-clock times) of one device; cut: wire frames; most: 0, no end. */
struct pcap;
struct pcap *pcap_open_dev(struct netdev *dev, const char *path, bool cut, uint64_t most, int *err);
uint64_t pcap_count(struct pcap *p); /* packets written so far */
bool pcap_is_over(struct pcap *p);   /* as many as were asked for are there, or writing failed */
int pcap_close_dev(struct pcap *p);  /* 0 or the first write error */
