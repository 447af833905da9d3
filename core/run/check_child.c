// SPDX-License-Identifier: Apache-2.0
#include "core/run/check_child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/machine/clock.h"
#include "core/run/commands.h"

// What the child leaves behind, in memory that both share: a crash can't tear it, and nobody waits to read it.
struct legacy {
    FILE *sentence, *timeline;
};

static FILE *open_legacy(const char *name)
{
    const int number = memfd_create(name, MFD_CLOEXEC);
    FILE *file = number < 0 ? NULL : fdopen(number, "w+");
    if (number >= 0 && !file)
        close(number);
    return file;
}

static void close_legacy(struct legacy *legacy)
{
    if (legacy->sentence)
        fclose(legacy->sentence);
    if (legacy->timeline)
        fclose(legacy->timeline);
}

static void leave_sentence(void *argument, const char *sentence)
{
    struct legacy *legacy = argument;
    fputs(sentence, legacy->sentence);
    fflush(legacy->sentence);
}

// The child's part. What ends it otherwise than by returning is the parent's to explain.
static int run_as_child(const struct queue_choice *choice, const struct conformance_options *options, const char *check,
                        struct legacy *legacy)
{
    const struct rlimit no_core = {0, 0};
    struct conformance_options own = *options;
    struct fault fault = {""};
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    own.only = check;
    own.timeline = legacy->timeline;
    own.stuck = leave_sentence;
    own.argument = legacy;
    const int result = conformance_run(choice, &own, &fault);
    fflush(legacy->timeline);
    leave_sentence(legacy, fault.text);
    return result == 0 ? EXIT_DONE : result == -ENOMEM || result == -EAGAIN ? EXIT_REFUSED : EXIT_INCORRECT;
}

// The whole file as text; NULL if it is empty or there is no memory.
static char *read_legacy(FILE *file)
{
    const long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
    char *text = size > 0 ? malloc((size_t)size + 1) : NULL;
    if (!text)
        return NULL;
    rewind(file);
    text[fread(text, 1, (size_t)size, file)] = '\0';
    return text;
}

// Without the name of the check in front, which the suite puts there.
static const char *bare(const char *sentence, const char *check)
{
    const size_t length = strlen(check);
    return strncmp(sentence, check, length) == 0 && strncmp(sentence + length, ": ", 2) == 0 ? sentence + length + 2
                                                                                             : sentence;
}

static int judge_end(int status, const char *check, struct legacy *legacy, struct check_answer *answer,
                     struct fault *fault)
{
    char *text = read_legacy(legacy->sentence);
    int result = 0;
    answer->state = CHECK_VIOLATED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED && text)
        result = fault_set(fault, -EAGAIN, "%s", text);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE)
        answer->state = CHECK_OK;
    else if (text)
        snprintf(answer->sentence, sizeof answer->sentence, "%s", bare(text, check));
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        // Nothing in a queue, nor the watchdog, which aborts, ends a process so.
        result = fault_set(fault, -ENOMEM, "%s: its process was killed from outside; too little memory?", check);
    else if (WIFSIGNALED(status))
        snprintf(answer->sentence, sizeof answer->sentence, "it ended the process: %s", strsignal(WTERMSIG(status)));
    else
        snprintf(answer->sentence, sizeof answer->sentence, "it ended the process with exit code %d",
                 WEXITSTATUS(status));
    free(text);
    answer->timeline = answer->state == CHECK_VIOLATED ? read_legacy(legacy->timeline) : NULL;
    return result;
}

static int wait_for(pid_t child, int *status)
{
    while (waitpid(child, status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

static int run_forked(const struct queue_choice *choice, const struct conformance_options *options, const char *check,
                      struct legacy *legacy, struct check_answer *answer, int *child_code, struct fault *fault)
{
    int status;
    const uint64_t start_ns = clock_system_ns();
    // The child inherits the stream with its error, and would take it for one of its own.
    if (fflush(stdout) != 0 || ferror(stdout))
        return fault_set(fault, -EIO, "standard output can't be written");
    const pid_t child = fork();
    if (child < 0)
        return fault_set(fault, -errno, "%s: no process can be started: %s", check, strerror(errno));
    if (child == 0) {
        *child_code = run_as_child(choice, options, check, legacy);
        return CHECK_IS_CHILD;
    }
    const int result = wait_for(child, &status);
    if (result != 0)
        return fault_set(fault, result, "%s: its process can't be waited for: %s", check, strerror(-result));
    answer->seconds = (double)(clock_system_ns() - start_ns) * 1e-9;
    return judge_end(status, check, legacy, answer, fault);
}

int check_in_child(const struct queue_choice *choice, const struct conformance_options *options, unsigned index,
                   struct check_answer *answer, int *child_code, struct fault *fault)
{
    const char *why_not = conformance_why_not(choice, index), *check = conformance_check_at(index)->name;
    memset(answer, 0, sizeof *answer);
    if (why_not) {
        answer->state = CHECK_NOT_APPLICABLE;
        snprintf(answer->sentence, sizeof answer->sentence, "%s", why_not);
        return 0;
    }
    struct legacy legacy = {open_legacy("sentence"), open_legacy("timeline")};
    const int result = legacy.sentence && legacy.timeline
                           ? run_forked(choice, options, check, &legacy, answer, child_code, fault)
                           : fault_set(fault, -ENOMEM, "%s: no memory for its answer", check);
    close_legacy(&legacy);
    return result;
}
