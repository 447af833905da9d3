// SPDX-License-Identifier: Apache-2.0
// Results are never half-written: check everything, then write, then set back what could not be finished.
#include "core/measure/append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// More than any header with the row after it.
#define HEAD_BYTES ((size_t)16384)

// 0 when the directory exists afterwards, or something else of that name does.
static int make_directories(const char *path)
{
    char *part = strdup(path);
    if (!part)
        return -ENOMEM;
    int error = 0;
    for (char *end = part; *end && !error; end++) {
        if (*end != '/' || end == part)
            continue;
        *end = '\0';
        error = mkdir(part, 0777) && errno != EEXIST ? -errno : 0;
        *end = '/';
    }
    if (!error)
        error = mkdir(part, 0777) && errno != EEXIST ? -errno : 0;
    free(part);
    return error;
}

// Leaves what the path's last name is in; "" for a single name.
static size_t cut_name(char *path, size_t length)
{
    while (length > 0 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    while (length > 1 && path[length - 1] == '/')
        length--;
    path[length] = '\0';
    return length;
}

// What make_directories would answer, as far as can be told without making anything: the nearest parent that exists
// must be a directory to write into.
static int check_parent(const char *path)
{
    if (!*path)
        return -ENOENT;
    char *part = strdup(path);
    if (!part)
        return -ENOMEM;
    size_t length = strlen(part);
    struct stat facts;
    // lstat: a link to nothing is in the way of a directory.
    while (length > 0 && lstat(part, &facts) && errno == ENOENT)
        length = cut_name(part, length);
    const int parent = open(length > 0 ? part : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int error = parent < 0 || faccessat(parent, ".", W_OK | X_OK, AT_EACCESS) ? -errno : 0;
    if (parent >= 0)
        close(parent);
    free(part);
    return error;
}

static int refuse_making(int error, const char *path, struct fault *fault)
{
    return fault_set(fault, error, "cannot make the results folder '%s': %s", path, strerror(-error));
}

// Opens the directory and keeps other programs that append to it out, where the file system has locks.
static int open_directory(const char *path, struct fault *fault)
{
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        const int reason = errno;
        return fault_set(fault, -reason, "cannot open the results folder '%s': %s", path, strerror(reason));
    }
    while (flock(directory, LOCK_EX) && errno == EINTR) {}
    return directory;
}

// The number at the start of the line after the first one, or -1.
static long long version_in(const char *head)
{
    const char *line = strchr(head, '\n');
    if (!line || line[1] < '0' || line[1] > '9')
        return -1;
    return strtoll(line + 1, NULL, 10);
}

// Holds what a file already contains against what is to be appended.
static int check_head(const struct append_file *file, const char *path, unsigned version, struct fault *fault)
{
    char head[HEAD_BYTES + 1];
    const ssize_t got = pread(file->descriptor, head, HEAD_BYTES, 0);
    if (got < 0) {
        const int reason = errno;
        return fault_set(fault, -reason, "cannot read '%s/%s': %s", path, file->name, strerror(reason));
    }
    head[got] = '\0';
    const long long found = strncmp(head, "schema_version,", 15) == 0 ? version_in(head) : -1;
    if (found >= 0 && found != version)
        return fault_set(fault, -EINVAL,
                         "'%s/%s' has schema version %lld and this program writes version %u: choose another folder",
                         path, file->name, found, version);
    if ((size_t)got < file->header_length || memcmp(head, file->text, file->header_length) != 0)
        return fault_set(fault, -EINVAL,
                         "'%s/%s' has %s and not the columns of schema version %u that this program writes: choose "
                         "another folder",
                         path, file->name, found < 0 ? "no schema version" : "other columns", version);
    char last = '\n';
    if (pread(file->descriptor, &last, 1, file->old_length - 1) != 1 || last != '\n')
        return fault_set(fault, -EINVAL, "'%s/%s' ends in the middle of a line: complete or remove its last line", path,
                         file->name);
    return 0;
}

// Opens a file if it exists, and checks it.
static int open_existing(struct append_file *file, int directory, const char *path, unsigned version,
                         struct fault *fault)
{
    file->descriptor = openat(directory, file->name, O_RDWR | O_APPEND | O_CLOEXEC);
    if (file->descriptor < 0 && errno == ENOENT)
        return 0;
    struct stat facts;
    if (file->descriptor < 0 || fstat(file->descriptor, &facts)) {
        const int reason = errno;
        return fault_set(fault, -reason, "cannot open '%s/%s' for writing: %s", path, file->name, strerror(reason));
    }
    file->old_length = facts.st_size;
    return facts.st_size > 0 ? check_head(file, path, version, fault) : 0;
}

static int make_file(struct append_file *file, int directory)
{
    file->descriptor = openat(directory, file->name, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    file->made = file->descriptor >= 0;
    return file->made ? 0 : -errno;
}

static int write_whole(int descriptor, const char *text, size_t length)
{
    while (length > 0) {
        const ssize_t written = write(descriptor, text, length);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

// Writes the file's lines through to the disk.
static int write_lines(const struct append_file *file)
{
    const size_t skipped = file->old_length > 0 ? file->header_length : 0;
    const int error = write_whole(file->descriptor, file->text + skipped, file->length - skipped);
    if (error)
        return error;
    // EINVAL: something that is no file and has no disk below it.
    return fsync(file->descriptor) && errno != EINVAL ? -errno : 0;
}

// Takes back what was made and written. False when that failed. EINVAL: no file, and so nothing to take back.
static bool set_back(const struct append_file *file, int directory)
{
    if (file->made)
        return unlinkat(directory, file->name, 0) == 0;
    return file->descriptor < 0 || ftruncate(file->descriptor, file->old_length) == 0 || errno == EINVAL;
}

static int write_all(struct append_file *files, size_t count, int directory, const char *path, struct fault *fault)
{
    int error = 0;
    const char *culprit = NULL;
    for (size_t i = 0; i < count && !error; i++) {
        culprit = files[i].name;
        error = files[i].descriptor < 0 ? make_file(&files[i], directory) : 0;
    }
    for (size_t i = 0; i < count && !error; i++) {
        culprit = files[i].name;
        error = write_lines(&files[i]);
    }
    if (!error && fsync(directory) && errno != EINVAL)
        error = -errno;
    if (!error)
        return 0;
    bool restored = true;
    for (size_t i = 0; i < count; i++)
        restored = set_back(&files[i], directory) && restored;
    return fault_set(fault, error, "cannot write '%s/%s': %s; %s", path, culprit, strerror(-error),
                     restored ? "nothing was added to the folder" : "the folder may hold a part of the run");
}

static void close_all(const struct append_file *files, size_t count, int directory)
{
    for (size_t i = 0; i < count; i++) {
        if (files[i].descriptor >= 0)
            close(files[i].descriptor);
    }
    close(directory);
}

// Opens the directory and those of the files that exist, and checks them. The directory's descriptor, or a
// negative errno and nothing is open.
static int open_all(struct append_file *files, size_t count, const char *path, unsigned version, struct fault *fault)
{
    const int directory = open_directory(path, fault);
    if (directory < 0)
        return directory;
    int error = 0;
    for (size_t i = 0; i < count; i++) {
        files[i].descriptor = -1;
        files[i].made = false;
        files[i].old_length = 0;
        error = error ? error : open_existing(&files[i], directory, path, version, fault);
    }
    if (!error)
        return directory;
    close_all(files, count, directory);
    return error;
}

int append_check(struct append_file *files, size_t count, const char *directory, unsigned version, struct fault *fault)
{
    struct stat facts;
    if (stat(directory, &facts) && errno == ENOENT) {
        const int missing = check_parent(directory);
        return missing ? refuse_making(missing, directory, fault) : 0;
    }
    const int opened = open_all(files, count, directory, version, fault);
    if (opened < 0)
        return opened;
    int error = 0;
    for (size_t i = 0; i < count && !error; i++) {
        if (files[i].descriptor < 0 && faccessat(opened, ".", W_OK | X_OK, AT_EACCESS))
            error = -errno;
    }
    if (error)
        fault_set(fault, error, "cannot write into the results folder '%s': %s", directory, strerror(-error));
    close_all(files, count, opened);
    return error;
}

int append_all(struct append_file *files, size_t count, const char *directory, unsigned version, struct fault *fault)
{
    int error = make_directories(directory);
    if (error)
        return refuse_making(error, directory, fault);
    const int opened = open_all(files, count, directory, version, fault);
    if (opened < 0)
        return opened;
    error = write_all(files, count, opened, directory, fault);
    close_all(files, count, opened);
    return error;
}
