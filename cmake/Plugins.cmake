# SPDX-License-Identifier: Apache-2.0
# Reads queues/list.def, workloads/list.def and peers/list.def, so that adding a plug-in is one file and one line.
#
#   KIND(name, file)                    always built
#   KIND_IF("package", name, file)      built when the library of that Debian package is found
#   QUEUE_ALIAS(name, queue, "params")  a listed queue under another name, with presets
#   QUEUE_BROKEN(name, "text")          says of a library's queue listed above which promise it breaks, and how to see it
#
# A file may stand in a folder of its own (libraries/x.c); one that ends with .cpp is built when there is a C++ compiler.
#
# Every line is read by CMake (which files to build) and by the C preprocessor (which plug-ins to list).

# How the library of a Debian package is found: package|pkg|pkg-config module, or package|header|a header of it, and
# |library to link, where there is one.
set(READYQ_PACKAGES
    "libuv1-dev|pkg|libuv"
    "libck-dev|header|ck_ring.h|ck"
    "liburcu-dev|pkg|liburcu-cds"
    "libglib2.0-dev|pkg|glib-2.0"
    "libdpdk-dev|header|dpdk/rte_ring.h|rte_ring"
    "libconcurrentqueue-dev|header|concurrentqueue/concurrentqueue.h"
    "libreaderwriterqueue-dev|header|readerwriterqueue/readerwriterqueue.h"
    "libboost-dev|header|boost/lockfree/queue.hpp"
    "libtbb-dev|pkg|tbb"
    "libxenium-dev|header|xenium/michael_scott_queue.hpp"
    "libcds-dev|header|cds/init.h|cds"
    "libatomic-queue-dev|header|atomic_queue/atomic_queue.h")
option(READYQ_LIBRARIES "Build the queues of libraries that are installed" ON)

# Sets <found> and <target>, what to link.
function(readyq_find_library package found target)
    string(MAKE_C_IDENTIFIER "${package}" id)
    foreach(line IN LISTS READYQ_PACKAGES)
        string(REPLACE "|" ";" parts "${line}")
        list(POP_FRONT parts name way what library)
        if(NOT name STREQUAL package)
            continue()
        endif()
        if(way STREQUAL "pkg")
            pkg_check_modules(${id} QUIET IMPORTED_TARGET ${what})
            set(${found} ${${id}_FOUND} PARENT_SCOPE)
            set(${target} PkgConfig::${id} PARENT_SCOPE)
            return()
        endif()
        find_path(${id}_FOLDER ${what})
        set(there ${${id}_FOLDER})
        set(${target} "" PARENT_SCOPE)
        if(library)
            find_library(${id}_LIBRARY ${library})
            set(${target} ${${id}_LIBRARY} PARENT_SCOPE)
            if(NOT ${id}_LIBRARY)
                set(there NO)
            endif()
        endif()
        if(there)
            set(${found} 1 PARENT_SCOPE)
        else()
            set(${found} 0 PARENT_SCOPE)
        endif()
        return()
    endforeach()
    message(FATAL_ERROR "cmake/Plugins.cmake does not know how to find the library of package '${package}'; "
                        "add it to READYQ_PACKAGES.")
endfunction()

# Sets <version> to that of an installed package, as Debian counts.
function(readyq_package_version package version)
    execute_process(COMMAND dpkg-query --show --showformat=\${Version} ${package} OUTPUT_VARIABLE text ERROR_QUIET)
    if(NOT text)
        set(text "unknown")
    endif()
    set(${version} ${text} PARENT_SCOPE)
endfunction()

# Whether the file can be built: C++ ones need a compiler for it, which is looked for once.
macro(readyq_can_build file can)
    set(${can} ON)
    if(${file} MATCHES "\\.cpp$")
        include(CheckLanguage)
        check_language(CXX)
        if(CMAKE_CXX_COMPILER)
            enable_language(CXX)
        else()
            set(${can} OFF)
        endif()
    endif()
endmacro()

# Sets <kind>_SOURCES and <kind>_LIBRARIES from <folder>/list.def, and collects what was found for readyq_have.h.
function(readyq_plugins kind folder)
    set(list ${folder}/list.def)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${list})
    file(READ ${list} text)
    string(REPLACE ";" "\\;" text "${text}")
    string(REPLACE "\n" ";" lines "${text}")
    set(number 0)
    set(names "")
    set(sources "")
    set(libraries "")
    set(foreign "") # names of plug-ins that need a library
    set(broken "")
    set(identifier "[a-z][a-z0-9_]*")
    set(source "([a-z]+/)?[a-z0-9_]+\\.(c|cpp)")
    foreach(line IN LISTS lines)
        math(EXPR number "${number} + 1")
        string(STRIP "${line}" line)
        if(line STREQUAL "" OR line MATCHES "^//")
            continue()
        endif()
        set(file "")
        if(line MATCHES "^${kind}\\((${identifier}), *(${source})\\)$")
            set(name ${CMAKE_MATCH_1})
            set(file ${CMAKE_MATCH_2})
            set(built ON)
        elseif(line MATCHES "^${kind}_IF\\(\"([a-z0-9.+-]+)\", *(${identifier}), *(${source})\\)$")
            set(package ${CMAKE_MATCH_1})
            set(name ${CMAKE_MATCH_2})
            set(file ${CMAKE_MATCH_3})
            list(APPEND foreign ${name})
            readyq_find_library(${package} built target)
            if(built)
                readyq_can_build(file built)
            endif()
            if(kind STREQUAL "QUEUE" AND NOT READYQ_LIBRARIES)
                set(built OFF)
            endif()
            if(built)
                list(APPEND libraries ${target})
                readyq_package_version(${package} version)
                set_property(GLOBAL APPEND PROPERTY READYQ_HAVE "HAVE_${name} 1" "VERSION_${name} \"${version}\"")
            else()
                message(STATUS "${folder}: ${name} is not built (package ${package})")
                set_property(GLOBAL APPEND PROPERTY READYQ_HAVE "HAVE_${name} 0" "VERSION_${name} NULL")
            endif()
        elseif(kind STREQUAL "QUEUE"
               AND line MATCHES "^QUEUE_ALIAS\\((${identifier}), *(${identifier}), *\"([^\"]+)\"\\)$")
            set(name ${CMAKE_MATCH_1})
            set(target ${CMAKE_MATCH_2})
            if(NOT target IN_LIST names)
                message(FATAL_ERROR "${list}:${number}: alias '${name}' is for '${target}', which is not listed above it.")
            endif()
        elseif(kind STREQUAL "QUEUE" AND line MATCHES "^QUEUE_BROKEN\\((${identifier}), *\"([^\"]+)\"\\)$")
            if(NOT CMAKE_MATCH_1 IN_LIST foreign)
                message(FATAL_ERROR "${list}:${number}: '${CMAKE_MATCH_1}' is no queue of a library that is listed above.")
            endif()
            set_property(GLOBAL APPEND PROPERTY READYQ_HAVE "BROKEN_${CMAKE_MATCH_1} \"${CMAKE_MATCH_2}\"")
            list(APPEND broken ${CMAKE_MATCH_1})
            continue()
        else()
            message(FATAL_ERROR "${list}:${number}: cannot read '${line}'; a line is ${kind}(name, file.c), "
                                "${kind}_IF(\"package\", name, file.c) or, for queues, QUEUE_ALIAS(name, queue, \"params\") "
                                "or QUEUE_BROKEN(name, \"text\").")
        endif()
        if(name IN_LIST names)
            message(FATAL_ERROR "${list}:${number}: the name '${name}' is given twice.")
        endif()
        list(APPEND names ${name})
        if(file AND built)
            if(NOT EXISTS ${CMAKE_SOURCE_DIR}/${folder}/${file})
                message(FATAL_ERROR "${list}:${number}: '${name}' names ${folder}/${file}, which does not exist.")
            endif()
            list(APPEND sources ${CMAKE_SOURCE_DIR}/${folder}/${file})
        endif()
    endforeach()
    if(NOT names AND NOT kind STREQUAL "POOL")
        message(FATAL_ERROR "${list} lists nothing.")
    endif()
    foreach(name IN LISTS foreign)
        if(NOT name IN_LIST broken)
            set_property(GLOBAL APPEND PROPERTY READYQ_HAVE "BROKEN_${name} NULL")
        endif()
    endforeach()
    list(REMOVE_DUPLICATES sources)
    set(${kind}_SOURCES ${sources} PARENT_SCOPE)
    set(${kind}_LIBRARIES ${libraries} PARENT_SCOPE)
endfunction()

# Tells the registries which of the KIND_IF plug-ins are built, from which version, and what is known to be broken.
function(readyq_write_have)
    get_property(pairs GLOBAL PROPERTY READYQ_HAVE)
    set(text "// Generated by cmake/Plugins.cmake.\n")
    foreach(pair ${pairs})
        string(APPEND text "#define READYQ_${pair}\n")
    endforeach()
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/readyq_have.h CONTENT "${text}" @ONLY)
endfunction()
