// SPDX-License-Identifier: Apache-2.0
// file_io's files: made in the directory that the user gave, without names, so that none is left behind however the
// run ends; and the calls that move a block. For file_io.c only.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "workloads/file_io_blocks.h"

// Of buffers and offsets, whatever the file system asks for with direct I/O.
#define IO_ALIGNMENT 4096u
// Bytes, about, that are written at once when a file is made.
#define IO_CHUNK (UINT64_C(1) << 20)

// What is to be made.
struct io_files {
    const char *directory;
    unsigned count;
    uint64_t blocks; // of each
    size_t block_bytes;
    bool direct;
    uint64_t seed;
};

static inline void *io_alloc(size_t bytes)
{
    return aligned_alloc(IO_ALIGNMENT, (bytes + IO_ALIGNMENT - 1) / IO_ALIGNMENT * IO_ALIGNMENT);
}

// All of a block, at once as a rule. 0, or a negative errno; -ENODATA: the file is shorter than it was made.
static inline int io_move(int file, bool writes, void *buffer, size_t bytes, uint64_t offset)
{
    for (size_t done = 0; done < bytes;) {
        char *at = (char *)buffer + done;
        const off_t where = (off_t)(offset + done);
        const ssize_t moved = writes ? pwrite(file, at, bytes - done, where) : pread(file, at, bytes - done, where);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved < 0)
            return -errno;
        if (moved == 0)
            return writes ? -ENOSPC : -ENODATA;
        done += (size_t)moved;
    }
    return 0;
}

static inline int io_sync(int file)
{
    return fsync(file) == 0 ? 0 : -errno;
}

static int refuse_directory(const struct io_files *files, int error, const char *what, struct fault *fault)
{
    return fault_set(fault, error, "file_io: directory '%s' %s: %s; give an existing one that can be written",
                     files->directory, what, strerror(-error));
}

// Before anything is written: a file system that is full in the end is of no use to anybody.
static int check_space(const struct io_files *files, int directory, struct fault *fault)
{
    struct statvfs room;
    const uint64_t wanted = files->count * files->blocks * files->block_bytes;
    if (fstatvfs(directory, &room) != 0)
        return refuse_directory(files, -errno, "can't be asked for its free space", fault);
    const uint64_t free_bytes = (uint64_t)room.f_bavail * room.f_frsize;
    if (free_bytes >= wanted)
        return 0;
    return fault_set(fault, -ENOSPC,
                     "file_io: directory '%s' has room for %llu bytes, and the files of this run take %llu; make "
                     "room, or lower file_bytes",
                     files->directory, (unsigned long long)free_bytes, (unsigned long long)wanted);
}

// For a file system on which no file can be made without a name.
static int open_named(int directory, unsigned number, int flags)
{
    char name[48];
    snprintf(name, sizeof name, ".readyq-%ld-%u", (long)getpid(), number);
    const int file = openat(directory, name, flags | O_CREAT | O_EXCL, 0600);
    if (file < 0)
        return -errno;
    if (unlinkat(directory, name, 0) == 0)
        return file;
    const int error = -errno;
    close(file);
    return error;
}

static int open_nameless(int directory, unsigned number, int flags)
{
    const int file = openat(directory, ".", flags | O_TMPFILE, 0600);
    if (file >= 0)
        return file;
    return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT ? open_named(directory, number, flags) : -errno;
}

static int refuse_direct(const struct io_files *files, struct fault *fault)
{
    return fault_set(fault, -EINVAL,
                     "file_io: the file system of directory '%s' takes no direct I/O in blocks of %zu bytes; give "
                     "direct=no, a larger block_bytes or another directory",
                     files->directory, files->block_bytes);
}

static int open_file(const struct io_files *files, int directory, unsigned number, struct fault *fault)
{
    const int flags = O_RDWR | O_CLOEXEC;
    const int file = open_nameless(directory, number, flags | (files->direct ? O_DIRECT : 0));
    if (file == -EINVAL && files->direct)
        return refuse_direct(files, fault);
    return file < 0 ? refuse_directory(files, file, "can't hold a new file", fault) : file;
}

static int write_blocks(const struct io_files *files, unsigned number, int file, uint64_t *chunk, uint64_t most)
{
    int result = 0;
    for (uint64_t first = 0; first < files->blocks && !result; first += most) {
        const uint64_t left = files->blocks - first;
        const uint64_t blocks = left < most ? left : most;
        for (uint64_t i = 0; i < blocks; i++) {
            const struct io_name name = {files->seed, number, first + i, 0};
            io_block_fill(chunk + i * files->block_bytes / sizeof *chunk, files->block_bytes, &name);
        }
        result = io_move(file, true, chunk, blocks * files->block_bytes, first * files->block_bytes);
    }
    return result ? result : io_sync(file);
}

// Single blocks may be too small or too badly aligned for direct I/O, where whole chunks are not.
static int try_block(const struct io_files *files, unsigned number, int file, uint64_t *chunk)
{
    const uint64_t block = files->blocks - 1;
    const struct io_name name = {files->seed, number, block, 0};
    io_block_fill(chunk, files->block_bytes, &name);
    return io_move(file, true, chunk, files->block_bytes, block * files->block_bytes);
}

// Every block is written and on the device before anything is measured, so that the file system has given the space,
// and has nothing left to write of it. 0, or a negative errno and a sentence.
static int fill_file(const struct io_files *files, unsigned number, int file, struct fault *fault)
{
    const uint64_t most = files->block_bytes >= IO_CHUNK ? 1 : IO_CHUNK / files->block_bytes;
    uint64_t *chunk = io_alloc(most * files->block_bytes);
    if (!chunk)
        return fault_set(fault, -ENOMEM, "no memory to make the files of workload file_io");
    int result = write_blocks(files, number, file, chunk, most);
    if (!result)
        result = try_block(files, number, file, chunk);
    free(chunk);
    if (result == -EINVAL && files->direct)
        return refuse_direct(files, fault);
    if (!result)
        return 0;
    return fault_set(fault, result, "file_io: a file of %llu bytes can't be made in directory '%s': %s",
                     (unsigned long long)(files->blocks * files->block_bytes), files->directory, strerror(-result));
}

static int fill_files(const struct io_files *files, int directory, int *made, struct fault *fault)
{
    int result = check_space(files, directory, fault);
    for (unsigned i = 0; i < files->count && !result; i++) {
        made[i] = open_file(files, directory, i, fault);
        result = made[i] < 0 ? made[i] : fill_file(files, i, made[i], fault);
    }
    return result;
}

// Opens and fills `made`, whose elements are negative before. 0, or a negative errno and a sentence; io_files_close
// closes what was opened, and so removes it.
static int io_files_make(const struct io_files *files, int *made, struct fault *fault)
{
    const int directory = open(files->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return refuse_directory(files, -errno, "can't be opened", fault);
    const int result = fill_files(files, directory, made, fault);
    close(directory);
    return result;
}

static void io_files_close(int *made, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (made[i] >= 0)
            close(made[i]);
}
