/*
 * sluice-init --pipes|--pipes=all -- COMMAND [ARGUMENT...]
 *
 * Becomes the command, with real pipes in place of the sockets that Node gives a child as its standard output
 * and error. No process can open a socket, so that `> /dev/stderr` fails. A process of its own passes on what
 * is written, to those sockets. It closes them when the command has ended and it has passed that on. So
 * nothing has to wait for what the command left in the background. With `=all` it closes them when every
 * writer has gone. It takes what is written later, so that nothing dies of it. It is no child of the command,
 * which may wait for all that it has.
 */
#define _GNU_SOURCE
#include "supervise.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STREAMS 2
/* How often to check the command if the system cannot report its end. */
#define LOOK_MS 50

static int source[STREAMS] = {-1, -1}, sink[STREAMS] = {-1, -1};

static int is_socket(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* Writes all of it. When the reader has gone, the writers are to hear of it, as they would without us. */
static void pass_on(int stream, const char *bytes, ssize_t length) {
  while (length > 0 && sink[stream] >= 0) {
    ssize_t written = write(sink[stream], bytes, (size_t)length);
    if (written >= 0) {
      bytes += written;
      length -= written;
    } else if (errno == EAGAIN) {
      struct pollfd room = {.fd = sink[stream], .events = POLLOUT};
      poll(&room, 1, -1);
    } else if (errno != EINTR) {
      close_fd(&sink[stream]);
      close_fd(&source[stream]);
    }
  }
}

/*
 * Reads once; returns whether there was something. The end of one stream is passed on. The end of this
 * process passes on that of the last one, so that none of it is left when the reader hears of it.
 */
static int take(int stream) {
  static char bytes[65536];
  ssize_t length;
  if (source[stream] < 0) return 0;
  length = read(source[stream], bytes, sizeof bytes);
  if (length > 0) {
    pass_on(stream, bytes, length);
    return 1;
  }
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  close_fd(&source[stream]);
  if (source[1 - stream] >= 0) close_fd(&sink[stream]);
  return 0;
}

static void close_others(int ended) {
  int fd, last = (int)sysconf(_SC_OPEN_MAX);
  int kept[] = {source[0], source[1], sink[0], sink[1], ended};
  if (last < 0 || last > 4096) last = 4096;
  for (fd = 0; fd < last; fd++) {
    size_t i, count = sizeof kept / sizeof *kept;
    for (i = 0; i < count && kept[i] != fd; i++)
      ;
    if (i == count) close(fd);
  }
}

/* The process that passes output on. */
static void pump(pid_t command, int ended, int until_all) {
  int has_ended = 0;
  setsid();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  close_others(ended);
  if (chdir("/") < 0) return;
  while (source[0] >= 0 || source[1] >= 0) {
    struct pollfd ready[STREAMS + 1];
    int stream;
    for (stream = 0; stream < STREAMS; stream++) ready[stream] = (struct pollfd){.fd = source[stream], .events = POLLIN};
    ready[STREAMS] = (struct pollfd){.fd = has_ended ? -1 : ended, .events = POLLIN};
    if (poll(ready, STREAMS + 1, ended < 0 && !has_ended ? LOOK_MS : -1) < 0 && errno != EINTR) return;
    /* Looked at first: what the command has written is in the pipes by then. */
    if (!has_ended) has_ended = ended < 0 ? kill(command, 0) < 0 : ready[STREAMS].revents != 0;
    for (stream = 0; stream < STREAMS; stream++) take(stream);
    if (has_ended && !until_all && (sink[0] >= 0 || sink[1] >= 0)) {
      for (stream = 0; stream < STREAMS; stream++) {
        while (take(stream))
          ;
      }
      if (source[0] < 0 && source[1] < 0) return;
      close_fd(&sink[0]);
      close_fd(&sink[1]);
    }
  }
}

static int make_pipe(int stream, int *inlet) {
  int ends[2];
  if (!is_socket(stream + 1)) return 0;
  if (pipe2(ends, O_CLOEXEC) < 0) return -1;
  source[stream] = ends[0];
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  *inlet = ends[1];
  sink[stream] = fcntl(stream + 1, F_DUPFD_CLOEXEC, 3);
  return sink[stream];
}

int with_pipes(int argc, char **argv, int until_all) {
  int inlet[STREAMS] = {-1, -1}, stream, ended;
  pid_t command = getpid(), between;
  char **words = argv + (argc > 0 && strcmp(argv[0], "--") == 0 ? 1 : 0);
  if (words == argv + argc) return 2;
  ended = (int)syscall(SYS_pidfd_open, command, 0);
  for (stream = 0; stream < STREAMS; stream++) {
    if (make_pipe(stream, &inlet[stream]) < 0) goto plain;
  }
  between = fork();
  if (between < 0) goto plain;
  if (between == 0) {
    if (fork() == 0) {
      for (stream = 0; stream < STREAMS; stream++) close_fd(&inlet[stream]);
      pump(command, ended, until_all);
    }
    _exit(0);
  }
  while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
    ;
  for (stream = 0; stream < STREAMS; stream++) {
    if (inlet[stream] >= 0) dup2(inlet[stream], stream + 1);
  }
plain:
  execvp(words[0], words);
  fprintf(stderr, "sluice-init: %s: %s\n", words[0], strerror(errno));
  return errno == ENOENT ? 127 : 126;
}
