/*
 * socket/guest_option.c - getsockopt and setsockopt: what is the kernel's, what is a store in the table, and
 * what is asked of the stack.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "socket/guest.h"
#include "socket/guest_kernel.h"

/* The descriptor's own: its blocking calls are the kernel's. */
bool guest_option_is_kernels(int level, int name)
{
	return level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO ||
				       name == SO_ACCEPTCONN || name == SO_RCVLOWAT);
}

static uint32_t flag_of(const struct guest_socket *s, int level, int name)
{
	if (s->type != SOCK_STREAM)
		return 0;
	if (level == SOL_SOCKET && name == SO_OOBINLINE)
		return PROGRAM_OOBINLINE;
	if (level != IPPROTO_TCP)
		return 0;
	return name == TCP_NODELAY ? PROGRAM_NODELAY : name == TCP_CORK ? PROGRAM_CORK : 0;
}

/* Nobody answers: the gateway does it when it comes to it. */
static void bell_ring(const struct guest_socket *s)
{
	const struct program_name n = {.kind = PROGRAM_BELL};
	int was = errno, fd = kernel_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t id = s->id;
	struct sockaddr_un sa;
	struct iovec iov = {&id, sizeof(id)};
	struct msghdr m = {.msg_name = &sa, .msg_iov = &iov, .msg_iovlen = 1};

	m.msg_namelen = program_address(&sa, s->guest->token.instance, &n);
	if (fd >= 0) {
		kernel_sendmsg(fd, &m, MSG_NOSIGNAL);
		kernel_close(fd);
	}
	errno = was;
}

/* The count goes first: who finds it unchanged and no cork has seen all that was corked. */
static void flag_clear(struct program_slot *s, uint32_t flag)
{
	if (flag == PROGRAM_CORK)
		atomic_fetch_add(&s->flags, PROGRAM_UNCORKED);
	atomic_fetch_and(&s->flags, ~flag);
}

/* What waits for the cork to go, or for Nagle's rule, is sent now; else the gateway looks when there is more to send. */
static int flag_set(const struct guest_socket *s, uint32_t flag, const void *v, socklen_t n)
{
	int on;

	if (n < sizeof(on))
		return -EINVAL;
	memcpy(&on, v, sizeof(on));
	if (on)
		atomic_fetch_or(&s->slot->flags, flag);
	else
		flag_clear(s->slot, flag);
	if (flag == PROGRAM_OOBINLINE) /* the descriptor shows it */
		return kernel_setsockopt(s->fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)) ? -errno
											   : 0;
	if ((flag == PROGRAM_CORK) == !on && atomic_load(&s->slot->held))
		bell_ring(s);
	return 0;
}

/* An IP option may be one byte (ip(7)). */
static int number_of(const void *v, socklen_t n)
{
	int x = 0;

	if (n >= sizeof(x))
		memcpy(&x, v, sizeof(x));
	else if (n)
		x = *(const uint8_t *)v;
	return x;
}

static int option_ask(const struct guest_socket *s, int level, int name, const void *v, socklen_t n)
{
	struct program_request q = {
	    .kind = PROGRAM_SETOPT, .id = s->id, .level = level, .name = name};
	uint32_t flag = flag_of(s, level, name);
	struct program_reply r;
	int err;

	if ((int)n < 0 || n > PROGRAM_VALUE)
		return -EINVAL;
	if (!v && n)
		return -EFAULT;
	if (s->slot && program_option_store(s->slot, level, name, v, n)) {
		if (s->type == SOCK_STREAM && atomic_load(&s->slot->state) != PROGRAM_NEW)
			bell_ring(s);
		return 0;
	}
	if (flag && s->slot)
		return flag_set(s, flag, v, n);
	q.len = n;
	if (n)
		memcpy(q.bytes, v, n);
	err = guest_request(s->guest, &q, &r);
	if (!err && level == IPPROTO_IP && name == IP_RECVERR && s->type == SOCK_DGRAM)
		guest_connect_errors(s, number_of(v, n) != 0);
	return err;
}

static bool refuses_large(int pmtudisc)
{
	return pmtudisc == IP_PMTUDISC_DO || pmtudisc == IP_PMTUDISC_PROBE ||
	       pmtudisc == IP_PMTUDISC_INTERFACE;
}

static int option_set(const struct guest_socket *s, int level, int name, const void *v, socklen_t n)
{
	int err = option_ask(s, level, name, v, n);

	if (!err && level == SOL_SOCKET && name == SO_LINGER)
		guest_linger_set(s, v, n);
	if (!err && level == IPPROTO_IP && name == IP_MTU_DISCOVER && s->type != SOCK_STREAM &&
	    refuses_large(number_of(v, n)))
		atomic_store(&s->guest->sizes, true);
	return err;
}

/* --- to read ------------------------------------------------------------------------------------------- */

static int put(int x, void *v, socklen_t *n)
{
	socklen_t size = *n < sizeof(x) ? *n : sizeof(x);

	memcpy(v, &x, size);
	*n = size;
	return 0;
}

/* True: *x is the answer. */
static bool known(const struct guest_socket *s, int level, int name, int *x)
{
	uint32_t flag = flag_of(s, level, name);

	if (flag && s->slot)
		*x = (atomic_load(&s->slot->flags) & flag) != 0;
	else if (level != SOL_SOCKET)
		return false;
	else if (name == SO_ERROR)
		*x = guest_error(s);
	else if (name == SO_DOMAIN)
		*x = s->family;
	else if (name == SO_PROTOCOL)
		*x = s->protocol;
	else if (name == SO_TYPE)
		*x = s->slot ? s->slot->type : s->type;
	else
		return false;
	return true;
}

static int option_get(const struct guest_socket *s, int level, int name, void *v, socklen_t *n)
{
	struct program_request q = {
	    .kind = PROGRAM_GETOPT, .id = s->id, .level = level, .name = name};
	struct program_reply r;
	int x, err;

	if (!v || !n)
		return -EFAULT;
	if ((int)*n < 0)
		return -EINVAL;
	if (known(s, level, name, &x))
		return put(x, v, n);
	q.len = *n < PROGRAM_VALUE ? *n : PROGRAM_VALUE;
	err = guest_request(s->guest, &q, &r);
	if (err)
		return err;
	*n = r.len < q.len ? r.len : q.len;
	memcpy(v, r.bytes, *n);
	return 0;
}

/* --- both ------------------------------------------------------------------------------------------------ */

int guest_setsockopt(const struct guest_socket *s, int level, int name, const void *v, socklen_t n)
{
	int r = option_set(s, level, name, v, n);

	return (int)guest_answer(s->guest, PROGRAM_CALL_SETSOCKOPT, level, name, r);
}

int guest_getsockopt(const struct guest_socket *s, int level, int name, void *v, socklen_t *n)
{
	int r = option_get(s, level, name, v, n);

	return (int)guest_answer(s->guest, PROGRAM_CALL_GETSOCKOPT, level, name, r);
}
