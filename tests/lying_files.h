// SPDX-License-Identifier: Apache-2.0
// System calls on files that fail, do half of what they were asked for, or lie, in the place of the real ones: the
// linker wraps them (tests/CMakeLists.txt). For tests/test_file_io.c only.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/sync/atomic.h"

#define BLOCK 4096u
#define BLOCKS 64u
// So many calls for single blocks go well before the fault.
#define SPARED 40u

enum lie {
    LIE_NONE,
    LIE_NO_NAMELESS,   // this file system knows no O_TMPFILE
    LIE_READ_ONLY,     //
    LIE_NO_DIRECT,     // open refuses O_DIRECT
    LIE_BLOCK_DIRECT,  // only a write of a single block does
    LIE_FULL,          // by what it says
    LIE_FULL_LATE,     // while files are made
    LIE_SYNC_AT_FIRST, // fails while files are made
    LIE_HALF,          // half of what was asked for, and now and then an interruption
    LIE_READ_FAILS,
    LIE_WRITE_FAILS,
    LIE_SYNC_FAILS,
    LIE_READ_ENDS, // as if the file were shorter
    LIE_READ_BODY, // one bit is wrong
    LIE_READ_NAME, //
    LIE_READ_ELSEWHERE,
    LIE_WRITE_LOST,
    LIE_WRITE_ELSEWHERE,
};

static enum lie lie;
static _Atomic unsigned reads, writes, syncs, chunks, overlaps;
static _Atomic uint32_t busy[BLOCKS];
static bool is_watching; // for calls of one block at a time

int __wrap_openat(int at, const char *path, int flags, unsigned mode);
int __real_openat(int at, const char *path, int flags, unsigned mode);
int __wrap_fstatvfs(int file, struct statvfs *room);
int __real_fstatvfs(int file, struct statvfs *room);
int __wrap_fsync(int file);
int __real_fsync(int file);
ssize_t __wrap_pread(int file, void *buffer, size_t size, off_t offset);
ssize_t __real_pread(int file, void *buffer, size_t size, off_t offset);
ssize_t __wrap_pwrite(int file, const void *buffer, size_t size, off_t offset);
ssize_t __real_pwrite(int file, const void *buffer, size_t size, off_t offset);

static int fail_with(int error)
{
    errno = error;
    return -1;
}

int __wrap_openat(int at, const char *path, int flags, unsigned mode)
{
    if (lie == LIE_NO_NAMELESS && (flags & O_TMPFILE) == O_TMPFILE)
        return fail_with(EOPNOTSUPP);
    if (lie == LIE_READ_ONLY)
        return fail_with(EROFS);
    if (lie == LIE_NO_DIRECT && flags & O_DIRECT)
        return fail_with(EINVAL);
    if (lie == LIE_BLOCK_DIRECT)
        flags &= ~O_DIRECT;
    return __real_openat(at, path, flags, mode);
}

int __wrap_fstatvfs(int file, struct statvfs *room)
{
    const int result = __real_fstatvfs(file, room);
    if (lie == LIE_FULL)
        room->f_bavail = 7;
    return result;
}

int __wrap_fsync(int file)
{
    if (lie == LIE_SYNC_AT_FIRST)
        return fail_with(EIO);
    const unsigned number = at_add_rlx(&syncs, 1);
    return lie == LIE_SYNC_FAILS && number > 5 ? fail_with(EIO) : __real_fsync(file);
}

static void enter(off_t offset)
{
    if (is_watching && at_xchg_ar(&busy[offset / BLOCK], 1, AT(test_file_io_enter, test_file_io_leave)))
        at_add_rlx(&overlaps, 1);
}

static void leave(off_t offset)
{
    if (is_watching)
        at_xchg_ar(&busy[offset / BLOCK], 0, AT(test_file_io_leave, test_file_io_enter));
}

static off_t elsewhere(off_t offset)
{
    return offset ? offset - (off_t)BLOCK : offset + (off_t)BLOCK;
}

static ssize_t read_wrongly(int file, char *buffer, size_t size, off_t offset)
{
    if (lie == LIE_READ_FAILS)
        return fail_with(EIO);
    if (lie == LIE_READ_ENDS)
        return 0;
    const ssize_t result = __real_pread(file, buffer, size, lie == LIE_READ_ELSEWHERE ? elsewhere(offset) : offset);
    if (lie == LIE_READ_BODY)
        buffer[size - 1] ^= 4;
    if (lie == LIE_READ_NAME)
        buffer[9] ^= 1;
    return result;
}

ssize_t __wrap_pread(int file, void *buffer, size_t size, off_t offset)
{
    const unsigned number = at_add_rlx(&reads, 1);
    enter(offset);
    ssize_t result;
    if (lie == LIE_HALF && number % 3 == 1)
        result = fail_with(EINTR);
    else if (lie == LIE_HALF && size > 512)
        result = __real_pread(file, buffer, size / 2 / 512 * 512, offset);
    else if (lie != LIE_NONE && number > SPARED)
        result = read_wrongly(file, buffer, size, offset);
    else
        result = __real_pread(file, buffer, size, offset);
    leave(offset);
    return result;
}

static ssize_t write_wrongly(int file, const void *buffer, size_t size, off_t offset)
{
    if (lie == LIE_WRITE_FAILS)
        return fail_with(ENOSPC);
    if (lie == LIE_WRITE_LOST)
        return (ssize_t)size;
    return __real_pwrite(file, buffer, size, lie == LIE_WRITE_ELSEWHERE ? elsewhere(offset) : offset);
}

ssize_t __wrap_pwrite(int file, const void *buffer, size_t size, off_t offset)
{
    if (lie == LIE_FULL_LATE && at_add_rlx(&chunks, 1) == 1)
        return fail_with(ENOSPC);
    if (lie == LIE_BLOCK_DIRECT && size == BLOCK)
        return fail_with(EINVAL);
    if (size != BLOCK)
        return __real_pwrite(file, buffer, size, offset);
    const unsigned number = at_add_rlx(&writes, 1);
    enter(offset);
    ssize_t result;
    if (lie == LIE_HALF && number % 3 == 1)
        result = fail_with(EINTR);
    else if (lie == LIE_HALF)
        result = __real_pwrite(file, buffer, size / 2, offset);
    else if (lie != LIE_NONE && number > SPARED)
        result = write_wrongly(file, buffer, size, offset);
    else
        result = __real_pwrite(file, buffer, size, offset);
    leave(offset);
    return result;
}

static void prepare(enum lie which)
{
    lie = which;
    is_watching = false;
    at_store_rlx(&reads, 0);
    at_store_rlx(&writes, 0);
    at_store_rlx(&syncs, 0);
    at_store_rlx(&chunks, 0);
    at_store_rlx(&overlaps, 0);
}
