// SPDX-License-Identifier: Apache-2.0
// The slow path of wcq.c: requests, and the steps that their owner and its helpers do for them. See wcq_ring.h.
#pragma once

#include "queues/wcq_ring.h"

// No DRAWING stands in any request for a ticket that was drawn before the tag beside `counter` was seen to be gone.
static inline uint64_t wcq_settle(struct wcq_ring *ring, struct word_pair *counter)
{
    for (;;) {
        const uint64_t count = at_load_sc(&counter->low, AT(wcq_count, wcq_draw_slow, wcq_draw_put, wcq_draw_take));
        uint64_t tag = at_load_sc(&counter->high, AT(wcq_tag, wcq_draw_slow, wcq_untag, wcq_untag_other));
        if (!tag)
            return count;
        struct wcq_attempt *attempt = &ring->threads[(tag & ((1u << WCQ_TAG_THREAD) - 1)) - 1].attempt;
        struct wcq_request *request = at_load_acq(&attempt->request, AT(wcq_whose, wcq_prepare_request));
        const uint64_t asked = at_load_acq(&attempt->asked, AT(wcq_whose_asked, wcq_prepare_asked));
        const uint64_t drawn = at_load_acq(&attempt->ticket, AT(wcq_which, wcq_prepare_ticket)) << WCQ_TICKET;
        if (at_load_sc(&attempt->tag, AT(wcq_still, wcq_prepare, wcq_unprepare)) == tag)
            at_cas2_sc(&request->local, drawn | WCQ_DRAWING, asked, drawn, asked,
                       AT(wcq_help_draw, wcq_announce, wcq_local));
        at_cas_sc(&counter->high, &tag, 0, AT(wcq_untag_other, wcq_draw_slow, wcq_tag));
    }
}

static inline uint64_t wcq_prepare(struct wcq_thread *thread, unsigned self, struct wcq_request *request,
                                   uint64_t asked, uint64_t ticket)
{
    struct wcq_attempt *attempt = &thread->attempt;
    const uint64_t tag = ++attempt->attempts << WCQ_TAG_THREAD | (self + 1);
    at_store_sc(&attempt->tag, 0, AT(wcq_unprepare, wcq_still));
    at_store_rel(&attempt->request, request, AT(wcq_prepare_request, wcq_whose));
    at_store_rel(&attempt->asked, asked, AT(wcq_prepare_asked, wcq_whose_asked));
    at_store_rel(&attempt->ticket, ticket, AT(wcq_prepare_ticket, wcq_which));
    at_store_sc(&attempt->tag, tag, AT(wcq_prepare, wcq_still));
    return tag;
}

// The request's ticket as it is now in *seen. False: it is over.
static inline bool wcq_look(struct wcq_request *request, uint64_t asked, uint64_t *seen)
{
    *seen = at_load_sc(&request->local.low,
                       AT(wcq_local, wcq_announce, wcq_help_draw, wcq_settle_own, wcq_end, wcq_finish, wcq_ask));
    return at_load_sc(&request->local.high, AT(wcq_local_asked, wcq_ask_number)) == asked && !(*seen & WCQ_OVER);
}

// Draws the request's next ticket into *seen, which is what it had, and which was tried in vain; or finds the one that
// another has drawn. False: the request is over.
static inline bool wcq_draw(struct wcq_ring *ring, struct word_pair *counter, unsigned self,
                            struct wcq_request *request, uint64_t asked, uint64_t *seen)
{
    uint64_t now, count, tag;
    do {
        if (!wcq_look(request, asked, &now))
            return false;
        count = wcq_settle(ring, counter);
        if (at_cas2_sc(&request->local, *seen, asked, count << WCQ_TICKET | WCQ_DRAWING, asked,
                       AT(wcq_announce, wcq_local, wcq_help_draw, wcq_settle_own, wcq_end, wcq_end_look))) {
            *seen = count << WCQ_TICKET | WCQ_DRAWING;
        } else {
            if (!wcq_look(request, asked, seen))
                return false;
            if (!(*seen & WCQ_DRAWING))
                return true;
            count = *seen >> WCQ_TICKET;
        }
        tag = wcq_prepare(&ring->threads[self], self, request, asked, count);
    } while (
        !at_cas2_sc(counter, count, 0, count + 1, tag,
                    AT(wcq_draw_slow, wcq_count, wcq_tag, wcq_look_tail, wcq_catch_up, wcq_untag, wcq_untag_other)));
    if (counter == &ring->head)
        at_sub_sc(&ring->threshold, 1, AT(wcq_pay_slow, wcq_spent, wcq_spent_slow, wcq_refill, wcq_whole));
    *seen = count << WCQ_TICKET;
    at_cas2_sc(&request->local, *seen | WCQ_DRAWING, asked, *seen, asked, AT(wcq_settle_own, wcq_announce, wcq_local));
    at_cas_sc(&counter->high, &tag, 0, AT(wcq_untag, wcq_draw_slow, wcq_tag));
    return true;
}

static inline void wcq_finish(struct wcq_request *request, uint64_t asked, uint64_t seen)
{
    at_cas2_sc(&request->local, seen, asked, seen | WCQ_OVER, asked, AT(wcq_finish, wcq_local));
}

// Does what can be done for `number` with `ticket`. True: the number is, or was, there.
static inline bool wcq_put_at(struct wcq_ring *ring, uint64_t ticket, uint64_t number)
{
    struct word_pair *place = wcq_place(ring, ticket);
    const struct wcq_shape *shape = ring->shape;
    const uint64_t turn = wcq_turn(ring, ticket);
    for (;;) {
        const uint64_t note = at_load_sc(&place->high, AT(wcq_look_note, wcq_note));
        const uint64_t found = at_load_sc(&place->low, AT(wcq_look_slow, wcq_take, wcq_spoil));
        if ((found & shape->turn) == turn)
            return !wcq_is_nothing(ring, found);
        if ((found & shape->turn) > turn || note >= turn)
            return false;
        if (wcq_may_fill(ring, found, ticket)) {
            if (at_cas2_sc(place, found, note, turn | shape->safe | number, note,
                           AT(wcq_put_slow, wcq_look_take, wcq_spoil, wcq_take)))
                return true;
        } else if (at_cas2_sc(place, found, note, found, turn, AT(wcq_note, wcq_look_note))) {
            return false;
        }
    }
}

static inline void wcq_put_for(struct wcq_ring *ring, unsigned self, struct wcq_request *request, uint64_t asked,
                               uint64_t number)
{
    uint64_t seen = 0;
    while (wcq_draw(ring, &ring->tail, self, request, asked, &seen)) {
        const uint64_t ticket = seen >> WCQ_TICKET;
        if (!wcq_put_at(ring, ticket, number))
            continue;
        wcq_finish(request, asked, seen);
        uint64_t loose = wcq_turn(ring, ticket) | ring->shape->safe | number;
        at_cas_sc(&wcq_place(ring, ticket)->low, &loose, loose | ring->shape->fixed, AT(wcq_fix, wcq_look_take));
    }
}

static inline void wcq_take_for(struct wcq_ring *ring, unsigned self, struct wcq_request *request, uint64_t asked)
{
    uint64_t seen = 0, found;
    while (wcq_draw(ring, &ring->head, self, request, asked, &seen)) {
        const uint64_t ticket = seen >> WCQ_TICKET;
        if (wcq_find(ring, ticket, &found) || wcq_overtaken(ring, ticket) ||
            at_load_sc(&ring->threshold, AT(wcq_spent_slow, wcq_refill, wcq_pay, wcq_pay_slow)) < 0)
            wcq_finish(request, asked, seen);
    }
}

static inline void wcq_serve(struct wcq_ring *ring, unsigned self, struct wcq_request *request)
{
    const uint64_t asked = at_load_sc(&request->pending, AT(wcq_pending, wcq_publish, wcq_withdraw));
    if (!asked)
        return;
    const uint64_t number = at_load_acq(&request->number, AT(wcq_request, wcq_ask_what));
    if (at_load_sc(&request->pending, AT(wcq_pending_still, wcq_publish, wcq_withdraw)) != asked)
        return;
    if (number == WCQ_NOTHING)
        wcq_take_for(ring, self, request, asked);
    else
        wcq_put_for(ring, self, request, asked, number);
}

// Asks everybody for help and returns when the request is over: the ticket it got last. Nobody touches `local` of a
// request that is over, so that two stores make it the next one's.
static __attribute__((noinline)) uint64_t wcq_request(struct wcq_ring *ring, unsigned self, uint64_t number)
{
    struct wcq_request *request = &ring->threads[self].requests[ring->which];
    const uint64_t asked = ++request->last;
    at_store_sc(&request->local.high, asked, AT(wcq_ask_number, wcq_local_asked, wcq_end_asked));
    at_store_sc(&request->local.low, 0, AT(wcq_ask, wcq_local, wcq_end_look));
    at_store_rel(&request->number, number, AT(wcq_ask_what, wcq_request));
    at_store_sc(&request->pending, asked, AT(wcq_publish, wcq_pending, wcq_pending_still));
    wcq_serve(ring, self, request);
    at_store_sc(&request->pending, 0, AT(wcq_withdraw, wcq_pending, wcq_pending_still));
    return at_load_rlx(&request->local.low) >> WCQ_TICKET;
}
