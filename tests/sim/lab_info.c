/*
 * tests/sim/lab_info.c - what TCP_INFO tells a program must make sense: counts inside each other, and no round trip
 * shorter than the way.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include "tests/sim/lab_world.h"
#include <linux/tcp.h>

#define ROUNDED 2u         /* segments: bytes are shown as segments, each count rounded up */
#define STAMP_US 1000u     /* the clock of timestamps */
#define RTO_LEAST_US 1000u /* whatever the setting */

static void info_counts(struct lab_end *e, const struct tcp_info *i)
{
	if (i->tcpi_sacked + i->tcpi_lost > i->tcpi_unacked + ROUNDED)
		lab_violate_end(e, "TCP_INFO: %u segments SACKed and %u lost of %u out",
				i->tcpi_sacked, i->tcpi_lost, i->tcpi_unacked);
	if (i->tcpi_retrans > i->tcpi_unacked + ROUNDED)
		lab_violate_end(e, "TCP_INFO: %u segments sent again of %u out", i->tcpi_retrans,
				i->tcpi_unacked);
	if (i->tcpi_bytes_acked > (uint64_t)i->tcpi_bytes_sent + 1)
		lab_violate_end(e, "TCP_INFO: %llu bytes acknowledged of %llu sent",
				(unsigned long long)i->tcpi_bytes_acked,
				(unsigned long long)i->tcpi_bytes_sent);
	if (i->tcpi_bytes_retrans > i->tcpi_bytes_sent)
		lab_violate_end(e, "TCP_INFO: %llu bytes sent again of %llu",
				(unsigned long long)i->tcpi_bytes_retrans,
				(unsigned long long)i->tcpi_bytes_sent);
	if (i->tcpi_data_segs_out > i->tcpi_segs_out || i->tcpi_data_segs_in > i->tcpi_segs_in)
		lab_violate_end(e, "TCP_INFO: more segments with data than segments");
}

/* There and back at the least, over the one link there is; 0: not known. */
static uint64_t way_us(const struct lab_world *w)
{
	uint64_t ns = 0;

	for (unsigned d = 0; w->scene.nlink == 1 && d < 2; d++) {
		const struct lab_line_config *c = &w->scene.link[0].line[d];

		ns += c->jitter < c->delay ? c->delay - c->jitter : 0;
	}
	return ns / NSEC_PER_USEC;
}

static void info_times(struct lab_end *e, const struct tcp_info *i)
{
	uint64_t way = way_us(e->conn->w);

	if (i->tcpi_snd_cwnd == 0)
		lab_violate_end(e, "TCP_INFO: no cwnd");
	if (i->tcpi_rto < RTO_LEAST_US)
		lab_violate_end(e, "TCP_INFO: an RTO of %u us", i->tcpi_rto);
	if (i->tcpi_rtt && i->tcpi_rtt + STAMP_US < way)
		lab_violate_end(e, "TCP_INFO: a round trip of %u us, the way takes %" PRIu64,
				i->tcpi_rtt, way);
	if (i->tcpi_min_rtt && i->tcpi_min_rtt != UINT32_MAX && i->tcpi_min_rtt + STAMP_US < way)
		lab_violate_end(e, "TCP_INFO: a least round trip of %u us, the way takes %" PRIu64,
				i->tcpi_min_rtt, way);
}

void lab_check_info(struct lab_end *e)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	if (e->fd < 0)
		return;
	memset(&i, 0, sizeof(i));
	if (weft_getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &i, &n) < 0) {
		lab_violate_end(e, "TCP_INFO: %s", strerror(errno));
		return;
	}
	info_counts(e, &i);
	info_times(e, &i);
}
