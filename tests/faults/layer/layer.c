/*
 * A disk that keeps a diary, and can be told to fail. Preloaded (LD_PRELOAD), it sees every operation of this process
 * below one directory that a power cut could undo, and writes it down; armed, it lets the n-th of them fail.
 *
 * Nothing is simulated here: the files are written as ever. What a disk could be left with is made of the diary, by
 * diary.py, which knows the form of a record: kind, file, offset or size, whether it succeeded, length, bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, OPEN, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MKDIR, SYNC_DIRECTORY, MARK };
enum { MOST_FDS = 4096, MOST_FILES = 65536, LONGEST = 4096 };

struct record {
    uint32_t kind, file;
    uint64_t at;
    uint32_t ok, length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char place[LONGEST];
static size_t place_length;
static int diary = -1;

static uint32_t file_of[MOST_FDS];        /* 0: not ours */
static char appends[MOST_FDS];
static char *directory_of[MOST_FDS];
static struct { dev_t device; ino_t inode; } known[MOST_FILES];
static uint32_t files = 0;

static long counted = 0, fails_from = -1, fails_until = -1;
static int fails_with = 0, fails_short = 0;

/* For the test, by ctypes. */
void layer_begin(const char *directory, const char *path) {
    strncpy(place, directory, LONGEST - 1);
    place_length = strlen(place);
    diary = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
}
void layer_arm(long first, long times, int with, int shortened) {
    fails_from = counted + first;
    fails_until = fails_from + times;
    fails_with = with;
    fails_short = shortened;
}
long layer_count(void) { return counted; }

static void note(uint32_t kind, uint32_t file, uint64_t at, uint32_t ok, const void *data, size_t length) {
    if (diary < 0) return;
    struct record record = {kind, file, at, ok, (uint32_t)length};
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)data, length}};
    if (syscall(SYS_writev, diary, parts, length ? 2 : 1) < 0) abort();
}
void layer_mark(uint64_t value) {
    pthread_mutex_lock(&lock);
    note(MARK, 0, value, 1, NULL, 0);
    pthread_mutex_unlock(&lock);
}

static int ours(const char *path) {
    return diary >= 0 && path && !strncmp(path, place, place_length) && (path[place_length] == '/' || !path[place_length]);
}
/* SQLite's index of its log lives in memory that is shared by way of a file: no power cut leaves anything of it. */
static int volatile_name(const char *path) {
    size_t length = strlen(path);
    return length > 4 && !strcmp(path + length - 4, "-shm");
}
/* One more operation: whether it is one that has to fail. */
static int fails(void) {
    long number = counted++;
    if (number < fails_from || number >= fails_until) return 0;
    errno = fails_with;
    return 1;
}

static uint32_t identify(int descriptor, int created) {
    struct stat status;
    if (fstat(descriptor, &status)) return 0;
    for (uint32_t file = files; file > 0 && !created; file--)
        if (known[file].device == status.st_dev && known[file].inode == status.st_ino) return file;
    if (files + 1 >= MOST_FILES) abort();
    files++;
    known[files].device = status.st_dev;
    known[files].inode = status.st_ino;
    return files;
}

static int opened(const char *path, int flags, int descriptor, int existed) {
    if (descriptor < 0 || descriptor >= MOST_FDS) return descriptor;
    struct stat status;
    file_of[descriptor] = 0;
    free(directory_of[descriptor]);
    directory_of[descriptor] = NULL;
    if (fstat(descriptor, &status)) return descriptor;
    if (S_ISDIR(status.st_mode)) {
        directory_of[descriptor] = strdup(path);
        return descriptor;
    }
    if (volatile_name(path)) return descriptor;
    uint32_t file = identify(descriptor, !existed);
    file_of[descriptor] = file;
    appends[descriptor] = (flags & O_APPEND) != 0;
    note(existed ? OPEN : CREATE, file, 0, 1, path, strlen(path));
    if (existed && (flags & O_TRUNC)) note(TRUNCATE, file, 0, 1, NULL, 0);
    return descriptor;
}
static int open_it(int base, const char *path, int flags, mode_t mode) {
    if (!ours(path)) return syscall(SYS_openat, base, path, flags | O_LARGEFILE, mode);
    pthread_mutex_lock(&lock);
    struct stat status;
    int existed = !stat(path, &status), descriptor = -1;
    if (!((flags & O_CREAT) && !existed && !volatile_name(path) && fails()))
        descriptor = opened(path, flags, syscall(SYS_openat, base, path, flags | O_LARGEFILE, mode), existed);
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return descriptor;
}
#define MODE(flags, mode)                                   \
    mode_t mode = 0;                                        \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                  \
        va_list more;                                       \
        va_start(more, flags);                              \
        mode = va_arg(more, mode_t);                        \
        va_end(more);                                       \
    }
int open(const char *path, int flags, ...) { MODE(flags, mode) return open_it(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, mode) return open_it(AT_FDCWD, path, flags, mode); }
int openat(int base, const char *path, int flags, ...) { MODE(flags, mode) return open_it(base, path, flags, mode); }
int openat64(int base, const char *path, int flags, ...) { MODE(flags, mode) return open_it(base, path, flags, mode); }

int close(int descriptor) {
    if (descriptor >= 0 && descriptor < MOST_FDS) {
        pthread_mutex_lock(&lock);
        file_of[descriptor] = 0;
        free(directory_of[descriptor]);
        directory_of[descriptor] = NULL;
        pthread_mutex_unlock(&lock);
    }
    return syscall(SYS_close, descriptor);
}

static ssize_t write_it(int descriptor, const void *data, size_t length, off_t at, int seeks) {
    uint32_t file = descriptor >= 0 && descriptor < MOST_FDS ? file_of[descriptor] : 0;
    if (!file)
        return seeks ? syscall(SYS_write, descriptor, data, length) : syscall(SYS_pwrite64, descriptor, data, length, at);
    pthread_mutex_lock(&lock);
    ssize_t written = -1;
    int failing = fails();
    if (failing && fails_short && counted - 1 == fails_from && length > 1) {
        /* What a disk that fills up does: it takes some of it. The rest fails at the next try. */
        length /= 2;
        failing = 0;
    }
    if (!failing) {
        struct stat status;
        if (seeks) at = appends[descriptor] && !fstat(descriptor, &status) ? status.st_size : lseek(descriptor, 0, SEEK_CUR);
        written = seeks ? syscall(SYS_write, descriptor, data, length) : syscall(SYS_pwrite64, descriptor, data, length, at);
        if (written > 0) note(WRITE, file, at, 1, data, written);
    }
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return written;
}
ssize_t write(int descriptor, const void *data, size_t length) { return write_it(descriptor, data, length, 0, 1); }
ssize_t pwrite(int descriptor, const void *data, size_t length, off_t at) {
    return write_it(descriptor, data, length, at, 0);
}
ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t at) {
    return write_it(descriptor, data, length, at, 0);
}

static int truncate_it(int descriptor, off_t size) {
    uint32_t file = descriptor >= 0 && descriptor < MOST_FDS ? file_of[descriptor] : 0;
    if (!file) return syscall(SYS_ftruncate, descriptor, size);
    pthread_mutex_lock(&lock);
    int failed = fails() ? -1 : (int)syscall(SYS_ftruncate, descriptor, size), error = errno;
    if (!failed) note(TRUNCATE, file, size, 1, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}
int ftruncate(int descriptor, off_t size) { return truncate_it(descriptor, size); }
int ftruncate64(int descriptor, off64_t size) { return truncate_it(descriptor, size); }

/* Not asked of the real disk: what it would have kept is decided afterwards, and thousands of them would take hours. */
static int sync_it(int descriptor) {
    int in = descriptor >= 0 && descriptor < MOST_FDS;
    if (!in || (!file_of[descriptor] && !directory_of[descriptor])) return 0;
    pthread_mutex_lock(&lock);
    int failed = fails() ? -1 : 0, error = errno;
    if (file_of[descriptor])
        note(SYNC, file_of[descriptor], 0, !failed, NULL, 0);
    else
        note(SYNC_DIRECTORY, 0, 0, !failed, directory_of[descriptor], strlen(directory_of[descriptor]));
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}
int fsync(int descriptor) { return sync_it(descriptor); }
int fdatasync(int descriptor) { return sync_it(descriptor); }

static int rename_it(const char *from, const char *to) {
    if (!ours(from) && !ours(to)) return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&lock);
    int quiet = volatile_name(from);
    int failed = !quiet && fails() ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), error = errno;
    if (!failed && !quiet) {
        char both[2 * LONGEST];
        size_t first = strlen(from) + 1, second = strlen(to);
        memcpy(both, from, first);
        memcpy(both + first, to, second);
        note(RENAME, 0, 0, 1, both, first + second);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}
int rename(const char *from, const char *to) { return rename_it(from, to); }
int renameat(int a, const char *from, int b, const char *to) {
    return a == AT_FDCWD && b == AT_FDCWD ? rename_it(from, to) : (int)syscall(SYS_renameat2, a, from, b, to, 0);
}

static int unlink_it(const char *path) {
    if (!ours(path)) return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_lock(&lock);
    int quiet = volatile_name(path);
    int failed = !quiet && fails() ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0), error = errno;
    if (!failed && !quiet) note(UNLINK, 0, 0, 1, path, strlen(path));
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}
int unlink(const char *path) { return unlink_it(path); }
int unlinkat(int base, const char *path, int flags) {
    return base == AT_FDCWD && !flags ? unlink_it(path) : (int)syscall(SYS_unlinkat, base, path, flags);
}

static int mkdir_it(const char *path, mode_t mode) {
    if (!ours(path)) return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_lock(&lock);
    int failed = fails() ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode), error = errno;
    if (!failed) note(MKDIR, 0, 0, 1, path, strlen(path));
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}
int mkdir(const char *path, mode_t mode) { return mkdir_it(path, mode); }
int mkdirat(int base, const char *path, mode_t mode) {
    return base == AT_FDCWD ? mkdir_it(path, mode) : (int)syscall(SYS_mkdirat, base, path, mode);
}
