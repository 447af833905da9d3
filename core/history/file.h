// SPDX-License-Identifier: Apache-2.0
// Histories in files. Binary, of this machine's byte order, versioned: a header, then blocks of at most
// HISTORY_BLOCK_EVENTS events of one thread, then an end block with the totals. Header and each block carry a CRC-32.
#ifndef READYQ_HISTORY_FILE_H
#define READYQ_HISTORY_FILE_H

#include "core/fault.h"
#include "core/history/history.h"

#define HISTORY_FILE_VERSION 1u
#define HISTORY_BLOCK_EVENTS 65536u
// Judges take memory by the square of it.
#define HISTORY_THREADS_MOST 4096u

// So much longer than `path` is the name of what is written beside it.
#define HISTORY_BESIDE_MOST (sizeof ".part2147483647" - 1)
// Writes beside `path` and renames, so that there is never half a file. 0, or a negative errno and a sentence.
int history_write(const struct history *history, const char *path, struct fault *fault);

// Reads a whole file. 0 and *history (history_free), or a negative errno and a sentence, which for a file that is cut
// short, damaged, of another version or no history at all names the position (byte) of what is wrong. Everything that
// the judges rely on is checked: known kinds, that fit the subject; events by start; ends that do not overflow.
int history_read(struct history **history, const char *path, struct fault *fault);
void history_free(struct history *history);

#endif
