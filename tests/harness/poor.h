/*
 * tests/harness/poor.h - memory that is short at a moment of the test's choice: each of the stack's ways to get
 * some, counted, can be the one that finds none.
 *
 *	poor_sweep(scene);                             scene(), with its 1st allocation failing, its 2nd, ...
 *
 *	static void scene(void)
 *	{
 *		open();
 *		poor_begin();                          from here on
 *		act();
 *		poor_end();
 *		close();                               whatever it checks holds
 *	}
 *
 * The rooms' own memory alone is meant, not Check's or the harness's.  For programs called test_*poor.c (Makefile).
 */
#pragma once
#include <stdbool.h>

enum poor_how {
	POOR_ONCE, /* one allocation fails, all after it succeed */
	POOR_ALL,  /* it and all after it fail until poor_end() */
};

/* Runs the scene until nothing in it is left to fail. */
void poor_sweep(enum poor_how how, void (*scene)(void));
void poor_begin(void);
/* Without a sweep: there is none from here on. */
void poor_now(void);
void poor_end(void);
/* In between a test may take packets that do not count and do not fail. */
bool poor_pause(void);
void poor_resume(bool was);
/* Has the allocation failed that is to fail? */
bool poor_was(void);
