// SPDX-License-Identifier: Apache-2.0
#include "core/sync/garbage.h"

void garbage_add(struct garbage_chain *chain, void *element, struct garbage_sink *sink)
{
    struct garbage_node *node = element;
    node->next = NULL;
    node->sink = sink;
    if (chain->last)
        chain->last->next = node;
    else
        chain->first = node;
    chain->last = node;
}

void garbage_append(struct garbage_chain *to, struct garbage_chain *from)
{
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    *from = (struct garbage_chain){NULL, NULL};
}

bool garbage_free(struct garbage_chain *chain, unsigned most)
{
    for (unsigned freed = 0; freed < most && chain->first; freed++) {
        struct garbage_node *node = chain->first;
        chain->first = node->next;
        node->sink->give(node->sink, node);
    }
    if (!chain->first)
        chain->last = NULL;
    return chain->first != NULL;
}

size_t garbage_length(const struct garbage_chain *chain)
{
    size_t length = 0;
    for (const struct garbage_node *node = chain->first; node; node = node->next)
        length++;
    return length;
}
