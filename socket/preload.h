/*
 * socket/preload.h - between the files of the preload library: libc's names that are ours.
 */
#pragma once
#include "socket/guest.h"
#include "socket/guest_kernel.h"

#define HOOK __attribute__((visibility("default")))

/* This program's. */
struct guest *preload_guest(void);
/* -1 and errno of a negative errno. */
long preload_answer(long r);
