// SPDX-License-Identifier: Apache-2.0
#include "core/run/check_report.h"

#include <errno.h>
#include <string.h>

#include "core/run/traits.h"

static const char *const state_names[] = {"ok", "violated", "not applicable"};

// The worst of a group's answers; not applicable if none is.
static enum check_state state_of(const struct check_subject *subject, int group)
{
    enum check_state state = CHECK_NOT_APPLICABLE;
    const struct conformance_check *check;
    for (unsigned i = 0; (check = conformance_check_at(i)); i++) {
        const enum check_state one = subject->answers[i].state;
        if (!subject->asked[i] || (group >= 0 && (int)check->group != group) || one == CHECK_NOT_APPLICABLE)
            continue;
        if (one == CHECK_VIOLATED || state == CHECK_NOT_APPLICABLE)
            state = one;
    }
    return state;
}

// ------------------------------------------------------------------------------------------------ lines

static void print_line(FILE *out, const struct check_subject *subject, unsigned index)
{
    const struct check_answer *answer = &subject->answers[index];
    const char *name = conformance_check_at(index)->name;
    switch (answer->state) {
    case CHECK_OK:
        fprintf(out, "%-24s %-10s ok %8.2f s\n", subject->spec, name, answer->seconds);
        break;
    case CHECK_NOT_APPLICABLE:
        fprintf(out, "%-24s %-10s not applicable: %s\n", subject->spec, name, answer->sentence);
        break;
    case CHECK_VIOLATED:
        fprintf(out, "%-24s %-10s VIOLATED: %s (%.2f s)\n", subject->spec, name, answer->sentence, answer->seconds);
        if (answer->timeline)
            fputs(answer->timeline, out);
        break;
    }
    fflush(out);
}

static void print_verdict(const struct check_report *report, const struct conformance_options *options)
{
    if (report->violated == 0)
        printf("verdict: ok, %u %s of %u %s, seed %llu\n", report->checks, report->checks == 1 ? "check" : "checks",
               report->conforming, report->conforming == 1 ? "queue" : "queues", (unsigned long long)options->seed);
    else
        printf("verdict: VIOLATED by %s, seed %llu\n", report->violators, (unsigned long long)options->seed);
}

// ------------------------------------------------------------------------------------------------ table

static void print_heading(void)
{
    fputs("| queue | producers | consumers | capacity | order | EMPTY | FULL |", stdout);
    for (unsigned group = 0; group < CONFORMANCE_GROUPS; group++)
        printf(" %s |", conformance_group_name(group));
    fputs("\n|", stdout);
    for (unsigned column = 0; column < 7 + CONFORMANCE_GROUPS; column++)
        fputs(" --- |", stdout);
    fputc('\n', stdout);
}

static void print_promises(const struct queue_traits *traits)
{
    struct trait_text texts[TRAITS_MOST + 1];
    traits_of_queue(traits, texts);
    for (unsigned i = 0; i < 4; i++)
        printf(" %s |", texts[i].value);
    printf(" %s |", traits->empty_exact ? "exact" : "not exact");
    printf(" %s |", traits->capacity == 0 ? "never" : traits->full_exact ? "exact" : "not exact");
}

// What is known of it beside its name. The command that shows a fault stands between backquotes.
static void print_remark(const struct check_subject *subject)
{
    const char *broken = subject->choice->entry->broken;
    if (subject->choice->traits.baseline)
        fputs(" (baseline, no queue)", stdout);
    if (!broken)
        return;
    const char *command = strstr(broken, "readyq check ");
    const size_t words = command ? (size_t)(command - broken) : strlen(broken);
    printf(" (BROKEN, %.*s", (int)words, broken);
    if (command)
        printf("`%s`", command);
    putchar(')');
}

static void print_row(const struct check_subject *subject)
{
    static const char *const cells[] = {"ok", "**VIOLATED**", "–"};
    if (!subject->choice) {
        printf("| `%s` | not built: needs the package %s |", subject->spec, subject->entry->package);
        for (unsigned column = 0; column < 5 + CONFORMANCE_GROUPS; column++)
            fputs(" |", stdout);
        fputc('\n', stdout);
        return;
    }
    printf("| `%s`", subject->spec);
    print_remark(subject);
    fputs(" |", stdout);
    print_promises(&subject->choice->traits);
    for (int group = 0; group < CONFORMANCE_GROUPS; group++)
        printf(" %s |", cells[state_of(subject, group)]);
    fputc('\n', stdout);
    fflush(stdout);
}

// ------------------------------------------------------------------------------------------------ JSON

static json_t *check_json(const struct check_subject *subject, unsigned index)
{
    const struct check_answer *answer = &subject->answers[index];
    const struct conformance_check *check = conformance_check_at(index);
    return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:f}", "check", check->name, "group",
                     conformance_group_name(check->group), "verdict", state_names[answer->state], "sentence",
                     *answer->sentence ? answer->sentence : NULL, "timeline", answer->timeline, "seconds",
                     answer->seconds);
}

static json_t *queue_json(const struct check_subject *subject)
{
    json_t *checks = json_array();
    for (unsigned i = 0; conformance_check_at(i) && subject->choice; i++)
        if (subject->asked[i])
            json_array_append_new(checks, check_json(subject, i));
    return json_pack("{s:s, s:s, s:b, s:s?, s:s, s:o}", "queue", subject->spec, "params",
                     subject->choice ? subject->choice->params : "", "built", subject->choice != NULL, "package",
                     subject->entry->package, "verdict",
                     subject->choice ? state_names[state_of(subject, -1)] : "not built", "checks", checks);
}

static int print_json(struct check_report *report, const struct conformance_options *options, struct fault *fault)
{
    json_t *all =
        json_pack("{s:I, s:I, s:s, s:O}", "seed", (json_int_t)options->seed, "rounds_percent",
                  (json_int_t)options->percent, "verdict", state_names[report->violated > 0], "queues", report->queues);
    const int result = all ? json_dumpf(all, stdout, JSON_INDENT(2)) : -1;
    json_decref(all);
    fputc('\n', stdout);
    return result == 0 ? 0 : fault_set(fault, -EIO, "the verdicts can't be written: %s", strerror(errno));
}

// ------------------------------------------------------------------------------------------------

void check_report_begin(struct check_report *report, const struct conformance_options *options)
{
    report->queues = json_array();
    if (report->format == CHECK_TABLE)
        print_heading();
    else if (report->format == CHECK_LINES)
        printf("seed %llu, %u %% of the rounds, stuck after %u s\n", (unsigned long long)options->seed,
               options->percent, options->stuck_s);
}

// What is wrong is said in every format, where it does not get between the lines of another.
void check_report_check(const struct check_report *report, const struct check_subject *subject, unsigned index)
{
    if (report->format == CHECK_LINES)
        print_line(stdout, subject, index);
    else if (subject->answers[index].state == CHECK_VIOLATED)
        print_line(stderr, subject, index);
}

void check_report_queue(struct check_report *report, const struct check_subject *subject)
{
    const enum check_state state = state_of(subject, -1);
    for (unsigned i = 0; conformance_check_at(i); i++)
        report->checks += subject->asked[i] && subject->answers[i].state != CHECK_NOT_APPLICABLE;
    report->conforming += state == CHECK_OK;
    if (state == CHECK_VIOLATED) {
        const size_t used = strlen(report->violators);
        snprintf(report->violators + used, sizeof report->violators - used, "%s%s", used ? ", " : "", subject->spec);
        report->violated++;
    }
    if (report->format == CHECK_JSON)
        json_array_append_new(report->queues, queue_json(subject));
    else if (report->format == CHECK_TABLE)
        print_row(subject);
    else if (!subject->choice)
        printf("%-24s not built: needs the package %s\n", subject->spec, subject->entry->package);
}

int check_report_end(struct check_report *report, const struct conformance_options *options, struct fault *fault)
{
    int result = 0;
    if (report->format == CHECK_LINES)
        print_verdict(report, options);
    else if (report->format == CHECK_JSON)
        result = print_json(report, options, fault);
    json_decref(report->queues);
    return result;
}
