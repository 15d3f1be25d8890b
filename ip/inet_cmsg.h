/*
 * ip/inet_cmsg.h - control messages on their way to the program, for every protocol; a stream's on their way
 * from it.
 */
#pragma once
#include "ip/inet_sock.h"

#define SOCK_PRIORITY_MAX 6 /* SO_PRIORITY, without privilege */

/* Appends one to what recvmsg() answers; where it has no room it is cut and MSG_CTRUNC says so. */
void sock_msg_control(struct sock_msg *m, int level, int type, const void *data, size_t n);
/*
 * Those of a send on a stream, whose bytes have nobody to carry wishes for them: only SO_TIMESTAMPING, into
 * m->stamps; other levels are ignored.  0, -EINVAL: malformed, or one of SOL_SOCKET that is not known.
 */
int stream_control_in(struct sock_msg *m);
/* True: there is one of this level. */
bool sock_control_names(const struct sock_msg *m, int level);
