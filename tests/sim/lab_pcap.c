/*
 * tests/sim/lab_pcap.c - a pcap file (draft-ietf-opsawg-pcap) of every frame as it comes to a line, in virtual
 * time: one seed gives one file.
 */
#include <errno.h>

#include "tests/sim/lab_world.h"

#define PCAP_MAGIC_NS 0xa1b23c4du
#define PCAP_SNAPLEN 262144u
#define PCAP_ETHERNET 1u

static void pcap_words(struct lab_world *w, const uint32_t *word, size_t n)
{
	if (!w->pcap_err && fwrite(word, sizeof(*word), n, w->pcap) != n)
		w->pcap_err = errno ? -errno : -EIO;
}

int lab_pcap_open(struct lab_world *w, const char *path)
{
	const uint32_t head[] = {PCAP_MAGIC_NS, 4u << 16 | 2u, 0, 0, PCAP_SNAPLEN, PCAP_ETHERNET};

	w->pcap = fopen(path, "we");
	if (!w->pcap)
		return -errno;
	w->pcap_err = 0;
	pcap_words(w, head, sizeof(head) / sizeof(head[0]));
	return 0;
}

void lab_pcap_frame(struct lab_world *w, const struct lab_frame *f)
{
	uint64_t now = env_now(w->env) > w->start ? lab_now(w) : 0;
	const uint32_t head[] = {(uint32_t)(now / NSEC_PER_SEC), (uint32_t)(now % NSEC_PER_SEC),
				 f->len, f->len};

	pcap_words(w, head, sizeof(head) / sizeof(head[0]));
	if (!w->pcap_err && fwrite(f->bytes, 1, f->len, w->pcap) != f->len)
		w->pcap_err = errno ? -errno : -EIO;
}

int lab_pcap_close(struct lab_world *w)
{
	if (!w->pcap)
		return 0;
	if (fclose(w->pcap) != 0 && !w->pcap_err)
		w->pcap_err = -errno;
	w->pcap = NULL;
	return w->pcap_err;
}
