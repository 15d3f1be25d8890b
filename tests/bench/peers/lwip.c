/*
 * tests/bench/peers/lwip.c - `lwip DEV`: the bench's services on lwIP, until standard input ends.
 *
 * lwIP is Debian's library, with the options it was built with (a window of 64 KB, sums by its own loop, a
 * send buffer that is copied); it answers at 10.0.0.1 behind the TAP, through the raw API, with one thread
 * that reads frames until there are none.  lwIP's own thread runs the timers.
 */
#include <errno.h>
#include <lwip/etharp.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>
#include <lwip/udp.h>
#include <netif/ethernet.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/bench/ports.h"
#include "tests/bench/tapfd.h"

#define FRAME_MAX 1600
#define BATCH 64 /* frames of one turn with the lock held */

/* One connection. */
struct conn {
	uint64_t total; /* a sink's bytes */
	u16_t port;
};

static void conn_free(struct conn *c, struct tcp_pcb *pcb)
{
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	free(c);
}

static void conn_end(struct conn *c, struct tcp_pcb *pcb)
{
	conn_free(c, pcb);
	tcp_close(pcb);
}

static void on_err(void *arg, err_t e)
{
	free(arg);
}

/* A source's buffer is always full. */
static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t n)
{
	static const char zeroes[65536];
	u16_t room;

	while ((room = (u16_t)tcp_sndbuf(pcb)) > 0)
		if (tcp_write(pcb, zeroes, room, 0) != ERR_OK)
			break;
	return tcp_output(pcb);
}

static void echo(struct conn *c, struct tcp_pcb *pcb, const struct pbuf *p)
{
	for (const struct pbuf *q = p; q; q = q->next)
		tcp_write(pcb, q->payload, q->len, TCP_WRITE_FLAG_COPY);
	if (c->port == PORT_CONN || c->port == PORT_CONN_BRIEF)
		conn_end(c, pcb);
	else
		tcp_output(pcb);
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t e)
{
	struct conn *c = arg;
	char to[2048];

	if (!p) {
		if (c->port == PORT_SINK)
			tcp_write(pcb, &c->total, sizeof(c->total), TCP_WRITE_FLAG_COPY);
		conn_end(c, pcb);
		return ERR_OK;
	}
	tcp_recved(pcb, p->tot_len);
	if (c->port != PORT_SINK) {
		echo(c, pcb, p);
	} else {
		c->total += p->tot_len;
		pbuf_copy_partial(p, to, sizeof(to), 0);
	}
	pbuf_free(p);
	return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t e)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || !pcb)
		return ERR_MEM;
	c->port = pcb->local_port;
	tcp_nagle_disable(pcb);
	tcp_arg(pcb, c);
	tcp_err(pcb, on_err);
	tcp_recv(pcb, on_recv);
	if (c->port != PORT_SOURCE)
		return ERR_OK;
	tcp_sent(pcb, on_sent);
	return on_sent(c, pcb, 0);
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
			u16_t port)
{
	udp_sendto(pcb, p, from, port);
	pbuf_free(p);
}

static void listen_all(void)
{
	struct udp_pcb *udp = udp_new();
	struct tcp_pcb *pcb;

	for (u16_t port = PORT_SINK; port <= PORT_REQUESTS; port++) {
		pcb = tcp_new();
		if (!pcb || tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK)
			errx(1, "port %u", port);
		tcp_accept(tcp_listen_with_backlog(pcb, 255), on_accept);
	}
	udp_bind(udp, IP_ADDR_ANY, PORT_ECHO);
	udp_recv(udp, on_datagram, NULL);
}

/* --- the TAP ---------------------------------------------------------------------------------- */

static err_t tap_write(struct netif *n, struct pbuf *p)
{
	char frame[FRAME_MAX];
	const void *from = p->payload;
	int fd = (int)(intptr_t)n->state;

	if (p->next)
		from = pbuf_get_contiguous(p, frame, sizeof(frame), p->tot_len, 0);
	return write(fd, from, p->tot_len) == p->tot_len ? ERR_OK : ERR_IF;
}

static err_t tap_init(struct netif *n)
{
	memcpy(n->name, "tp", 2);
	memcpy(n->hwaddr, "\x02\0\0\0\0\x01", ETH_HWADDR_LEN);
	n->hwaddr_len = ETH_HWADDR_LEN;
	n->mtu = 1500;
	n->flags =
	    NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
	n->output = etharp_output;
	n->linkoutput = tap_write;
	return ERR_OK;
}

/* Frames until there are none, or a batch of them.  The library's pool has pieces for a smaller segment than it
 * says, so frames go to the heap. */
static void tap_read(struct netif *n, int fd)
{
	char frame[FRAME_MAX];
	struct pbuf *p;
	ssize_t got;

	for (unsigned i = 0; i < BATCH; i++) {
		got = read(fd, frame, sizeof(frame));
		if (got <= 0)
			return;
		p = pbuf_alloc(PBUF_RAW, (u16_t)got, PBUF_RAM);
		if (!p)
			continue;
		pbuf_take(p, frame, (u16_t)got);
		if (n->input(p, n) != ERR_OK)
			pbuf_free(p);
	}
}

/* A connection in TIME-WAIT would refuse the client that comes again from its port: lwIP is spared that. */
static void timewait_end(void)
{
	while (tcp_tw_pcbs)
		tcp_abort(tcp_tw_pcbs);
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};
	struct netif n = {0};
	ip4_addr_t addr, mask, gateway = {0};

	if (argc != 2)
		errx(2, "usage: lwip DEV");
	fds[1].fd = tapfd_open(argv[1], 0, 0);
	IP4_ADDR(&addr, 10, 0, 0, 1);
	IP4_ADDR(&mask, 255, 255, 255, 0);
	tcpip_init(NULL, NULL);
	LOCK_TCPIP_CORE();
	netif_add(&n, &addr, &mask, &gateway, (void *)(intptr_t)fds[1].fd, tap_init,
		  ethernet_input);
	netif_set_up(&n);
	listen_all();
	UNLOCK_TCPIP_CORE();
	puts("ready");
	fflush(stdout);
	while (poll(fds, 2, -1) >= 0 && !fds[0].revents) {
		LOCK_TCPIP_CORE();
		tap_read(&n, fds[1].fd);
		timewait_end();
		UNLOCK_TCPIP_CORE();
	}
	return 0;
}
