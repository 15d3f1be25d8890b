/*
 * shell/line_edit.c - lines from a terminal: readline with history and completion (complete.c).
 *
 * readline's callback interface, so that the thread sleeps in the stack and a signal, which the watching
 * thread takes, reaches it there.  Its callbacks have no argument: the one variable here is theirs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/shell_priv.h"

#ifdef WEFT_READLINE
#include <readline/history.h>
#include <readline/readline.h>

#include "shell/complete.h"

#define HISTORY_LINES 1000
#define PROMPT "[net shell]: "
#define WORD_ENDS " \t\n\"'<>;&|"

/* The shell thread's. */
static struct {
	bool done;
	char *line;
	char history[512]; /* "": none is kept */
	struct shell *shell;
	struct complete offer; /* while a word is completed */
} edit;

bool edit_wanted(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static void edit_line(char *line)
{
	rl_callback_handler_remove();
	edit.line = line;
	edit.done = true;
}

static char *edit_offer(const char *text, int again)
{
	static unsigned next;

	if (!again)
		next = 0;
	while (next < edit.offer.n) {
		const char *word = edit.offer.word[next++];

		if (strncmp(word, text, strlen(text)) == 0)
			return strdup(word);
	}
	return NULL;
}

/* Files are completed in readline's own way. */
static char **edit_complete(const char *text, int start, int end)
{
	char **words;

	complete_line(edit.shell, rl_line_buffer, (size_t)end, &edit.offer);
	rl_attempted_completion_over = !edit.offer.files;
	rl_completion_suppress_append = edit.offer.joins;
	words = rl_completion_matches(text, edit_offer);
	complete_free(&edit.offer);
	return words;
}

void edit_begin(struct shell *sh)
{
	const char *home = getenv("HOME");

	rl_readline_name = "weft";
	rl_catch_signals = 0;
	rl_catch_sigwinch = 0;
	rl_attempted_completion_function = edit_complete;
	rl_completer_word_break_characters = WORD_ENDS;
	rl_completer_quote_characters = "\"'";
	rl_filename_quote_characters = WORD_ENDS "#\\";
	edit.shell = sh;
	using_history();
	stifle_history(HISTORY_LINES);
	if (!home || snprintf(edit.history, sizeof(edit.history), "%s/.weft_history", home) >=
			 (int)sizeof(edit.history))
		edit.history[0] = '\0';
	if (edit.history[0])
		read_history(edit.history);
}

void edit_end(struct shell *sh)
{
	if (edit.history[0])
		history_truncate_file(edit.history, HISTORY_LINES);
	clear_history();
}

static void edit_remember(const char *line)
{
	HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;

	if (!line[strspn(line, " \t")] || (last && strcmp(last->line, line) == 0))
		return;
	add_history(line);
	if (!edit.history[0])
		return;
	if (append_history(1, edit.history) == ENOENT)
		write_history(edit.history);
}

/* One key, or what else ended the sleep: 0, or -EINTR with the line given up. */
static int edit_step(struct shell *sh)
{
	int r = line_wait(sh, STDIN_FILENO);

	if (r == 0)
		rl_callback_read_char();
	if (r == -EAGAIN)
		rl_resize_terminal();
	if (r != -EINTR)
		return 0;
	rl_callback_sigcleanup();
	rl_callback_handler_remove();
	fputs(atomic_load(&sh->stopping) ? "\n" : "^C\n", rl_outstream);
	return r;
}

int edit_read(struct shell *sh, char **line)
{
	int r = 0;

	edit.done = false;
	edit.line = NULL;
	rl_callback_handler_install(PROMPT, edit_line);
	while (!edit.done && !r)
		r = edit_step(sh);
	*line = edit.line;
	if (r || !edit.line) {
		if (!r)
			fputc('\n', rl_outstream);
		return r;
	}
	edit_remember(edit.line);
	return 1;
}
#else
bool edit_wanted(void)
{
	return false;
}

void edit_begin(struct shell *sh)
{
}

int edit_read(struct shell *sh, char **line)
{
	return line_read(sh, STDIN_FILENO, line);
}

void edit_end(struct shell *sh)
{
}
#endif
