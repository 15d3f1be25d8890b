/*
 * socket/stream.c - what a stream's messages carry beside bytes, as on Linux: how much is left to read
 * (TCP_INQ), when the bytes came (SO_TIMESTAMP and its kin), that a send's buffer is free again (SO_ZEROCOPY).
 *
 * A send copies at once; that is what its completion says: SO_EE_CODE_ZEROCOPY_COPIED.  Completions
 * are numbers in a row, and one message tells all that came since the last.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
/* last: it wants struct timespec */
#include <linux/errqueue.h>

#include "ip/inet_cmsg.h"
#include "ip/inet_stamp.h"
#include "socket/socket_priv.h"

/* 0 or 1, nothing else (Linux). */
static int flag_set(struct socket *s, uint32_t flag, const void *v, socklen_t n)
{
	int on;

	if (n < sizeof(on))
		return -EINVAL;
	memcpy(&on, v, sizeof(on));
	if (on != 0 && on != 1)
		return -EINVAL;
	if (on)
		atomic_fetch_or(&s->flags, flag);
	else
		atomic_fetch_and(&s->flags, ~flag);
	return 0;
}

int stream_setopt(struct socket *s, int level, int name, const void *v, socklen_t n)
{
	if (level == SOL_SOCKET && name == SO_ZEROCOPY)
		return s->type == SOCK_STREAM ? flag_set(s, SOCKET_ZEROCOPY, v, n) : -EOPNOTSUPP;
	if (level == IPPROTO_TCP && name == TCP_INQ && s->type == SOCK_STREAM)
		return flag_set(s, SOCKET_INQ, v, n);
	return -ENOPROTOOPT;
}

int stream_getopt(struct socket *s, int level, int name, int *x)
{
	uint32_t flag;

	if (level == SOL_SOCKET && name == SO_ZEROCOPY)
		flag = SOCKET_ZEROCOPY;
	else if (level == IPPROTO_TCP && name == TCP_INQ && s->type == SOCK_STREAM)
		flag = SOCKET_INQ;
	else
		return -ENOPROTOOPT;
	*x = (atomic_load(&s->flags) & flag) != 0;
	return 0;
}

/* When it came; what can be read now, of which a stream at its end counts as one byte. */
void stream_control(struct socket *s, struct sock_msg *m)
{
	struct sock *sk = s->sk;
	int n = 0;

	if (m->stamped)
		sock_stamp_out(sk, m->stamp, false, m);
	if (!(atomic_load(&s->flags) & SOCKET_INQ) || (m->flags & MSG_ERRQUEUE))
		return;
	if (sk->ops->ioctl(sk, SIOCINQ, &n) == 0 && n == 0 && (sk->shutdown & SOCK_SHUT_RD))
		n = 1;
	sock_msg_control(m, IPPROTO_TCP, TCP_CM_INQ, &n, sizeof(n));
}

void zerocopy_sent(struct stack *st, struct socket *s, const struct sock_msg *m)
{
	if (!(m->flags & MSG_ZEROCOPY) || !(atomic_load(&s->flags) & SOCKET_ZEROCOPY))
		return;
	s->zerocopy_next++;
	socket_wake(st, s, EPOLLERR);
}

static bool zerocopy_pending(const struct socket *s)
{
	return s->zerocopy_next != s->zerocopy_told;
}

bool stream_has_errors(struct socket *s)
{
	return zerocopy_pending(s) || (s->type == SOCK_STREAM && sock_has_errors(s->sk));
}

static ssize_t zerocopy_recv(struct socket *s, struct sock_msg *m)
{
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in offender;
	} done = {
	    .ee =
		{
		    .ee_origin = SO_EE_ORIGIN_ZEROCOPY,
		    .ee_code = SO_EE_CODE_ZEROCOPY_COPIED,
		    .ee_info = s->zerocopy_told,
		    .ee_data = s->zerocopy_next - 1,
		},
	};

	s->zerocopy_told = s->zerocopy_next;
	m->out_flags = MSG_ERRQUEUE;
	sock_msg_control(m, IPPROTO_IP, IP_RECVERR, &done, sizeof(done));
	return 0;
}

/* A copy is done before anything is sent. */
ssize_t stream_recv_error(struct socket *s, struct sock_msg *m)
{
	return zerocopy_pending(s) ? zerocopy_recv(s, m) : sock_recv_error(s->sk, m);
}
