/*
 * sluice-init [--] COMMAND [ARGUMENT...]
 * sluice-init --supervise ...     see supervise.c
 * sluice-init --pipes ...         see pipes.c
 *
 * Runs a command, and is the parent of all that it leaves behind. Processes whose own parent has ended become
 * children of this one, which reaps them. Signals are passed on to the command. When it has ended, or when
 * what started this program has, all that is left is killed. Exits with the command's status, 128 + N if
 * signal N killed it, 127 if there is no such command, 126 if it cannot be run.
 *
 * Node can neither wait for a process that it has not started nor become a subreaper.
 */
#define _GNU_SOURCE
#include "supervise.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Real-time signals are not sent by terminals, shells or service managers: this one reports that the parent has ended. */
#define PARENT_ENDED (SIGRTMAX - 1)

static int failed(const char *what) {
  fprintf(stderr, "sluice-init: %s: %s\n", what, strerror(errno));
  return errno == ENOENT ? 127 : 126;
}

/* Kills every child. Processes that these leave behind then become children too. */
static void kill_children(void) {
  DIR *proc = opendir("/proc");
  struct dirent *entry;
  if (proc == NULL) return;
  while ((entry = readdir(proc)) != NULL) {
    char path[64], text[512], *end;
    long pid = strtol(entry->d_name, &end, 10);
    FILE *file;
    size_t length;
    if (pid <= 1 || *end != '\0') continue;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if ((file = fopen(path, "r")) == NULL) continue;
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    /* The name is in brackets, and may hold any character. */
    end = strrchr(text, ')');
    /* ") S 123": the state, and the parent. */
    if (end != NULL && strtol(end + 4, NULL, 10) == getpid()) kill((pid_t)pid, SIGKILL);
  }
  closedir(proc);
}

static void end_all(void) {
  for (;;) {
    kill_children();
    if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) return;
  }
}

int main(int argc, char **argv) {
  sigset_t all, before;
  pid_t parent = getppid(), command;
  int first;
  if (argc > 1 && strcmp(argv[1], "--supervise") == 0) return supervise(argc - 2, argv + 2);
  if (argc > 1 && strcmp(argv[1], "--pipes") == 0) return with_pipes(argc - 2, argv + 2, 0);
  if (argc > 1 && strcmp(argv[1], "--pipes=all") == 0) return with_pipes(argc - 2, argv + 2, 1);
  first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
  if (first >= argc) {
    fputs("usage: sluice-init [--] COMMAND [ARGUMENT...]\n", stderr);
    return 2;
  }
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return failed("cannot become a subreaper");
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  if (prctl(PR_SET_PDEATHSIG, PARENT_ENDED, 0, 0, 0) < 0) return failed("cannot watch the parent");
  /* It may have ended before it was watched. */
  if (getppid() != parent) return 1;
  command = fork();
  if (command < 0) return failed("cannot fork");
  if (command == 0) {
    sigprocmask(SIG_SETMASK, &before, NULL);
    execvp(argv[first], argv + first);
    _exit(failed(argv[first]));
  }
  for (;;) {
    int signal = sigwaitinfo(&all, NULL), status;
    pid_t ended;
    if (signal < 0) continue;
    if (signal == PARENT_ENDED) {
      end_all();
      return 1;
    }
    if (signal != SIGCHLD) {
      kill(command, signal);
      continue;
    }
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
      if (ended != command) continue;
      end_all();
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }
}
