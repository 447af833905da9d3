// SPDX-License-Identifier: Apache-2.0
// Parses what users type into the structs that plug-ins declare (core/param.h).
#ifndef READYQ_RUN_PARAMS_H
#define READYQ_RUN_PARAMS_H

#include <stdio.h>

#include "core/fault.h"
#include "core/param.h"
#include "core/queue_client.h"

struct pool_entry;

// Sets every parameter of `table` in `config` to its default. Texts are allocated.
int params_defaults(const struct param *table, void *config, struct fault *fault);

// Sets one parameter from text. -EINVAL and a sentence (which names `owner`) for an unknown name ("known are"),
// a value that can't be read, or one out of range (which says the range and the unit).
int params_set(const struct param *table, void *config, const char *owner, const char *name, const char *value,
               struct fault *fault);

// The same, with sentences that begin with `what` in place of owner and name.
int params_set_as(const struct param *table, void *config, const char *what, const char *name, const char *value,
                  struct fault *fault);

// Sets all of "name=value,name=value". A name given twice is refused. Empty text sets nothing.
int params_set_all(const struct param *table, void *config, const char *owner, const char *text, struct fault *fault);

// Frees what the texts hold.
void params_free(const struct param *table, void *config);

// Allocates a configuration of `size` bytes: the defaults, then `presets`, then `text`, which may not set again what
// the presets set. Given back by params_delete, which also takes NULL. On failure *config is untouched.
int params_new(const struct param *table, size_t size, const char *owner, const char *presets, const char *text,
               void **config, struct fault *fault);
void params_delete(const struct param *table, void *config);

// All parameters with their values, "capacity=64;lock=ticket", as they would be typed; allocated, "" if none.
// NULL: no memory. NS are written as bare numbers.
char *params_text(const struct param *table, const void *config);

// One value as it would be typed, into `buffer`. Returns buffer.
const char *params_value(const struct param *param, const void *config, char *buffer, size_t size);

// For people: a value with the largest unit that divides it ("2ms"), the choices with `between` in between, and what a
// parameter may be ("1 to 65536", "none | mutex").
const char *params_quantity(enum param_type type, uint64_t value, char *buffer, size_t size);
void params_choices(const struct param *param, const char *between, char *buffer, size_t size);
const char *params_range(const struct param *param, char *buffer, size_t size);

// A table of the parameters for `describe` and --help: name, default, range or choices, unit, help. `presets`, if
// any, as in "name=value,...": what an alias fixes, in place of the defaults.
void params_print(const struct param *table, const char *presets, FILE *out);

// Reads one number of type U64 or NS ("4k", "1.5us"). 0 or -EINVAL.
int params_number(enum param_type type, const char *text, uint64_t *value);

// "name" or "name:param=value,..." cut in two: *name allocated, *params points behind the colon, or at "".
// -EINVAL and a sentence if the name is empty.
int params_split(const char *spec, char **name, const char **params, struct fault *fault);

// A queue by its spec, looked up, configured and resolved. The choice is freed by queue_choice_fini.
int queue_choice_parse(struct queue_choice *choice, const char *spec, struct fault *fault);
// Likewise a queue that is built, with its defaults.
int queue_choice_plain(struct queue_choice *choice, const struct queue_entry *entry, struct fault *fault);
void queue_choice_fini(struct queue_choice *choice);

// A pool by its spec, and its configuration, which the caller gives back by params_delete. On failure both are
// untouched.
int pool_choice_parse(const struct pool_entry **pool, void **config, const char *spec, struct fault *fault);

#endif
