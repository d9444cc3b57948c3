/* A disk that turns sick at a chosen moment: preloaded, it fails calls that write below one folder.
 *
 * It sees what Python, Arrow and delta-rs do alike. Calls are counted from `faults_arm` on; the n-th fails with the
 * chosen error, and if it is lasting all later ones, too. With `spare_unlink`, deleting goes on to work, as it does on
 * a full disk. `faults_trace` has a letter per call: open, write, sync, name (link, rename, make a folder), delete. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[4096];
static char trace[4096];
static int at, error_number, lasting, spare_unlink, calls, failed;

void faults_arm(const char *below, int n, int number, int lasts, int spare) {
    calls = failed = 0;
    memset(trace, 0, sizeof trace);
    at = n, error_number = number, lasting = lasts, spare_unlink = spare;
    strncpy(folder, below, sizeof folder - 1);
}

int faults_disarm(void) {
    folder[0] = 0;
    return failed;
}

const char *faults_trace(void) { return trace; }

static int sick(const char *path, char kind) {
    if (!folder[0] || !path || strncmp(path, folder, strlen(folder))) return 0;
    int number = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    if (number < (int)sizeof trace) trace[number - 1] = kind;
    if ((number != at && !(lasting && number > at)) || (kind == 'd' && spare_unlink)) return 0;
    __atomic_add_fetch(&failed, 1, __ATOMIC_SEQ_CST);
    errno = error_number;
    return 1;
}

static int sick_file(int descriptor, char kind) {
    char link[64], path[4096];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return sick(path, kind);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define BY_PATH(name, path, parameters, arguments) \
    int name parameters { return sick(path, 'n') ? -1 : REAL(name) arguments; }
#define BY_FILE(type, name, kind, parameters, arguments) \
    type name parameters { return sick_file(descriptor, kind) ? -1 : REAL(name) arguments; }
#define DELETING(name, parameters, arguments) \
    int name parameters { return sick(path, 'd') ? -1 : REAL(name) arguments; }
#define OPENING(name, before, passed) \
    int name(before const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        return flags & (O_CREAT | O_WRONLY | O_RDWR) && sick(path, 'o') ? -1 : REAL(name)(passed path, flags, mode); \
    }
#define DIRECTORY int directory,
#define PASS_DIRECTORY directory,

OPENING(open, , )
OPENING(open64, , )
OPENING(openat, DIRECTORY, PASS_DIRECTORY)
OPENING(openat64, DIRECTORY, PASS_DIRECTORY)
BY_FILE(ssize_t, write, 'w', (int descriptor, const void *data, size_t size), (descriptor, data, size))
BY_FILE(ssize_t, writev, 'w', (int descriptor, const struct iovec *parts, int count), (descriptor, parts, count))
BY_FILE(int, fsync, 's', (int descriptor), (descriptor))
BY_FILE(int, fdatasync, 's', (int descriptor), (descriptor))
BY_FILE(int, ftruncate64, 's', (int descriptor, off64_t size), (descriptor, size))
BY_PATH(mkdir, path, (const char *path, mode_t mode), (path, mode))
BY_PATH(rename, to, (const char *from, const char *to), (from, to))
BY_PATH(link, to, (const char *from, const char *to), (from, to))
BY_PATH(linkat, to, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
DELETING(unlink, (const char *path), (path))
DELETING(unlinkat, (int directory, const char *path, int flags), (directory, path, flags))
