/*
 * shell/options_device.h - between options.c and options_device.c.
 */
#pragma once
#include "shell/options.h"

/* Says "weft: NAME: fmt (see weft --help)" and returns -1. */
int option_error(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A decimal number, or -1 with the error told. */
int option_number(const char *name, const char *v, unsigned min, unsigned max);

/* Each reads its option's value v: 0, or -1 with the error told. */
int option_dev(struct options *o, const char *v);
int option_addr(struct options *o, const char *v);
int option_host_addr(struct options *o, const char *v);
int option_mac(struct options *o, const char *v);
int option_mtu(struct options *o, const char *v);
/* Fills in what was left out, and checks what belongs together. */
int options_complete(struct options *o);
