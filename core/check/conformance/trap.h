// SPDX-License-Identifier: Apache-2.0
// Notices that the calling thread calls malloc or one of its family. Every program is linked so that these calls, as
// far as they are made by code that is linked into it, pass through here (CMakeLists.txt: --wrap): one look at a
// thread's own variable. Calls from inside a shared object are not seen.
#ifndef READYQ_CHECK_CONFORMANCE_TRAP_H
#define READYQ_CHECK_CONFORMANCE_TRAP_H

struct trap {
    void (*sprung)(struct trap *self, const char *function);
};

// Sets the calling thread's trap, NULL for none. Returns the one that was set.
struct trap *trap_set(struct trap *trap);

#endif
