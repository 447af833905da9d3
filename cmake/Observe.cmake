# SPDX-License-Identifier: Apache-2.0
# What watches a pool from inside: probes for tracers, and accounting. Both cost next to nothing while nobody listens;
# how much that is, a build without them shows.

option(READYQ_OBSERVE "Build probes and accounting; OFF only to measure what they cost" ON)
option(READYQ_LTTNG "Build the LTTng-UST events too (needs liblttng-ust-dev)" OFF)

# Applies the options to `target`, and sets READYQ_OBSERVED to how the record's `build` has to say it: "" or ", ...".
function(readyq_observe target)
    set(said "")
    if(NOT READYQ_OBSERVE)
        if(READYQ_LTTNG)
            message(FATAL_ERROR "READYQ_LTTNG is ON, but READYQ_OBSERVE is OFF, which leaves all probes out.")
        endif()
        target_compile_definitions(${target} INTERFACE READYQ_OBSERVE=0)
        set(READYQ_OBSERVED ", without probes and accounting" PARENT_SCOPE)
        return()
    endif()
    if(READYQ_LTTNG)
        pkg_check_modules(lttng_ust QUIET IMPORTED_TARGET lttng-ust)
        if(NOT lttng_ust_FOUND)
            message(FATAL_ERROR "READYQ_LTTNG is ON, but the library of package liblttng-ust-dev is not installed.")
        endif()
        target_compile_definitions(${target} INTERFACE READYQ_LTTNG=1)
        target_link_libraries(${target} INTERFACE PkgConfig::lttng_ust ${CMAKE_DL_LIBS})
        string(APPEND said ", lttng")
    endif()
    find_path(READYQ_SDT_FOLDER sys/sdt.h) # looked for again at every configuration while it is not found
    if(READYQ_SDT_FOLDER)
        target_compile_definitions(${target} INTERFACE READYQ_USDT=1)
    else()
        message(STATUS "USDT probes are not built (package systemtap-sdt-dev is not installed)")
        string(APPEND said ", without usdt")
    endif()
    set(READYQ_OBSERVED "${said}" PARENT_SCOPE)
endfunction()
