// SPDX-License-Identifier: Apache-2.0
// xenium's reclamation schemes as a parameter: a queue template instantiated with each, one of which is made in init.
//
// A thread's part of a scheme lives from the thread's first operation to its end, whatever it attaches; what it retired
// and can't free yet, the next that retires takes over.
#ifndef READYQ_CXX_XENIUM_HPP
#define READYQ_CXX_XENIUM_HPP

#include "queues/cxx/shim.hpp"

#include <array> // which xenium uses and does not include
#include <utility>
#include <variant>

#include <xenium/reclamation/generic_epoch_based.hpp>
#include <xenium/reclamation/hazard_eras.hpp>
#include <xenium/reclamation/hazard_pointer.hpp>

namespace shim
{

constexpr const char *xenium_reclaim_names[] = {"hazard_pointer", "hazard_eras", "epoch_based", "debra", nullptr};
constexpr const char *xenium_reclaim_traits[] = {"hazard pointers", "hazard eras", "epochs", "epochs (DEBRA)"};

// `Items<Reclaimer>` for each of the schemes.
template <template <class> class Items>
using xenium_variant =
    std::variant<Items<xenium::reclamation::hazard_pointer<>>, Items<xenium::reclamation::hazard_eras<>>,
                 Items<xenium::reclamation::epoch_based<>>, Items<xenium::reclamation::debra<>>>;

// The one that was chosen, made with `arguments`.
template <template <class> class Items, class... Arguments>
xenium_variant<Items> xenium_make(uint64_t reclaim, Arguments... arguments)
{
    using Variant = xenium_variant<Items>;
    switch (reclaim) {
    case 0:
        return Variant(std::in_place_index<0>, arguments...);
    case 1:
        return Variant(std::in_place_index<1>, arguments...);
    case 2:
        return Variant(std::in_place_index<2>, arguments...);
    default:
        return Variant(std::in_place_index<3>, arguments...);
    }
}

} // namespace shim

#define XENIUM_RECLAIM(config) \
    PARAM_CHOICE(config, reclaim, "hazard_pointer", shim::xenium_reclaim_names, "when an unlinked node is freed")

#endif
