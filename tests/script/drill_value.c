/*
 * tests/script/drill_value.c - arguments: numbers and constants, lists, structs, "..." for what does
 * not matter.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
/* last: they want struct timespec, and have names of their own for what <netinet/tcp.h> defines */
#include <linux/errqueue.h>
#include <linux/tcp.h>

#include "tests/script/drill.h"

#define NAME(x)                                                                                    \
	{                                                                                          \
#x, x                                                                              \
	}

static const struct {
	const char *name;
	int64_t value;
} constants[] = {
    NAME(AF_INET),
    NAME(AF_INET6),
    NAME(AF_UNSPEC),
    NAME(SOCK_STREAM),
    NAME(SOCK_DGRAM),
    NAME(SOCK_NONBLOCK),
    NAME(IPPROTO_TCP),
    NAME(IPPROTO_UDP),
    NAME(IPPROTO_IP),
    NAME(SOL_SOCKET),
    {"SOL_TCP", IPPROTO_TCP},
    {"SOL_IP", IPPROTO_IP},
    {"CMSG_LEVEL_IP", IPPROTO_IP},
    {"CMSG_TYPE_RECVERR", IP_RECVERR},
    NAME(SO_REUSEADDR),
    NAME(SO_SNDBUF),
    NAME(SO_RCVBUF),
    NAME(SO_ERROR),
    NAME(SO_LINGER),
    NAME(SO_KEEPALIVE),
    NAME(SO_MARK),
    NAME(SO_MAX_PACING_RATE),
    NAME(SO_ZEROCOPY),
    NAME(SO_TIMESTAMP),
    NAME(SO_TIMESTAMPNS),
    NAME(SO_TIMESTAMPING),
    {"SCM_TIMESTAMP", SO_TIMESTAMP},
    {"SCM_TIMESTAMPNS", SO_TIMESTAMPNS},
    {"SCM_TIMESTAMPING", SO_TIMESTAMPING},
    NAME(SOF_TIMESTAMPING_TX_HARDWARE),
    NAME(SOF_TIMESTAMPING_TX_SOFTWARE),
    NAME(SOF_TIMESTAMPING_RX_HARDWARE),
    NAME(SOF_TIMESTAMPING_RX_SOFTWARE),
    NAME(SOF_TIMESTAMPING_SOFTWARE),
    NAME(SOF_TIMESTAMPING_RAW_HARDWARE),
    NAME(SOF_TIMESTAMPING_OPT_ID),
    NAME(SOF_TIMESTAMPING_TX_SCHED),
    NAME(SOF_TIMESTAMPING_TX_ACK),
    NAME(SOF_TIMESTAMPING_OPT_CMSG),
    NAME(SOF_TIMESTAMPING_OPT_TSONLY),
    NAME(SOF_TIMESTAMPING_OPT_STATS),
    {"SOF_TIMESTAMPING_OPT_ID_TCP", 1 << 16}, /* Linux 6.2 */
    NAME(SCM_TSTAMP_SND),
    NAME(SCM_TSTAMP_SCHED),
    NAME(SCM_TSTAMP_ACK),
    NAME(SO_REUSEPORT),
    NAME(SO_RCVTIMEO),
    NAME(SO_SNDTIMEO),
    NAME(TCP_NODELAY),
    NAME(TCP_CORK),
    NAME(TCP_MAXSEG),
    NAME(TCP_QUICKACK),
    NAME(TCP_SYNCNT),
    NAME(TCP_LINGER2),
    NAME(TCP_DEFER_ACCEPT),
    NAME(TCP_WINDOW_CLAMP),
    NAME(TCP_INFO),
    NAME(TCP_USER_TIMEOUT),
    NAME(TCP_NOTSENT_LOWAT),
    NAME(TCP_KEEPIDLE),
    NAME(TCP_KEEPINTVL),
    NAME(TCP_KEEPCNT),
    NAME(TCP_FASTOPEN),
    NAME(TCP_FASTOPEN_CONNECT),
    NAME(TCP_FASTOPEN_KEY),
    NAME(TCP_FASTOPEN_NO_COOKIE),
    NAME(TCP_CONGESTION),
    NAME(TCP_INQ),
    NAME(TCP_CM_INQ),
    NAME(IP_TOS),
    NAME(IP_TTL),
    NAME(IP_RECVERR),
    NAME(IP_MTU_DISCOVER),
    NAME(IP_PMTUDISC_DO),
    NAME(IP_PMTUDISC_DONT),
    NAME(IP_FREEBIND),
    NAME(IP_BIND_ADDRESS_NO_PORT),
    {"IP_LOCAL_PORT_RANGE", 51}, /* Linux 6.3 */
    NAME(F_SETFL),
    NAME(F_GETFL),
    NAME(O_RDONLY),
    NAME(O_RDWR),
    NAME(O_NONBLOCK),
    NAME(SO_EE_ORIGIN_ZEROCOPY),
    NAME(SO_EE_CODE_ZEROCOPY_COPIED),
    NAME(SO_EE_ORIGIN_TIMESTAMPING),
    NAME(SHUT_RD),
    NAME(SHUT_WR),
    NAME(SHUT_RDWR),
    NAME(MSG_PEEK),
    NAME(MSG_DONTWAIT),
    NAME(MSG_TRUNC),
    NAME(MSG_CTRUNC),
    NAME(MSG_MORE),
    NAME(MSG_EOR),
    NAME(MSG_OOB),
    NAME(MSG_WAITALL),
    NAME(MSG_NOSIGNAL),
    NAME(MSG_ERRQUEUE),
    NAME(MSG_FASTOPEN),
    NAME(MSG_ZEROCOPY),
    NAME(SIOCINQ),
    NAME(SIOCOUTQ),
    NAME(FIONREAD),
    NAME(POLLIN),
    NAME(POLLOUT),
    NAME(POLLERR),
    NAME(POLLHUP),
    NAME(POLLRDHUP),
    NAME(POLLPRI),
    NAME(EPOLLIN),
    NAME(EPOLLOUT),
    NAME(EPOLLERR),
    NAME(EPOLLHUP),
    NAME(EPOLLRDHUP),
    NAME(EPOLLPRI),
    NAME(EPOLLET),
    NAME(EPOLLONESHOT),
    NAME(EPOLLEXCLUSIVE),
    NAME(EPOLL_CTL_ADD),
    NAME(EPOLL_CTL_MOD),
    NAME(EPOLL_CTL_DEL),
    NAME(EPERM),
    NAME(ENOENT),
    NAME(EEXIST),
    NAME(EINTR),
    NAME(EIO),
    NAME(EBADF),
    NAME(EAGAIN),
    NAME(EWOULDBLOCK),
    NAME(ENOMEM),
    NAME(EFAULT),
    NAME(EINVAL),
    NAME(EPIPE),
    NAME(ENOTSOCK),
    NAME(EMSGSIZE),
    NAME(ENOPROTOOPT),
    NAME(EOPNOTSUPP),
    NAME(EADDRINUSE),
    NAME(EADDRNOTAVAIL),
    NAME(ENETUNREACH),
    NAME(ECONNABORTED),
    NAME(ECONNRESET),
    NAME(ENOBUFS),
    NAME(EISCONN),
    NAME(ENOTCONN),
    NAME(ESHUTDOWN),
    NAME(ETIMEDOUT),
    NAME(ECONNREFUSED),
    NAME(EHOSTUNREACH),
    NAME(EHOSTDOWN),
    NAME(EPROTO),
    NAME(EALREADY),
    NAME(EINPROGRESS),
    NAME(EDESTADDRREQ),
    NAME(EPROTONOSUPPORT),
    NAME(EAFNOSUPPORT),
    NAME(EPROTO),
    NAME(ENOMSG),
};

int64_t constant_find(const char *name, bool *found)
{
	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
		if (!strcmp(constants[i].name, name)) {
			*found = true;
			return constants[i].value;
		}
	}
	*found = false;
	return 0;
}

const char *errno_name(int err)
{
	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
		if (constants[i].name[0] == 'E' && constants[i].value == err &&
		    strncmp(constants[i].name, "EPOLL", 5))
			return constants[i].name;
	}
	return strerror(err);
}

static struct value *value_new(enum value_kind kind)
{
	struct value *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	v->kind = kind;
	return v;
}

static int64_t number_or_constant(struct lex *x)
{
	char *name;
	bool found;
	int64_t v;

	lex_skip(x);
	if (isdigit((unsigned char)*x->p) || *x->p == '-')
		return lex_number(x);
	name = lex_word(x);
	if (!name)
		lex_fail(x, "value expected");
	v = constant_find(name, &found);
	if (!found && strcmp(name, "NULL"))
		lex_fail(x, "unknown constant before this");
	free(name);
	return v;
}

static struct value *number_read(struct lex *x)
{
	struct value *v = value_new(VALUE_NUMBER);

	v->number = number_or_constant(x);
	while (lex_take(x, "|"))
		v->number |= number_or_constant(x);
	return v;
}

static struct value *list_read(struct lex *x, const char *end)
{
	struct value *v = value_new(VALUE_LIST), **tail = &v->item;

	while (!lex_take(x, end)) {
		*tail = value_read(x);
		tail = &(*tail)->next;
		lex_take(x, ",");
	}
	return v;
}

/* name=value, name(count)=value, name(...)=value, or a value alone. */
static struct value *member_read(struct lex *x)
{
	const char *from = x->p;
	char *name = lex_word(x);
	struct value *v;

	if (name && lex_take(x, "("))
		free(lex_until(x, ")"));
	if (name && lex_take(x, "=")) {
		v = value_read(x);
		free(v->kind == VALUE_TEXT ? NULL : v->text);
		v->text = name;
		return v;
	}
	free(name);
	x->p = from;
	return value_read(x);
}

static struct value *struct_read(struct lex *x)
{
	struct value *v = value_new(VALUE_STRUCT), **tail = &v->item;

	while (!lex_take(x, "}")) {
		lex_skip(x);
		*tail = member_read(x);
		tail = &(*tail)->next;
		lex_take(x, ",");
	}
	return v;
}

/* \xf7 is a byte; none of a text is 0. */
static void text_unescape(char *text)
{
	unsigned byte;
	char *to = text;

	for (; *text; to++) {
		if (sscanf(text, "\\x%2x", &byte) == 1) {
			*to = (char)byte;
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

struct value *value_read(struct lex *x)
{
	struct value *v;

	if (lex_take(x, "..."))
		return value_new(VALUE_ELLIPSIS);
	if (lex_take(x, "["))
		return list_read(x, "]");
	if (lex_take(x, "{"))
		return struct_read(x);
	if (!lex_take(x, "\""))
		return number_read(x);
	v = value_new(VALUE_TEXT);
	v->text = lex_until(x, "\"");
	text_unescape(v->text);
	return v;
}

struct value *member_find(const struct value *s, const char *name)
{
	for (struct value *v = s->item; v; v = v->next) {
		if (v->text && !strcmp(v->text, name))
			return v;
	}
	return NULL;
}

int64_t member_number(const struct value *s, const char *name)
{
	struct value *v = member_find(s, name);

	return v && v->kind == VALUE_NUMBER ? v->number : 0;
}
