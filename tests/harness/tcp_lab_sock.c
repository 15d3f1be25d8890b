/*
 * tests/harness/tcp_lab_sock.c - the lab's sockets, and connections brought to any state.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ip/inet_hash.h"
#include "tests/harness/tcp_lab.h"

static struct sockaddr_in lab_addr(const char *host, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	ck_assert_int_eq(inet_pton(AF_INET, host, &a.sin_addr), 1);
	return a;
}

void tcp_lab_peer(unsigned n)
{
	tl.peer = (struct tcp_lab_peer){
	    .port = (uint16_t)(TCP_LAB_PEER_PORT + n),
	    .lport = TCP_LAB_PORT,
	    .isn = TCP_LAB_ISN + n * 77777,
	};
}

int tcp_lab_socket(void)
{
	int fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert_msg(fd >= 0, "socket: %s", strerror(errno));
	return fd;
}

int tcp_lab_listen(int backlog)
{
	struct sockaddr_in a = lab_addr("10.0.0.1", TCP_LAB_PORT);
	int fd = tcp_lab_socket();

	ck_assert_int_eq(weft_bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(weft_listen(fd, backlog), 0);
	tl.ls = fd;
	return fd;
}

int tcp_lab_connect(void)
{
	struct sockaddr_in a = lab_addr("10.0.0.2", tl.peer.port);
	socklen_t n = sizeof(a);
	int fd = tcp_lab_socket();

	ck_assert_int_eq(weft_connect(fd, (struct sockaddr *)&a, sizeof(a)), -1);
	ck_assert_int_eq(errno, EINPROGRESS);
	ck_assert_int_eq(weft_getsockname(fd, (struct sockaddr *)&a, &n), 0);
	tl.peer.lport = ntohs(a.sin_port);
	tl.fd = fd;
	tl.sent = tl.recvd = 0;
	return fd;
}

int tcp_lab_accept(void)
{
	tl.fd = weft_accept4(tl.ls, NULL, NULL, SOCK_NONBLOCK);
	tl.sent = tl.recvd = 0;
	return tl.fd;
}

void tcp_lab_write(uint32_t n)
{
	uint8_t *bytes = malloc(n + 1);

	ck_assert_ptr_nonnull(bytes);
	stream_fill(bytes, n, tl.sent);
	ck_assert_int_eq(weft_send(tl.fd, bytes, n, 0), n);
	tl.sent += n;
	free(bytes);
}

void tcp_lab_read(uint32_t n)
{
	uint8_t *bytes = malloc(n + 1);
	uint32_t got = 0;

	ck_assert_ptr_nonnull(bytes);
	while (got < n) {
		ssize_t r = weft_recv(tl.fd, bytes + got, n - got, 0);

		if (r <= 0)
			ck_abort_msg("recv after %u of %u bytes: %s", got, n,
				     r ? strerror(errno) : "end of file");
		got += (uint32_t)r;
	}
	ck_assert_msg(stream_is(bytes, n, tl.recvd), "bytes received are wrong");
	tl.recvd += n;
	free(bytes);
}

void tcp_lab_read_eof(void)
{
	char c;

	ck_assert_int_eq(weft_recv(tl.fd, &c, 1, 0), 0);
}

void tcp_lab_read_errno(int err)
{
	char c;

	ck_assert_int_eq(weft_recv(tl.fd, &c, 1, 0), -1);
	ck_assert_str_eq(strerror(errno), strerror(err));
}

void tcp_lab_write_errno(int err)
{
	ck_assert_int_eq(weft_send(tl.fd, "x", 1, MSG_NOSIGNAL), -1);
	ck_assert_str_eq(strerror(errno), strerror(err));
}

int tcp_lab_error(void)
{
	int err;
	socklen_t n = sizeof(err);

	ck_assert_int_eq(weft_getsockopt(tl.fd, SOL_SOCKET, SO_ERROR, &err, &n), 0);
	return err;
}

short tcp_lab_poll(void)
{
	struct pollfd p = {.fd = tl.fd,
			   .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM};

	ck_assert_int_ge(weft_poll(&p, 1, 0), 0);
	return p.revents;
}

void tcp_lab_setopt(int fd, int level, int name, int value)
{
	ck_assert_msg(weft_setsockopt(fd, level, name, &value, sizeof(value)) == 0,
		      "option %d/%d: %s", level, name, strerror(errno));
}

/* --- what the stack has -------------------------------------------------------------------------
 */

/* Of the current peer, with a reference; NULL: none. */
static struct sock_common *lab_look_up(void)
{
	struct inet_tuple tu = {
	    .laddr = ip_addr4(0x0a000001),
	    .raddr = ip_addr4(0x0a000002),
	    .lport = tl.peer.lport,
	    .rport = tl.peer.port,
	};

	return inet_lookup(tcp_table(tl.st), &tu);
}

struct sock *tcp_lab_sock(void)
{
	struct sock_common *c = lab_look_up();

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->kind, SOCK_KIND_FULL);
	return (struct sock *)(void *)c;
}

bool tcp_lab_view(struct tcp_view *v)
{
	struct sock_common *c;
	struct batch b;

	batch_begin(&b, tl.st);
	c = lab_look_up();
	if (c) {
		memset(v, 0, sizeof(*v));
		tcp_view_get(c, v);
		inet_common_put(tcp_table(tl.st), c);
	}
	batch_end(&b);
	return c != NULL;
}

unsigned tcp_lab_now(void)
{
	struct tcp_view v;

	return tcp_lab_view(&v) ? v.state : TCP_CLOSE;
}

/* --- to any state -------------------------------------------------------------------------------
 */

/* Opens up to SYN-RECEIVED; the stack's SYN (with ACK) has been seen. */
static void lab_syn_received(enum tcp_lab_open how)
{
	struct seg syn = tl.syn;

	syn.flags |= SYN;
	if (how == PASSIVE) {
		if (tl.ls < 0)
			tcp_lab_listen(16);
		tcp_lab_rx(&syn);
		tx(SYN | ACK | (syn.flags & ECE), .seq = 0, .ack = 1);
		return;
	}
	tcp_lab_connect();
	tx(SYN, .seq = 0);
	tcp_lab_rx(&syn); /* simultaneous open */
	tx(SYN | ACK, .seq = 0, .ack = 1);
}

static void lab_established(enum tcp_lab_open how)
{
	struct seg syn = tl.syn;

	if (how == PASSIVE) {
		lab_syn_received(how);
		rx(ACK, .seq = 1, .ack = 1, .wnd = tl.syn.wnd);
		ck_assert_int_ge(tcp_lab_accept(), 0);
	} else {
		tcp_lab_connect();
		tx(SYN, .seq = 0);
		syn.flags = SYN | ACK;
		syn.ack = 1;
		tcp_lab_rx(&syn);
		tx(ACK, .seq = 1, .ack = 1);
	}
	tl.snd = tl.rcv = 1;
}

/* The peer's FIN, acknowledging all the stack sent before `ack`. */
static void lab_peer_fin(uint32_t ack)
{
	rx(FIN | ACK, .seq = tl.rcv++, .ack = ack, .wnd = tl.syn.wnd);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv);
}

static void lab_own_fin(void)
{
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = tl.snd++, .ack = tl.rcv);
}

/* From ESTABLISHED on. */
static void lab_closing(unsigned state)
{
	if (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK)
		lab_peer_fin(tl.snd);
	if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT)
		lab_own_fin();
	if (state == TCP_CLOSING)
		lab_peer_fin(tl.snd - 1);
	if (state == TCP_FIN_WAIT2)
		rx(ACK, .seq = tl.rcv, .ack = tl.snd, .wnd = tl.syn.wnd);
	if (state == TCP_TIME_WAIT)
		lab_peer_fin(tl.snd);
}

void tcp_lab_state(unsigned state, enum tcp_lab_open how)
{
	if (state == TCP_LISTEN) {
		tcp_lab_listen(16);
	} else if (state == TCP_SYN_SENT) {
		tcp_lab_connect();
		tx(SYN, .seq = 0);
		tl.snd = 1;
	} else if (state == TCP_SYN_RECV) {
		lab_syn_received(how);
		tl.snd = tl.rcv = 1;
	} else if (state != TCP_CLOSE) {
		lab_established(how);
		lab_closing(state);
	}
	if (state != TCP_LISTEN)
		ck_state(state);
	quiet();
}

void tcp_lab_established(const struct seg *syn)
{
	tl.syn = *syn;
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}
