/*
 * sluice-init --supervise [OPTION...] -- COMMAND [ARGUMENT...]
 *
 * Starts a program in a session of its own, and is the parent of all that it leaves behind. It reads its
 * output, receives its notifications, and ends all of it when the socket on descriptor 3 closes. Options:
 *
 *   --capture             standard output and error go to the socket; without it they are those of this program
 *   --notify              NOTIFY_SOCKET is set to a socket that this program reads (sd_notify(3))
 *   --ready-fd=N          the first newline on descriptor N is reported
 *   --uid=N --gid=N --groups=N,N
 *   --limit=NAME=SOFT:HARD    numbers, or "infinity"
 *   --cgroup=DIRECTORY    the program joins it before it runs; removed when nothing of it is left
 *
 * Frames to the broker: a letter, four bytes of length (big-endian), that many bytes.
 *   P pid of the main process    E "errno what": it could not be started
 *   1 2 output    D "stream bytes": output that was left out here
 *   N a notification    R the newline on the descriptor
 *   X "e status" or "s signal": the main process ended    G all of it has gone and every byte was sent
 *   L a line "pid state name" for each process of it
 * Lines from the broker: "m N" "g N" "t N" send signal N to the main process, to its group, to all of it;
 *   "k" kills all of it until it has gone; "l" asks for L; "a N" has taken N bytes of output.
 *
 * Node can neither wait for a process that it has not started, nor receive datagrams, nor set limits and groups.
 */
#define _GNU_SOURCE
#include "supervise.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL 3
/* Output that waits here for the broker; the oldest is left out first. Pages that are not used cost nothing. */
#define KEPT (1024 * 1024)
/* Output on its way to the broker, which has not taken it yet. */
#define WINDOW (256 * 1024)
#define CHUNK (64 * 1024)
#define HEAD 5
/* How often what is being killed is looked for again, in milliseconds. */
#define AGAIN_MS 50
#define MOST_LIMITS 8
#define MOST_CGROUPS 2

struct limit {
  int resource;
  struct rlimit value;
};

static const struct {
  const char *name;
  int resource;
} RESOURCES[] = {{"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"core", RLIMIT_CORE},
                 {"memlock", RLIMIT_MEMLOCK}, {"stack", RLIMIT_STACK}, {"as", RLIMIT_AS}};

static struct {
  int capture, notify, ready_fd, has_uid, has_gid, group_count, limit_count;
  uid_t uid;
  gid_t gid, groups[1024];
  struct limit limits[MOST_LIMITS];
  int cgroup_count;
  const char *cgroups[MOST_CGROUPS];
} wanted = {.ready_fd = -1};

static pid_t leader, main_pid;
static int main_ended, killing, child_left = 1;
static int out_fd[2] = {-1, -1}, notify_fd = -1, ready_in = -1, signals_fd = -1;

/* The data to send: control frames in one buffer, output in a ring of entries "stream, length, bytes". */
static char *control_out;
static size_t control_length, control_room;
static char ring[KEPT];
static size_t ring_head, ring_used;
static unsigned long long left_out[2];
/* The piece of output that is being written, with its head. */
static char sending[HEAD + CHUNK];
static size_t sending_at, sending_length;
static size_t under_way;

static void put_length(char *at, size_t length) {
  at[0] = (char)(length >> 24);
  at[1] = (char)(length >> 16);
  at[2] = (char)(length >> 8);
  at[3] = (char)length;
}

static void say(char type, const char *bytes, size_t length) {
  if (control_length + HEAD + length > control_room) {
    size_t room = control_room * 2 + HEAD + length + 256;
    char *larger = realloc(control_out, room);
    /* Without memory the broker must not go on with half of the truth: the socket closes, and all ends. */
    if (larger == NULL) _exit(1);
    control_out = larger;
    control_room = room;
  }
  control_out[control_length] = type;
  put_length(control_out + control_length + 1, length);
  memcpy(control_out + control_length + HEAD, bytes, length);
  control_length += HEAD + length;
}

static void say_text(char type, const char *text) { say(type, text, strlen(text)); }

static void say_number(char type, const char *what, long long number) {
  char text[64];
  snprintf(text, sizeof text, "%s%lld", what, number);
  say_text(type, text);
}

static void ring_read(char *to, size_t length) {
  size_t first = KEPT - ring_head < length ? KEPT - ring_head : length;
  memcpy(to, ring + ring_head, first);
  memcpy(to + first, ring, length - first);
  ring_head = (ring_head + length) % KEPT;
  ring_used -= length;
}

static void ring_write(const char *from, size_t length) {
  size_t tail = (ring_head + ring_used) % KEPT;
  size_t first = KEPT - tail < length ? KEPT - tail : length;
  memcpy(ring + tail, from, first);
  memcpy(ring, from + first, length - first);
  ring_used += length;
}

static size_t head_length(const char *head) {
  return (size_t)(unsigned char)head[1] << 24 | (size_t)(unsigned char)head[2] << 16 |
         (size_t)(unsigned char)head[3] << 8 | (size_t)(unsigned char)head[4];
}

static void keep_output(int stream, const char *bytes, size_t length) {
  char head[HEAD] = {(char)('1' + stream)};
  while (ring_used + HEAD + length > KEPT) {
    char oldest[HEAD];
    size_t size;
    ring_read(oldest, HEAD);
    size = head_length(oldest);
    ring_head = (ring_head + size) % KEPT;
    ring_used -= size;
    left_out[oldest[0] - '1'] += size;
  }
  put_length(head + 1, length);
  ring_write(head, HEAD);
  ring_write(bytes, length);
}

/* Reads what there is on a stream of the program. */
static void read_output(int stream) {
  static char chunk[CHUNK];
  ssize_t got = read(out_fd[stream], chunk, sizeof chunk);
  if (got > 0) keep_output(stream, chunk, (size_t)got);
  else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    close(out_fd[stream]);
    out_fd[stream] = -1;
  }
}

/* Takes the next piece of output to be written; 0 if there is none, or the broker is to take some first. */
static int next_output(void) {
  char head[HEAD];
  int stream;
  for (stream = 0; stream < 2; stream++) {
    char text[64];
    if (left_out[stream] == 0) continue;
    snprintf(text, sizeof text, "%d %llu", stream + 1, left_out[stream]);
    left_out[stream] = 0;
    say_text('D', text);
  }
  if (ring_used == 0 || under_way >= WINDOW) return 0;
  ring_read(head, HEAD);
  sending_length = HEAD + head_length(head);
  memcpy(sending, head, HEAD);
  ring_read(sending + HEAD, sending_length - HEAD);
  sending_at = 0;
  under_way += sending_length - HEAD;
  return 1;
}

/* Writes as much as the socket takes; -1 if it has closed. */
static int write_out(void) {
  for (;;) {
    ssize_t wrote;
    if (sending_at == sending_length && control_length == 0 && !next_output() && control_length == 0) return 0;
    if (sending_at < sending_length) {
      wrote = send(CONTROL, sending + sending_at, sending_length - sending_at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (wrote > 0) sending_at += (size_t)wrote;
    } else {
      wrote = send(CONTROL, control_out, control_length, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (wrote > 0) {
        memmove(control_out, control_out + wrote, control_length - (size_t)wrote);
        control_length -= (size_t)wrote;
      }
    }
    if (wrote < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  }
}

struct process {
  pid_t pid, parent;
  char state, name[32];
};

/* All that descends from this process; the caller frees it. */
static struct process *descendants(size_t *count) {
  DIR *proc = opendir("/proc");
  struct dirent *entry;
  struct process *all = NULL;
  size_t length = 0, room = 0, found = 0, at;
  *count = 0;
  if (proc == NULL) return NULL;
  while ((entry = readdir(proc)) != NULL) {
    char path[64], text[512], *end, *begin;
    long pid = strtol(entry->d_name, &end, 10);
    struct process one;
    FILE *file;
    size_t size;
    if (pid <= 1 || *end != '\0') continue;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if ((file = fopen(path, "r")) == NULL) continue;
    size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    /* The name is in brackets, and may hold any character. */
    begin = strchr(text, '(');
    end = strrchr(text, ')');
    /* ") S 123": the state, and the parent. */
    if (begin == NULL || end == NULL || strlen(end) < 5) continue;
    one.state = end[2];
    one.pid = (pid_t)pid;
    one.parent = (pid_t)strtol(end + 4, NULL, 10);
    snprintf(one.name, sizeof one.name, "%.*s", (int)(end - begin - 1), begin + 1);
    if (length == room) {
      struct process *larger = realloc(all, (room = room * 2 + 64) * sizeof *all);
      if (larger == NULL) break;
      all = larger;
    }
    all[length++] = one;
  }
  closedir(proc);
  /* Moves each that descends from what has been found to the front, until a pass finds none. */
  for (int again = 1; again;) {
    again = 0;
    for (at = found; at < length; at++) {
      size_t i;
      int ours = all[at].parent == getpid();
      for (i = 0; i < found && !ours; i++) ours = all[i].pid == all[at].parent;
      if (ours) {
        struct process moved = all[at];
        all[at] = all[found];
        all[found++] = moved;
        again = 1;
      }
    }
  }
  *count = found;
  return all;
}

/* Writes to a file of a cgroup; -1 if that fails. */
static int write_cgroup(const char *directory, const char *file, const char *text) {
  char path[4096];
  int fd, wrote;
  snprintf(path, sizeof path, "%s/%s", directory, file);
  fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  wrote = (int)write(fd, text, strlen(text));
  close(fd);
  return wrote < 0 ? -1 : 0;
}

static void signal_all(int number) {
  size_t count, i;
  struct process *all;
  int at;
  /* At one moment, however fast it forks. */
  for (at = 0; number == SIGKILL && at < wanted.cgroup_count; at++) write_cgroup(wanted.cgroups[at], "cgroup.kill", "1");
  all = descendants(&count);
  for (i = 0; i < count; i++) kill(all[i].pid, number);
  free(all);
}

static int is_ours(pid_t pid) {
  size_t count, i;
  struct process *all = descendants(&count);
  int found = 0;
  for (i = 0; i < count && !found; i++) found = all[i].pid == pid;
  free(all);
  return found;
}

static void list_all(void) {
  size_t count, i, length = 0;
  struct process *all = descendants(&count);
  char *text = malloc(count * 64 + 1);
  if (text == NULL) _exit(1);
  for (i = 0; i < count; i++) {
    length += (size_t)snprintf(text + length, 64, "%d %c %s\n", (int)all[i].pid, all[i].state, all[i].name);
  }
  say('L', text, length);
  free(text);
  free(all);
}

static void end_of_main(int status) {
  main_ended = 1;
  if (WIFSIGNALED(status)) say_number('X', "s ", WTERMSIG(status));
  else say_number('X', "e ", WEXITSTATUS(status));
}

static void reap(void) {
  int status;
  pid_t ended;
  while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
    if (ended == main_pid && !main_ended) end_of_main(status);
  }
  if (ended < 0 && errno == ECHILD) {
    child_left = 0;
    /* A main process that another one reaped. */
    if (!main_ended) end_of_main(0);
  }
  if (killing && child_left) signal_all(SIGKILL);
}

/* A notification, after closing its descriptors: the sender waits for that (BARRIER=1). */
static void receive_notification(void) {
  char text[4096], control[CMSG_SPACE(sizeof(int) * 253) + CMSG_SPACE(sizeof(struct ucred))];
  struct iovec part = {text, sizeof text - 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *extra;
  struct ucred sender = {0, (uid_t)-1, (gid_t)-1};
  char *line, *rest;
  ssize_t got = recvmsg(notify_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return;
  for (extra = CMSG_FIRSTHDR(&message); extra != NULL; extra = CMSG_NXTHDR(&message, extra)) {
    if (extra->cmsg_level != SOL_SOCKET) continue;
    if (extra->cmsg_type == SCM_RIGHTS) {
      size_t count = (extra->cmsg_len - CMSG_LEN(0)) / sizeof(int), i;
      for (i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(extra) + i * sizeof(int), sizeof fd);
        close(fd);
      }
    } else if (extra->cmsg_type == SCM_CREDENTIALS) memcpy(&sender, CMSG_DATA(extra), sizeof sender);
  }
  /* The name of the socket is not secret: messages of other users do not count, except from processes of the program. */
  if (sender.uid != 0 && sender.uid != getuid() && !(wanted.has_uid && sender.uid == wanted.uid) &&
      !is_ours(sender.pid))
    return;
  say('N', text, (size_t)got);
  text[got] = '\0';
  for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    pid_t named;
    if (strncmp(line, "MAINPID=", 8) != 0) continue;
    named = (pid_t)atoi(line + 8);
    if (named <= 1 || named == main_pid || !is_ours(named)) continue;
    main_pid = named;
    main_ended = 0;
    say_number('P', "", named);
  }
}

static void receive_ready(void) {
  char bytes[512];
  ssize_t got = read(ready_in, bytes, sizeof bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0 && memchr(bytes, '\n', (size_t)got) == NULL) return;
  if (got > 0) say_text('R', "");
  close(ready_in);
  ready_in = -1;
}

static void obey(const char *line) {
  int number = atoi(line + 1);
  switch (line[0]) {
  case 'm':
    if (!main_ended) kill(main_pid, number);
    break;
  case 'g':
    kill(-leader, number);
    break;
  case 't':
    signal_all(number);
    break;
  case 'k':
    killing = 1;
    signal_all(SIGKILL);
    break;
  case 'l':
    list_all();
    break;
  case 'a':
    under_way = (size_t)number < under_way ? under_way - (size_t)number : 0;
    break;
  default:
    break;
  }
}

/* Reads lines of the broker; -1 if the socket has closed. */
static int receive_orders(void) {
  static char line[256];
  static size_t length;
  char bytes[512];
  ssize_t got = recv(CONTROL, bytes, sizeof bytes, MSG_DONTWAIT), i;
  if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  if (got == 0) return -1;
  for (i = 0; i < got; i++) {
    if (bytes[i] == '\n') {
      line[length] = '\0';
      length = 0;
      obey(line);
    } else if (length < sizeof line - 1) line[length++] = bytes[i];
  }
  return 0;
}

/* The broker has gone, or does not listen: nothing of the program may stay. */
static int end_all(void) {
  for (;;) {
    struct pollfd wait = {signals_fd, POLLIN, 0};
    struct signalfd_siginfo info;
    signal_all(SIGKILL);
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    if (errno == ECHILD) {
      int at;
      for (at = 0; at < wanted.cgroup_count; at++) rmdir(wanted.cgroups[at]);
      return 1;
    }
    poll(&wait, 1, AGAIN_MS);
    while (read(signals_fd, &info, sizeof info) > 0) continue;
  }
}

/* The broker closes the socket when it has read everything: to close it first would take what is in it along. */
static int wait_for_reader(void) {
  for (;;) {
    char bytes[512];
    ssize_t got = recv(CONTROL, bytes, sizeof bytes, 0);
    if (got == 0 || (got < 0 && errno != EINTR)) return 0;
  }
}

static int watch(void) {
  for (;;) {
    struct pollfd waits[6] = {{signals_fd, POLLIN, 0}, {CONTROL, POLLIN, 0},      {out_fd[0], POLLIN, 0},
                              {out_fd[1], POLLIN, 0},  {notify_fd, POLLIN, 0}, {ready_in, POLLIN, 0}};
    int pending = sending_at < sending_length || control_length > 0 || (ring_used > 0 && under_way < WINDOW);
    int idle;
    if (pending) waits[1].events |= POLLOUT;
    idle = !child_left && main_ended && out_fd[0] < 0 && out_fd[1] < 0;
    if (idle && ring_used == 0 && sending_at == sending_length && left_out[0] + left_out[1] == 0) {
      say_text('G', "");
      while (control_length > 0) {
        struct pollfd wait = {CONTROL, POLLOUT, 0};
        if (write_out() < 0) return 1;
        if (control_length > 0) poll(&wait, 1, -1);
      }
      return wait_for_reader();
    }
    if (poll(waits, 6, killing ? AGAIN_MS : -1) < 0 && errno != EINTR) return end_all();
    if (waits[2].revents) read_output(0);
    if (waits[3].revents) read_output(1);
    if (waits[4].revents) receive_notification();
    if (waits[5].revents) receive_ready();
    if (waits[0].revents) {
      struct signalfd_siginfo info;
      while (read(signals_fd, &info, sizeof info) > 0) continue;
      /* Its last messages come before its end. */
      if (notify_fd >= 0) {
        struct pollfd said = {notify_fd, POLLIN, 0};
        while (poll(&said, 1, 0) > 0) receive_notification();
      }
      if (ready_in >= 0) receive_ready();
      reap();
    } else if (killing) reap();
    if (waits[1].revents & (POLLIN | POLLHUP | POLLERR) && receive_orders() < 0) return end_all();
    if (write_out() < 0) return end_all();
    /* What left the tree holding the output cannot: it would be a child. So the end of all is the end of the output. */
    if (!child_left && main_ended) {
      int stream;
      for (stream = 0; stream < 2; stream++) while (out_fd[stream] >= 0) {
        struct pollfd more = {out_fd[stream], POLLIN, 0};
        if (poll(&more, 1, 0) > 0) read_output(stream);
        else {
          close(out_fd[stream]);
          out_fd[stream] = -1;
        }
      }
    }
  }
}

/* In the child: reports on the pipe what failed, and ends. */
static void give_up(int report, const char *what) {
  char text[256];
  int length = snprintf(text, sizeof text, "%d %s", errno, what);
  if (write(report, text, (size_t)length) < 0) _exit(126);
  _exit(127);
}

static void become(char **command, int pipes[2][2], int ready_out, int report, const char *notify_name) {
  int i;
  /* The descriptors of the program are numbered by its unit: ours must not be in the way. */
  report = fcntl(report, F_DUPFD_CLOEXEC, wanted.ready_fd < 20 ? 20 : wanted.ready_fd + 1);
  if (report < 0) _exit(126);
  setsid();
  for (i = 0; i < wanted.cgroup_count; i++) {
    if (write_cgroup(wanted.cgroups[i], "cgroup.procs", "0") < 0) give_up(report, "cgroup");
  }
  if (wanted.capture && (dup2(pipes[0][1], 1) < 0 || dup2(pipes[1][1], 2) < 0)) give_up(report, "output");
  if (ready_out >= 0) {
    if (ready_out == wanted.ready_fd) fcntl(ready_out, F_SETFD, 0);
    else if (dup2(ready_out, wanted.ready_fd) < 0) give_up(report, "ready fd");
  }
  if (notify_name != NULL) setenv("NOTIFY_SOCKET", notify_name, 1);
  for (i = 0; i < wanted.limit_count; i++) {
    if (setrlimit(wanted.limits[i].resource, &wanted.limits[i].value) < 0) give_up(report, "limits");
  }
  if (wanted.has_uid && setgroups((size_t)wanted.group_count, wanted.groups) < 0) give_up(report, "groups");
  if (wanted.has_gid && setgid(wanted.gid) < 0) give_up(report, "group");
  if (wanted.has_uid && setuid(wanted.uid) < 0) give_up(report, "user");
  execv(command[0], command);
  give_up(report, "exec");
}

/* @returns the name for NOTIFY_SOCKET; the kernel chooses one that is free */
static const char *open_notify_socket(void) {
  static char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t length = sizeof address.sun_family;
  int on = 1;
  notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (notify_fd < 0 || bind(notify_fd, (struct sockaddr *)&address, length) < 0) return NULL;
  if (setsockopt(notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) return NULL;
  length = sizeof address;
  if (getsockname(notify_fd, (struct sockaddr *)&address, &length) < 0) return NULL;
  snprintf(name, sizeof name, "@%.*s", (int)(length - offsetof(struct sockaddr_un, sun_path) - 1), address.sun_path + 1);
  return name;
}

static rlim_t limit_value(const char *text) {
  return strncmp(text, "infinity", 8) == 0 ? RLIM_INFINITY : (rlim_t)strtoull(text, NULL, 10);
}

/* @returns whether it is an option that is understood */
static int take_option(const char *option) {
  const char *value = strchr(option, '=');
  size_t i;
  if (strcmp(option, "--capture") == 0) return wanted.capture = 1;
  if (strcmp(option, "--notify") == 0) return wanted.notify = 1;
  if (value++ == NULL) return 0;
  if (strncmp(option, "--ready-fd=", 11) == 0) return (wanted.ready_fd = atoi(value)) > 2;
  if (strncmp(option, "--uid=", 6) == 0) return wanted.uid = (uid_t)strtoul(value, NULL, 10), wanted.has_uid = 1;
  if (strncmp(option, "--gid=", 6) == 0) return wanted.gid = (gid_t)strtoul(value, NULL, 10), wanted.has_gid = 1;
  if (strncmp(option, "--cgroup=", 9) == 0 && wanted.cgroup_count < MOST_CGROUPS) {
    wanted.cgroups[wanted.cgroup_count++] = value;
    return 1;
  }
  if (strncmp(option, "--groups=", 9) == 0) {
    char *end;
    while (*value != '\0' && wanted.group_count < 1024) {
      wanted.groups[wanted.group_count++] = (gid_t)strtoul(value, &end, 10);
      value = *end == ',' ? end + 1 : end;
      if (end == value && *end != '\0') return 0;
    }
    return 1;
  }
  if (strncmp(option, "--limit=", 8) == 0 && wanted.limit_count < MOST_LIMITS) {
    for (i = 0; i < sizeof RESOURCES / sizeof *RESOURCES; i++) {
      size_t length = strlen(RESOURCES[i].name);
      const char *hard = strchr(value, ':');
      struct limit *limit = &wanted.limits[wanted.limit_count];
      if (strncmp(value, RESOURCES[i].name, length) != 0 || value[length] != '=' || hard == NULL) continue;
      limit->resource = RESOURCES[i].resource;
      limit->value.rlim_cur = limit_value(value + length + 1);
      limit->value.rlim_max = limit_value(hard + 1);
      wanted.limit_count++;
      return 1;
    }
  }
  return 0;
}

static int make_pipes(int pipes[2][2]) {
  int stream;
  for (stream = 0; stream < 2; stream++) {
    if (pipe2(pipes[stream], O_CLOEXEC) < 0) return -1;
    fcntl(pipes[stream][0], F_SETFL, O_NONBLOCK);
    fcntl(pipes[stream][0], F_SETPIPE_SZ, KEPT);
    /* It may open /dev/stdout, which asks for the rights of the file. */
    if (wanted.has_uid && fchown(pipes[stream][1], wanted.uid, (gid_t)-1) < 0) return -1;
    out_fd[stream] = pipes[stream][0];
  }
  return 0;
}

/* Starts it; 0, or -1 when the reason has been said. */
static int start(char **command, const sigset_t *before) {
  int pipes[2][2] = {{-1, -1}, {-1, -1}}, ready[2] = {-1, -1}, report[2];
  const char *notify_name = NULL;
  char failure[256];
  ssize_t got;
  if ((wanted.capture && make_pipes(pipes) < 0) || pipe2(report, O_CLOEXEC) < 0 ||
      (wanted.ready_fd >= 0 && pipe2(ready, O_CLOEXEC) < 0) ||
      (wanted.notify && (notify_name = open_notify_socket()) == NULL)) {
    say_number('E', "", errno);
    return -1;
  }
  leader = main_pid = fork();
  if (leader == 0) {
    sigprocmask(SIG_SETMASK, before, NULL);
    become(command, pipes, ready[1], report[1], notify_name);
  }
  close(report[1]);
  if (wanted.capture) {
    close(pipes[0][1]);
    close(pipes[1][1]);
  }
  if (wanted.ready_fd >= 0) {
    close(ready[1]);
    ready_in = ready[0];
    fcntl(ready_in, F_SETFL, O_NONBLOCK);
  }
  if (leader < 0) {
    say_number('E', "", errno);
    return -1;
  }
  /* It ends when the program runs, or with the reason why it does not. */
  while ((got = read(report[0], failure, sizeof failure)) < 0 && errno == EINTR) continue;
  close(report[0]);
  if (got <= 0) {
    say_number('P', "", leader);
    return 0;
  }
  waitpid(leader, NULL, 0);
  say('E', failure, (size_t)got);
  return -1;
}

int supervise(int argc, char **argv) {
  sigset_t all, before;
  int at;
  for (at = 0; at < argc && strcmp(argv[at], "--") != 0; at++) {
    if (!take_option(argv[at])) {
      fprintf(stderr, "sluice-init: unknown option %s\n", argv[at]);
      return 2;
    }
  }
  if (at + 1 >= argc) return 2;
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return 1;
  fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  signals_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_fd < 0) return 1;
  if (start(argv + at + 1, &before) == 0) return watch();
  while (control_length > 0) {
    struct pollfd wait = {CONTROL, POLLOUT, 0};
    if (write_out() < 0) break;
    if (control_length > 0) poll(&wait, 1, -1);
  }
  return 127;
}
