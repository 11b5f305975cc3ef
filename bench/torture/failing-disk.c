/*
 * Preloaded into an instance: writes and syncs of files below one directory fail when a control file says so.
 *
 * FAILING_DISK_DIR      the directory
 * FAILING_DISK_CONTROL  a file of five 32-bit numbers, which the one at the controls writes at any time:
 *   [0] calls that fail: 1 fsync, 2 fdatasync, 4 write and its like
 *   [1] the errno
 *   [2] how many such calls succeed before the first that fails
 *   [3] how many fail then; negative: all, until [0] is 0 again
 *   [4] counts those that failed
 *
 * A write that fails has written the first half of its bytes, as a disk may.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FSYNC = 1, FDATASYNC = 2, WRITE = 4 };

struct control {
  uint32_t calls;
  int32_t errnum;
  int32_t before;
  int32_t times;
  uint32_t failed;
};

static struct control *control;
static const char *directory;

__attribute__((constructor)) static void open_control(void) {
  const char *path = getenv("FAILING_DISK_CONTROL");
  directory = getenv("FAILING_DISK_DIR");
  if (path == NULL || directory == NULL) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) control = mapped;
}

static int is_below(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  size_t prefix = strlen(directory);
  return strncmp(path, directory, prefix) == 0 && path[prefix] == '/';
}

/* Whether this call has to fail; errno is then set by the caller's last line. */
static int fails(int fd, uint32_t call) {
  if (control == NULL || (__atomic_load_n(&control->calls, __ATOMIC_ACQUIRE) & call) == 0) return 0;
  int saved = errno, below = is_below(fd);
  errno = saved;
  if (!below) return 0;
  if (__atomic_fetch_sub(&control->before, 1, __ATOMIC_ACQ_REL) > 0) return 0;
  int32_t times = __atomic_load_n(&control->times, __ATOMIC_ACQUIRE);
  while (times > 0)
    if (__atomic_compare_exchange_n(&control->times, &times, times - 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) break;
  if (times == 0) return 0;
  __atomic_fetch_add(&control->failed, 1, __ATOMIC_ACQ_REL);
  return 1;
}

static int refuse(void) {
  errno = control->errnum;
  return -1;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int fsync(int fd) {
  REAL(fsync);
  return fails(fd, FSYNC) ? refuse() : real(fd);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return fails(fd, FDATASYNC) ? refuse() : real(fd);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  REAL(write);
  if (!fails(fd, WRITE)) return real(fd, bytes, length);
  if (length > 1) real(fd, bytes, length / 2);
  return refuse();
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  REAL(pwrite);
  if (!fails(fd, WRITE)) return real(fd, bytes, length, offset);
  if (length > 1) real(fd, bytes, length / 2, offset);
  return refuse();
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  REAL(pwrite64);
  if (!fails(fd, WRITE)) return real(fd, bytes, length, offset);
  if (length > 1) real(fd, bytes, length / 2, offset);
  return refuse();
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(writev);
  if (!fails(fd, WRITE)) return real(fd, parts, count);
  if (count > 1) real(fd, parts, count / 2);
  return refuse();
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  REAL(pwritev);
  if (!fails(fd, WRITE)) return real(fd, parts, count, offset);
  if (count > 1) real(fd, parts, count / 2, offset);
  return refuse();
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  REAL(pwritev64);
  if (!fails(fd, WRITE)) return real(fd, parts, count, offset);
  if (count > 1) real(fd, parts, count / 2, offset);
  return refuse();
}
