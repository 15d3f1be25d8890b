/*
 * ip/inet_cmsg.h - control messages on their way to the program, for every protocol.
 */
#pragma once
#include "ip/inet_sock.h"

/* Appends one to what recvmsg() answers; where it has no room it is cut and MSG_CTRUNC says so. */
void sock_msg_control(struct sock_msg *m, int level, int type, const void *data, size_t n);
