// SPDX-License-Identifier: Apache-2.0
// What deflate's jobs work on: a file in memory, cut into blocks, each packed once beforehand, so that every result can
// be held against what it must be; and zlib's calls, the same for all of it. For deflate.c only.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "core/workload.h"

struct packed_block {
    unsigned char *bytes;
    size_t size;
};

struct deflate_input {
    unsigned char *bytes;
    size_t block_bytes;
    uint64_t blocks;
    struct packed_block *packed; // a block each
};

// One call of zlib with all that it needs at hand. Any thread, one at a time.
struct packer {
    z_stream stream;
    bool packs;          // or unpacks
    bool is_ready;       // `stream` is initialised
    unsigned char *made; // the result of the last call
    size_t room;         // for it
    size_t size;         // of it; 0: the call failed
};

// 0 or -ENOMEM. To be freed also after a failure.
static int packer_init(struct packer *packer, bool packs, int level, size_t block_bytes)
{
    packer->packs = packs;
    packer->is_ready = (packs ? deflateInit(&packer->stream, level) : inflateInit(&packer->stream)) == Z_OK;
    packer->room = packer->is_ready && packs ? deflateBound(&packer->stream, block_bytes) : block_bytes;
    packer->made = malloc(packer->room);
    return packer->is_ready && packer->made ? 0 : -ENOMEM;
}

static void packer_fini(struct packer *packer)
{
    if (packer->is_ready)
        (void)(packer->packs ? deflateEnd(&packer->stream) : inflateEnd(&packer->stream));
    free(packer->made);
}

// One block, from its beginning to its end. Allocates nothing.
static void packer_run(struct packer *packer, const unsigned char *bytes, size_t size)
{
    z_stream *stream = &packer->stream;
    const int reset = packer->packs ? deflateReset(stream) : inflateReset(stream);
    stream->next_in = (unsigned char *)bytes;
    stream->avail_in = (unsigned)size;
    stream->next_out = packer->made;
    stream->avail_out = (unsigned)packer->room;
    const bool ended = reset == Z_OK && (packer->packs ? deflate : inflate)(stream, Z_FINISH) == Z_STREAM_END;
    packer->size = ended ? stream->total_out : 0;
}

static inline const unsigned char *block_at(const struct deflate_input *input, uint64_t block)
{
    return input->bytes + block * input->block_bytes;
}

// Until `most` bytes are there, or the file ends. How many, or a negative errno.
static ssize_t read_all(int file, unsigned char *bytes, size_t most)
{
    size_t done = 0;
    while (done < most) {
        const ssize_t got = read(file, bytes + done, most - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static int read_file(struct deflate_input *input, const char *path, size_t most, struct fault *fault)
{
    input->bytes = malloc(most);
    if (!input->bytes)
        return fault_set(fault, -ENOMEM, "no memory for %zu bytes of file '%s'", most, path);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = file < 0 ? -errno : read_all(file, input->bytes, most);
    if (file >= 0)
        close(file);
    if (size < 0)
        return fault_set(fault, (int)size,
                         "deflate: file '%s' can't be read: %s; give one whose bytes are to be packed", path,
                         strerror((int)-size));
    input->blocks = (size_t)size / input->block_bytes;
    if (input->blocks > 0)
        return 0;
    return fault_set(fault, -EINVAL,
                     "deflate: file '%s' has %zd bytes, fewer than a block of %zu; give a larger file or "
                     "a smaller block_bytes",
                     path, size, input->block_bytes);
}

static int pack_all(struct deflate_input *input, struct packer *packer)
{
    for (uint64_t i = 0; i < input->blocks; i++) {
        struct packed_block *packed = &input->packed[i];
        packer_run(packer, block_at(input, i), input->block_bytes);
        packed->size = packer->size;
        packed->bytes = malloc(packer->size);
        if (!packed->bytes)
            return -ENOMEM;
        memcpy(packed->bytes, packer->made, packer->size);
    }
    return 0;
}

// Reads at most `most` bytes of the file, and packs all their whole blocks. `input` comes zeroed, but for block_bytes.
// 0, or a negative errno and a sentence; to be freed also after a failure.
static int deflate_input_make(struct deflate_input *input, const char *path, size_t most, int level,
                              struct fault *fault)
{
    struct packer packer = {.room = 0};
    int result = read_file(input, path, most, fault);
    if (result)
        return result;
    input->packed = calloc(input->blocks, sizeof *input->packed);
    result = input->packed ? packer_init(&packer, true, level, input->block_bytes) : -ENOMEM;
    if (!result)
        result = pack_all(input, &packer);
    packer_fini(&packer);
    return result ? fault_set(fault, result, "no memory for %llu packed blocks", (unsigned long long)input->blocks) : 0;
}

static void deflate_input_free(struct deflate_input *input)
{
    for (uint64_t i = 0; input->packed && i < input->blocks; i++)
        free(input->packed[i].bytes);
    free(input->packed);
    free(input->bytes);
}

// Of all blocks together: packed to which share of their size.
static double deflate_input_share(const struct deflate_input *input)
{
    uint64_t size = 0;
    for (uint64_t i = 0; i < input->blocks; i++)
        size += input->packed[i].size;
    return (double)size / (double)(input->blocks * input->block_bytes);
}
