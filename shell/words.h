/*
 * shell/words.h - a line of commands cut into words.
 */
#pragma once
#include <stdbool.h>

/* One command of a line. */
struct words {
	char *text; /* the words, one behind the other */
	char **argv;
	int argc, room;
	char *in, *out; /* < FILE, > FILE; NULL: as it is */
	bool append;    /* >> */
	bool background;
};

/*
 * Takes the next command off *line.  1 with it in w, for words_free(); 0 at the end; -EINVAL with *why;
 * -ENOMEM.
 */
int words_next(const char **line, struct words *w, const char **why);
void words_free(struct words *w);
/* `word` so quoted that it is read back as one word, in malloc'd memory.  NULL: no memory. */
char *words_quote(const char *word);
