/*
 * shell/program_check.c - can a program be served?  Where calls are not notified one that does not load the
 * library cannot: it is told before it starts.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shell/program.h"
#include "shell/shell_priv.h"

#define HEADERS_MAX 64
#define DEPTH_MAX 4 /* scripts of scripts */

/* The file that execvp() would take; false: none, which it tells better. */
static bool file_find(const char *name, char *path, size_t size)
{
	const char *at = getenv("PATH"), *end;

	if (strchr(name, '/'))
		return snprintf(path, size, "%s", name) < (int)size;
	for (at = at ? at : "/bin:/usr/bin"; *at; at = *end ? end + 1 : end) {
		end = at + strcspn(at, ":");
		if (snprintf(path, size, "%.*s/%s", (int)(end - at), at, name) < (int)size &&
		    access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* --- ELF ------------------------------------------------------------------------------------------------ */

/* A note of Go's linker: such programs make system calls themselves. */
static bool notes_say_go(int fd, const Elf64_Phdr *p)
{
	char notes[4096];
	ssize_t n = pread(fd, notes, sizeof(notes), (off_t)p->p_offset);
	size_t at = 0;

	n = n > (ssize_t)p->p_filesz ? (ssize_t)p->p_filesz : n;
	while (n > 0 && at + sizeof(Elf64_Nhdr) < (size_t)n) {
		Elf64_Nhdr h;

		memcpy(&h, notes + at, sizeof(h));
		at += sizeof(h);
		if (h.n_namesz == 4 && at + 4 <= (size_t)n && memcmp(notes + at, "Go\0", 4) == 0)
			return true;
		at += ((size_t)h.n_namesz + 3) / 4 * 4 + ((size_t)h.n_descsz + 3) / 4 * 4;
	}
	return false;
}

static const char *elf_why(int fd, const Elf64_Ehdr *e, bool notify)
{
	Elf64_Phdr p[HEADERS_MAX];
	unsigned n = e->e_phnum < HEADERS_MAX ? e->e_phnum : HEADERS_MAX;
	const char *why = "it is static: it would not load the library";

	if (e->e_ident[EI_CLASS] != ELFCLASS64)
		return "it is no 64-bit program";
	if (notify || pread(fd, p, n * sizeof(*p), (off_t)e->e_phoff) != (ssize_t)(n * sizeof(*p)))
		return NULL;
	for (unsigned i = 0; i < n; i++) {
		if (p[i].p_type == PT_NOTE && notes_say_go(fd, &p[i]))
			return "it is Go's: it makes system calls by itself";
		if (p[i].p_type == PT_INTERP)
			why = NULL;
	}
	return why;
}

/* --- any file ------------------------------------------------------------------------------------------- */

/* "#!INTERPRETER ARG": its interpreter, or with env the program that env runs. */
static bool script_interpreter(char *line, char *path, size_t size)
{
	char *save, *word = strtok_r(line + 2, " \t\n", &save);
	size_t n = word ? strlen(word) : 0;

	if (n >= 4 && strcmp(word + n - 4, "/env") == 0)
		word = strtok_r(NULL, " \t\n", &save);
	return word && file_find(word, path, size);
}

static bool in_group(gid_t group)
{
	gid_t groups[256];
	int n = getgroups(256, groups);

	for (int i = 0; i < n; i++) {
		if (groups[i] == group)
			return true;
	}
	return group == getegid();
}

/* Its exec is a secure one (AT_SECURE): the loader heeds no LD_PRELOAD.  Root gains nothing by capabilities. */
static bool changes_rights(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	if (st.st_mode & S_ISUID && st.st_uid != geteuid())
		return true;
	if (st.st_mode & S_ISGID && st.st_mode & S_IXGRP && !in_group(st.st_gid))
		return true;
	return geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

/* Why it is not served, or NULL; of a script its interpreter is looked at, left in path. */
static const char *file_why(char *path, size_t size, bool notify, bool *script)
{
	union {
		Elf64_Ehdr elf;
		char text[257];
	} head = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *why = NULL;

	*script = false;
	if (fd < 0)
		return NULL;
	if (read(fd, &head, sizeof(head) - 1) < 4)
		head.text[0] = '\0';
	if (memcmp(head.text, "#!", 2) == 0) {
		head.text[strcspn(head.text, "\n")] = '\0';
		*script = script_interpreter(head.text, path, size);
	} else if (memcmp(head.elf.e_ident, ELFMAG, SELFMAG) == 0) {
		why = elf_why(fd, &head.elf, notify);
	}
	if (!why && !notify && changes_rights(fd))
		why = "it changes its user or rights, and such programs do not load the library";
	close(fd);
	return why;
}

bool program_servable(const char *file, bool notify)
{
	bool script = true;
	char path[1024];
	const char *why = NULL;

	if (!file_find(file, path, sizeof(path)))
		return true;
	for (int i = 0; i < DEPTH_MAX && script && !why; i++)
		why = file_why(path, sizeof(path), notify, &script);
	if (why)
		shell_error("run: %s: not served: %s", path, why);
	return !why;
}

/* --- the environment ------------------------------------------------------------------------------------ */

/* Beside this program, as it is built, or in lib beside its bin. */
bool program_library(char *path, size_t size)
{
	static const char *const places[] = {"", "../lib/"};
	char own[512];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	if (n < 0)
		return false;
	own[n] = '\0';
	slash = strrchr(own, '/');
	if (slash)
		slash[1] = '\0';
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(path, size, "%s%s" PROGRAM_LIBRARY, own, places[i]) < (int)size &&
		    access(path, R_OK) == 0)
			return true;
	}
	return false;
}

int program_environment(const char *token)
{
	const char *others = getenv("LD_PRELOAD");
	char path[768], *value;
	int err;

	if (!program_library(path, sizeof(path))) {
		shell_error("run: " PROGRAM_LIBRARY
			    ": not beside weft, nor in ../lib; `make` builds it");
		return -1;
	}
	if (strpbrk(path, " :")) {
		shell_error("run: %s: the loader takes no name with a blank or a colon; move weft",
			    path);
		return -1;
	}
	if (asprintf(&value, "%s%s%s", others ? others : "", others && *others ? ":" : "", path) <
	    0)
		return -1;
	err = setenv("LD_PRELOAD", value, 1) || setenv(PROGRAM_VARIABLE, token, 1) ? -1 : 0;
	free(value);
	return err;
}
